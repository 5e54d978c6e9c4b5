"""The recipe ``dialogue``: a lane for each session, a part for each round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from tokenworks.batches.recipes import words
from tokenworks.batches.recipes.clipping import clipped
from tokenworks.batches.recipes.dialogue import context, manners, plan, transcript
from tokenworks.batches.recipes.dialogue import session as sessions
from tokenworks.batches.recipes.dialogue.context import Rooms
from tokenworks.batches.recipes.dialogue.session import Kept, Session
from tokenworks.batches.recipes.recipe import Ask, Checked, Memory, Output, Part, Said, Skipped, Split
from tokenworks.batches.recipes.sizes import tokens_of
from tokenworks.batches.recipes.soundness import faults, told
from tokenworks.errors import BadRequest


class Dialogue:
    """A round is asked with what is pinned, a rolling summary and the last turns: never more than the cap."""

    name: ClassVar[str] = "dialogue"
    summary: ClassVar[str] = "Role-play and chats of thousands of rounds, at the same price for every round"
    options: ClassVar[Mapping[str, str]] = {
        "context_tokens": "most tokens of a request with its answer, by our estimate (4000)",
        "answer_tokens": "most tokens of an answer (300, a tenth of context_tokens if that is less)",
        "summary_tokens": "most tokens of the rolling summary (600, or 15 % of context_tokens)",
        "rounds": "how many rounds to talk now (all turns; 20 where the user is played)",
        "resume": "a .state.json of an earlier job, or the folder they are in, to go on from",
    }
    suffixes: ClassVar[tuple[str, ...]] = (".toml", ".json")

    def split(self, files: Sequence[Path], options: Mapping[str, str]) -> Split:
        """A part for each round, and those that fold old turns into the summary."""
        words.known(options, self.options)
        rooms = _rooms(options)
        rounds = words.number(options, "rounds", 0, 1, sessions.MOST_ROUNDS)
        resume = options.get("resume", "").strip()
        parts: list[Part] = []
        skipped: list[Skipped] = []
        pinned: dict[str, dict[str, Any]] = {}
        for file in files:
            try:
                described = sessions.sessions(file)
            except BadRequest as error:
                skipped.append(Skipped(file.name, error.message))
                continue
            for one in described:
                try:
                    found = sessions.session(one, file, rounds, resume)
                    if found.id in pinned:
                        raise BadRequest(f"there is a session “{found.id}” already")
                    found.start = context.fitted(found.start, rooms)
                    parts += plan.parts(len(pinned), found, rooms)
                except BadRequest as error:
                    skipped.append(Skipped(file.name, error.message))
                    continue
                pinned[found.id] = _pinned(found)
        if not parts:
            why = f"{skipped[0].file}: {skipped[0].reason}" if skipped else "give a file"
            raise BadRequest(f"dialogue: nothing to talk about; {why}")
        return Split(tuple(parts), {"rooms": msgspec.to_builtins(rooms), "sessions": pinned}, tuple(skipped))

    def ask(self, part: Part, shared: Mapping[str, Any], memory: Memory, tries: Sequence[Checked]) -> Ask:
        """What is pinned, the summary, the last turns, and what the user says now."""
        session, rooms, kept = self.view(part, shared, memory)
        note = f"[{again}]" if (again := told(tries)) else ""
        if part.data["kind"] == "fold":
            return context.fold(rooms, kept, part.data["turns"], note)
        if part.data["kind"] == "user":
            return context.user(session, rooms, kept, note)
        return context.answer(session, rooms, kept, part.data["say"] or kept.said, note)

    def view(
        self, part: Part, shared: Mapping[str, Any], memory: Memory
    ) -> tuple[Mapping[str, Any], Rooms, Kept]:
        """The session of a part, the rooms, and what is remembered before it."""
        session = shared["sessions"][part.lane]
        rooms = msgspec.convert(shared["rooms"], Rooms)
        return session, rooms, Kept.of(memory or session["start"])

    def check(self, part: Part, shared: Mapping[str, Any], memory: Memory, said: Said) -> Checked:
        """``{"text", "keep"}``; what is refused, repeated or forbidden is not kept in the conversation."""
        session, rooms, kept = self.view(part, shared, memory)
        text = said.text.strip()
        kind = part.data["kind"]
        most = rooms.summary if kind == "fold" else rooms.answer
        wrong = faults(Said(text), part.data.get("say", "") or kept.said)
        if kind != "fold":
            wrong += self._manners(part, session, kept, text)
        keep = bool(text) and (kind == "user" or not wrong)
        # what is too long is kept, cut; it had better be shorter
        if said.finish in ("length", "max_tokens"):
            wrong.append(f"it was cut off; say it in at most {context.words_in(most)} words")
        elif tokens_of(text) > 2 * most:
            wrong.append(f"it is too long; say it in at most {context.words_in(most)} words")
        return Checked({"text": text, "keep": keep}, tuple(wrong), int(not keep))

    def _manners(self, part: Part, session: Mapping[str, Any], kept: Kept, text: str) -> list[str]:
        turn = part.data["kind"] == "turn"
        same = bool(kept.turns) and turn and (part.data["say"] or kept.said) == kept.turns[-1][0]
        again = "" if same else manners.repeated(text, [both[turn] for both in kept.turns])
        broken = manners.out_of_character(text, session["forbidden"]) if turn else ""
        return [problem for problem in (again, broken) if problem]

    def learn(self, part: Part, shared: Mapping[str, Any], memory: Memory, checked: Checked) -> Memory:
        """The turn is kept, or the oldest are folded away. Bounded by the cap, however long it goes on."""
        _, rooms, kept = self.view(part, shared, memory)
        value = checked.value if isinstance(checked.value, dict) else {}
        text = value.get("text", "") if value.get("keep") else ""
        kind, data = part.data["kind"], part.data
        if kind == "user":
            kept.said = clipped(text or context.SILENCE, rooms.kept)
        elif kind == "turn":
            answer = clipped(text or context.SILENCE, rooms.kept)
            kept.turns.append((data["say"] or kept.said, answer))
            kept.round, kept.said = data["round"], ""
        else:
            kept.summary = clipped(text, rooms.summary) or context.mechanical(kept, data["turns"], rooms)
            del kept.turns[: data["turns"]]
        return kept.memory()

    def merge(
        self, files: Sequence[Path], split: Split, results: Mapping[str, Checked], folder: Path
    ) -> list[Output]:
        """Per session what was said (Markdown and JSON lines), and the state to go on from."""
        lanes: dict[str, list[Part]] = {}
        for part in split.parts:
            lanes.setdefault(part.lane, []).append(part)
        made: list[Output] = []
        for parts in lanes.values():
            made += transcript.write(transcript.replay(self, parts, split.shared, results), folder)
        return made


def _rooms(options: Mapping[str, str]) -> Rooms:
    whole = words.number(options, "context_tokens", 4000, 500, 2_000_000)
    return Rooms(
        whole,
        words.number(options, "answer_tokens", min(300, whole // 10), 16, 100_000),
        words.number(options, "summary_tokens", min(600, whole * 3 // 20), 50, 100_000),
    )


def _pinned(session: Session) -> dict[str, Any]:
    return {
        "system": session.system,
        "facts": session.facts,
        "forbidden": session.forbidden,
        "simulator": session.simulator,
        "start": session.start,
    }
