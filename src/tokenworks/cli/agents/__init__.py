"""Coding agents that ``tokenworks launch`` starts: one file each, and what they share."""

from __future__ import annotations

from tokenworks.cli.agents import claude, codex, openclaw, opencode
from tokenworks.cli.agents.agent import Agent

AGENTS: dict[str, Agent] = {each.AGENT.name: each.AGENT for each in (claude, codex, openclaw, opencode)}
