"""How much to think, on the messages wire: a budget, or with newer models only an effort."""

from __future__ import annotations

import msgspec

from tokenworks.wire.conversation import Maker, Message, Reasoning, Thinking, ToolResult
from tokenworks.wire.effort import LEAST_BUDGET, LOWEST, budget_of, effort_of, known, thinks
from tokenworks.wire.parameters import ABSENT, said
from tokenworks.wire.peek import Fields
from tokenworks.wire.signature import MESSAGES


class ThinkingConfig(msgspec.Struct, omit_defaults=True, gc=False):
    type: str
    budget_tokens: int | None = None
    display: str | None = None


class OutputConfig(msgspec.Struct, omit_defaults=True, gc=False):
    effort: str | None = None
    format: msgspec.Raw = ABSENT


class Plan(msgspec.Struct, frozen=True, gc=False):
    """What a request says about thinking. ``max_tokens`` has room for it."""

    max_tokens: int
    thinking: ThinkingConfig | None = None
    effort: str | None = None
    forces_tools: bool = True  # a tool can be forced
    samples: bool = True  # temperature and the like can be chosen
    gave_up: bool = False  # thinking was asked for and is left out


_decode_thinking = msgspec.json.Decoder(ThinkingConfig | None).decode
_decode_output = msgspec.json.Decoder(OutputConfig | None).decode
_DEFAULT_BUDGET = "medium"


def read_output(fields: Fields) -> OutputConfig:
    """``output_config``. Raises BadRequest when it is malformed."""
    return said(fields, "output_config", _decode_output) or OutputConfig()


def read_reasoning(fields: Fields, output: OutputConfig) -> Reasoning | None:
    """What ``thinking`` and the effort of ``output`` say. Raises BadRequest."""
    thinking = said(fields, "thinking", _decode_thinking)
    effort = known(output.effort or "")
    if thinking is None:
        return Reasoning(effort=effort) if effort else None
    return Reasoning(
        thinking.type != "disabled", effort, thinking.budget_tokens, thinking.display == "omitted"
    )


def plan(reasoning: Reasoning | None, messages: tuple[Message, ...], max_tokens: int, maker: Maker) -> Plan:
    """How ``maker`` is told ``reasoning``. A budget raises ``max_tokens``, as far as ``maker`` allows."""
    quirks = maker.quirks
    on = thinks(reasoning)
    adaptive = "adaptive_thinking_only" in quirks
    if reasoning is None or on is None:
        return Plan(max_tokens)
    if not on and "thinking_always_on" in quirks:
        return Plan(max_tokens, effort=LOWEST if adaptive else None, forces_tools=False, samples=False)
    if not on:
        return Plan(max_tokens, ThinkingConfig("disabled"))
    if adaptive:
        effort = effort_of(reasoning, max_tokens)
        thinking = ThinkingConfig("adaptive", display="omitted" if reasoning.exclude else "summarized")
        effort = LOWEST if effort == "minimal" else effort
        return Plan(max_tokens, thinking, effort or None, forces_tools=False, samples=False)
    if _under_way_without_thinking(messages):
        return Plan(max_tokens, gave_up=True)
    return _budgeted(reasoning, max_tokens, maker)


def _budgeted(reasoning: Reasoning, max_tokens: int, maker: Maker) -> Plan:
    budget = budget_of(reasoning, max_tokens) or budget_of(Reasoning(effort=_DEFAULT_BUDGET), max_tokens) or 0
    budget = max(budget, LEAST_BUDGET)
    if budget >= max_tokens:
        max_tokens += budget
        if maker.max_output_tokens is not None:
            max_tokens = min(max_tokens, maker.max_output_tokens)
        budget = min(budget, max_tokens - 1)
    if budget < LEAST_BUDGET:  # a model that can't think as little as this
        return Plan(max_tokens, gave_up=True)
    effort = reasoning.effort if "thinking_by_default" in maker.quirks else ""  # such makers read it instead
    return Plan(
        max_tokens, ThinkingConfig("enabled", budget), effort or None, forces_tools=False, samples=False
    )


def _under_way_without_thinking(messages: tuple[Message, ...]) -> bool:
    """Is the model amid calling tools, in a turn that it did not begin with reasoning it can be shown?

    Thinking can't be switched on there: such a turn must begin with it.
    """
    first = None
    for message in reversed(messages):
        if message.role == "assistant":
            first = message
        elif not any(isinstance(block, ToolResult) for block in message.content):
            break
    if first is None or messages[-1].role == "assistant":
        return False
    return not any(
        isinstance(block, Thinking) and block.format in ("", MESSAGES) and (block.signature or block.redacted)
        for block in first.content[:1]
    )
