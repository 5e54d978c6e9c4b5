"""A session as parts: rounds, and between them the times at which old turns are folded into the summary.

When to fold is decided here, before anything is said: as if every answer were as long as it may be. So the
parts are the same whatever is answered, and no request can grow over the cap.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from tokenworks.batches.recipes.dialogue import context
from tokenworks.batches.recipes.dialogue.context import Rooms
from tokenworks.batches.recipes.dialogue.session import Kept, Session
from tokenworks.batches.recipes.recipe import Part
from tokenworks.batches.recipes.sizes import tokens_of
from tokenworks.errors import BadRequest

TYPICAL = 0.4  # of the room for an answer is what answers come to, about: for estimates only


class Plan(msgspec.Struct):
    """The parts of one session while they are laid out."""

    number: int  # of the session in the job
    session: Session
    rooms: Rooms
    turns: list[int]  # most that each turn kept may cost
    left: int  # tokens for turns
    head: int  # what every request has besides turns, about
    parts: list[Part]

    def add(self, data: dict[str, Any], tokens: int, expected: int) -> None:
        """One more part."""
        name = f"{self.number:06d}.{len(self.parts):07d}"
        self.parts.append(Part(name, self.session.id, data, tokens, expected))

    def usual(self) -> int:
        """Tokens of a request for an answer, about."""
        return self.head + int(sum(self.turns) * TYPICAL)


def parts(number: int, session: Session, rooms: Rooms) -> list[Part]:
    """All parts of ``session``, in order. Raises ``BadRequest`` where one can't fit under the cap."""
    told = {"system": session.system, "facts": session.facts, "simulator": session.simulator}
    left = context.room_for_turns(told, rooms)
    kept = Kept.of(session.start)
    head = rooms.context - left - rooms.answer - context.NOTE - rooms.summary // 2
    plan = Plan(number, session, rooms, context.of_turns(kept.turns), left, head, [])
    for at, say in enumerate(_said(session)):
        round_ = kept.round + at + 1
        said = rooms.kept if say is None else tokens_of(say)
        _fold(plan, said + context.EACH, round_)
        if say is None:
            plan.add({"kind": "user", "round": round_}, plan.usual(), int(rooms.answer * TYPICAL))
        plan.add(
            {"kind": "turn", "round": round_, "say": say or ""},
            plan.usual() + said,
            int(rooms.answer * TYPICAL),
        )
        plan.turns.append(context.cost(said, rooms.kept))
    return plan.parts


def _said(session: Session) -> Iterator[str | None]:
    """What the user says, round by round; None where a model is to say it."""
    if session.turns:
        yield from session.turns
        return
    fresh = bool(session.opening) and not session.start
    for at in range(session.rounds):
        yield session.opening if fresh and at == 0 else None


def _fold(plan: Plan, needed: int, round_: int) -> None:
    """Fold until ``needed`` tokens fit beside the turns kept: the older half, each time."""
    most = context.room_for_folding(plan.rooms)
    while sum(plan.turns) + needed > plan.left:
        if not plan.turns:
            raise BadRequest(
                f"session {plan.session.id}: what the user says in round {round_} takes {needed:,} tokens, "
                f"{plan.left:,} have room; give a larger context_tokens"
            )
        count = size = 0
        for turn in plan.turns[: (len(plan.turns) + 1) // 2]:
            if size + turn > most:
                break
            count, size = count + 1, size + turn
        if not count:  # one that an earlier job kept under a larger cap: it is cut when it is folded
            count, size = 1, most
        used = int((size + plan.rooms.summary) * TYPICAL)
        plan.add({"kind": "fold", "round": round_, "turns": count}, used, int(plan.rooms.summary * TYPICAL))
        del plan.turns[:count]
