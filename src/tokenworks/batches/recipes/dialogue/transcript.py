"""What was said in a session, from the results of its parts; and the state to go on from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from tokenworks.batches.recipes.dialogue import context
from tokenworks.batches.recipes.dialogue.session import ENDING, STATE, VERSION, Kept, State
from tokenworks.batches.recipes.kept_file import made
from tokenworks.batches.recipes.kept_file import write as write_text
from tokenworks.batches.recipes.recipe import Ask, Checked, Memory, Output, Part
from tokenworks.batches.recipes.sizes import tokens_of


class Talker(Protocol):
    """The two methods of the recipe that a replay needs."""

    def ask(self, part: Part, shared: Mapping[str, Any], memory: Memory, tries: Sequence[Checked]) -> Ask: ...

    def learn(self, part: Part, shared: Mapping[str, Any], memory: Memory, checked: Checked) -> Memory: ...


class Round(msgspec.Struct, omit_defaults=True):
    """One round. ``tokens`` are those of all requests that belong to it, with their answers; our estimate."""

    round: int
    user: str = ""
    assistant: str = ""
    problems: list[str] = []
    tokens: int = 0
    context: int = 0  # tokens of its largest request, the room for the answer included


class Talk(msgspec.Struct):
    """A session so far."""

    session: str
    pinned: Mapping[str, Any]
    rounds: list[Round]
    memory: Memory  # after the last round that is there
    whole: bool  # every part had its result


def replay(
    recipe: Talker, parts: Sequence[Part], shared: Mapping[str, Any], results: Mapping[str, Checked]
) -> Talk:
    """A session once more from its ``parts`` (one or more), up to the first of them without a result."""
    lane = parts[0].lane
    pinned = shared["sessions"][lane]
    memory: Memory = {}
    settled: Memory = pinned["start"]
    rounds: dict[int, Round] = {}
    whole = True
    for part in parts:
        result = results.get(part.id)
        if result is None:
            whole = False
            break
        now = rounds.setdefault(part.data["round"], Round(part.data["round"]))
        _count(now, recipe.ask(part, shared, memory, ()), result)
        memory = recipe.learn(part, shared, memory, result)
        now.problems += result.problems
        if part.data["kind"] == "turn":
            now.user = Kept.of(memory).turns[-1][0]
            now.assistant = result.value["text"] if result.value else ""
        if part.data["kind"] != "user":
            settled = memory
    return Talk(lane, pinned, [one for one in rounds.values() if one.user], settled, whole)


def _count(now: Round, ask: Ask, result: Checked) -> None:
    size = context.size(ask)
    answer = tokens_of(result.value["text"]) if result.value else 0
    now.tokens += size - (ask.max_tokens or 0) + answer
    now.context = max(now.context, size)


def tokens_by_round(talk: Talk) -> list[tuple[int, int]]:
    """(round, tokens) of a session, for a plot: input and output, what folding took included."""
    return [(one.round, one.tokens) for one in talk.rounds]


def slope(points: Iterable[tuple[int, int]]) -> float:
    """Tokens by which a round costs more than the one before it: least squares; 0 for fewer than two."""
    points = list(points)
    if len(points) < 2:
        return 0.0
    middle = sum(x for x, _ in points) / len(points)
    mean = sum(y for _, y in points) / len(points)
    spread = sum((x - middle) ** 2 for x, _ in points)
    return sum((x - middle) * (y - mean) for x, y in points) / spread


def write(talk: Talk, folder: Path) -> list[Output]:
    """``SESSION.md``, ``SESSION.jsonl`` and ``SESSION.state.json``."""
    names = [f"{talk.session}.md", f"{talk.session}.jsonl", f"{talk.session}{ENDING}"]
    write_text(folder / names[0], _markdown(talk))
    with made(folder / names[1]) as out:
        for one in talk.rounds:
            out.write(msgspec.json.encode(one) + b"\n")
    pinned = talk.pinned
    memory = Kept.of(talk.memory)
    memory.said = ""
    state = State(
        STATE,
        VERSION,
        talk.session,
        pinned["system"],
        pinned["facts"],
        pinned["forbidden"],
        pinned["simulator"],
        memory.memory(),
    )
    with made(folder / names[2]) as out:
        out.write(msgspec.json.format(msgspec.json.encode(state), indent=1) + b"\n")
    kinds = ("text/markdown", "application/jsonl", "application/json")
    notes = (_note(talk), "", f"to go on: resume={names[2]}")
    return [Output(name, kind, note) for name, kind, note in zip(names, kinds, notes, strict=True)]


def _note(talk: Talk) -> str:
    flagged = sum(bool(one.problems) for one in talk.rounds)
    most = max((one.context for one in talk.rounds), default=0)
    said = f"{len(talk.rounds):,} rounds, {most:,} tokens of context at most"
    if flagged:
        said += f", {flagged:,} rounds flagged"
    return said if talk.whole else f"{said}; not all of them are done"


def _markdown(talk: Talk) -> str:
    lines = [f"# {talk.session}", ""]
    for one in talk.rounds:
        lines += [f"**{one.round}. User:** {one.user}", "", f"**Assistant:** {one.assistant}", ""]
        lines += [f"*({problem})*" for problem in one.problems] + ([""] if one.problems else [])
    return "\n".join(lines)
