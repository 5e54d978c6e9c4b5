"""Lengths, waits and conversations as real services saw them, to draw synthetic subscribers from."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path

CONVERSATIONS = "conversation_trace.jsonl"
CHAT, CODE = "AzureLLMInferenceTrace_conv.csv", "AzureLLMInferenceTrace_code.csv"
BURST_GAP_S = 10.0  # a longer gap of the code trace is between two bursts

Lengths = tuple[int, int]  # input and output tokens


class NoTraces(Exception):
    """A trace is missing; the message names it."""


@dataclass
class Samples:
    """What was seen, to be drawn from."""

    chat: list[Lengths] = field(default_factory=list)  # requests of a chat service
    code: list[Lengths] = field(default_factory=list)  # requests of a code assistant
    burst_gaps_s: list[float] = field(default_factory=list)  # within bursts of the code assistant
    sessions: list[list[tuple[float, int, int]]] = field(
        default_factory=list
    )  # s since the turn before, tokens
    think_s: list[float] = field(default_factory=list)  # from one turn to the next of a conversation
    growth: list[int] = field(default_factory=list)  # tokens by which a turn's context exceeds the last's


def load(folder: Path) -> Samples:
    """The samples of the three traces in ``folder``. Raises ``NoTraces``."""
    for name in (CHAT, CODE, CONVERSATIONS):
        if not (folder / name).is_file():
            raise NoTraces(f"no {name} in {folder}; set TOKENWORKS_TEST_DATA to the folder that has traces/")
    samples = Samples()
    samples.chat, _ = _lengths(folder / CHAT)
    samples.code, gaps = _lengths(folder / CODE)
    samples.burst_gaps_s = [gap for gap in gaps if gap < BURST_GAP_S]
    for turns in _sessions(folder / CONVERSATIONS):
        played, before = [], turns[0]
        for turn in turns:
            played.append(((turn[0] - before[0]) / 1000, turn[1], turn[2]))
            before = turn
        samples.sessions.append(played)
        samples.think_s += [wait for wait, _, _ in played[1:]]
        samples.growth += [b[1] - a[1] for a, b in pairwise(turns) if b[1] > a[1]]
    return samples


def _lengths(file: Path) -> tuple[list[Lengths], list[float]]:
    with file.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    times = [datetime.fromisoformat(row["TIMESTAMP"][:26]).timestamp() for row in rows]
    lengths = [(int(row["ContextTokens"]), int(row["GeneratedTokens"])) for row in rows]
    return lengths, [later - sooner for sooner, later in pairwise(times)]


def _sessions(file: Path) -> list[list[Lengths | tuple[int, int, int]]]:
    """Conversations as lists of (ms, input, output): a request goes on with the latest that shares a block.

    The first block is the service's own prompt, which all have in common, so it says nothing.
    """
    owner: dict[int, int] = {}
    sessions: list[list[tuple[int, int, int]]] = []
    with file.open() as lines:
        for line in lines:
            row = json.loads(line)
            blocks = row["hash_ids"][1:]
            at = next((owner[block] for block in reversed(blocks) if block in owner), None)
            if at is None or sessions[at][-1][0] >= row["timestamp"]:
                at = len(sessions)
                sessions.append([])
            sessions[at].append((row["timestamp"], row["input_length"], row["output_length"]))
            owner.update((block, at) for block in blocks)
    return sessions
