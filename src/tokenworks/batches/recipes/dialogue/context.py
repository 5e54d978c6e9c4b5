"""What is sent to the model for a round, and that it stays under the cap.

Every piece has its room: what is pinned, the summary, the turns kept, the user's words, a note for a second
try, and the answer. The pieces are cut to their rooms where they are kept, so their sum can't exceed the cap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tokenworks.batches.recipes.clipping import clipped
from tokenworks.batches.recipes.dialogue.session import Kept
from tokenworks.batches.recipes.recipe import Ask, Memory
from tokenworks.batches.recipes.sizes import tokens_of
from tokenworks.errors import BadRequest

EACH = 4  # tokens that a message costs besides its words
NOTE = 120  # tokens of what a second try is told
SLACK = 1.25  # an answer's own tokens may be longer in our count than in the model's
BEGIN = "(Begin.)"
SILENCE = "(no answer)"

_FACTS = "What always holds:"
_BEFORE = "What happened before, in short:"
_BRIEF = "Answer in at most {words} words."
_PLAY = (
    "You play the person who talks with somebody. Stay that person. Write what they say next, nothing else, "
    "in at most {words} words."
)
_FOLD = (
    "You keep the memory of a long conversation. Write one new summary that holds the old one and what is "
    "new: names, decisions, promises, places, moods, open questions, in the language of the conversation. "
    "Leave out small talk. Plain sentences, at most {words} words. Write the summary and nothing else."
)


class Rooms(msgspec.Struct, frozen=True):
    """Tokens, by our estimate: of a whole request with its answer, of an answer, of a summary."""

    context: int
    answer: int
    summary: int

    @property
    def kept(self) -> int:
        """Most that is kept of an answer."""
        return int(self.answer * SLACK)


def size(ask: Ask) -> int:
    """Tokens of a request, the room for its answer included."""
    return sum(tokens_of(m["content"]) + EACH for m in ask.messages) + (ask.max_tokens or 0)


def pinned(session: Mapping[str, Any], rooms: Rooms) -> str:
    """What stands at the head of every request for an answer."""
    facts = "\n".join([_FACTS, *(f"- {fact}" for fact in session["facts"])]) if session["facts"] else ""
    brief = _BRIEF.format(words=words_in(rooms.answer))
    return "\n\n".join(piece for piece in (session["system"].strip(), facts, brief) if piece)


def answer(session: Mapping[str, Any], rooms: Rooms, kept: Kept, say: str, note: str) -> Ask:
    """The request for what the assistant says to ``say``."""
    messages = [_system(pinned(session, rooms), kept.summary)]
    for user, assistant in kept.turns:
        messages += [_message("user", user), _message("assistant", assistant)]
    messages.append(_message("user", _noted(say, note)))
    return Ask(tuple(messages), rooms.answer)


def user(session: Mapping[str, Any], rooms: Rooms, kept: Kept, note: str) -> Ask:
    """The request for what the played user says next: the conversation seen from the other side."""
    messages = [_system(_player(session, rooms), kept.summary), _message("user", BEGIN)]
    for said, assistant in kept.turns:
        messages += [_message("assistant", said), _message("user", assistant)]
    messages[-1] = _message("user", _noted(messages[-1]["content"], note))
    return Ask(tuple(messages), rooms.answer)


def fold(rooms: Rooms, kept: Kept, turns: int, note: str) -> Ask:
    """The request for a summary that takes in the oldest ``turns``."""
    most = room_for_folding(rooms) // 2 - EACH
    said = "\n".join(
        f"User: {clipped(user, most)}\nAssistant: {clipped(assistant, most)}" if turns == 1
        else f"User: {user}\nAssistant: {assistant}"
        for user, assistant in kept.turns[:turns]
    )  # fmt: skip
    before = f"{_BEFORE}\n{kept.summary}\n\n" if kept.summary else ""
    text = _noted(f"{before}What is new:\n{said}", note)
    return Ask((_message("system", _folder(rooms)), _message("user", text)), rooms.summary, 0.2)


def room_for_turns(session: Mapping[str, Any], rooms: Rooms) -> int:
    """Tokens left for the turns kept and for what the user says now. Raises ``BadRequest`` for too few."""
    head = tokens_of(pinned(session, rooms))
    if session["simulator"]:
        head = max(head, tokens_of(_player(session, rooms)) + EACH + tokens_of(BEGIN))
    used = head + EACH + tokens_of(f"\n\n{_BEFORE}\n") + rooms.summary + NOTE + 1 + rooms.answer
    left = rooms.context - used
    least = 2 * (rooms.kept + 2 * EACH)
    folded = room_for_folding(rooms)
    if min(left, folded) < least:
        needed = rooms.context + least - min(left, folded)
        raise BadRequest(
            f"context_tokens={rooms.context} is too small for what is pinned; give {needed} or more, "
            "or a smaller answer_tokens or summary_tokens"
        )
    return left


def room_for_folding(rooms: Rooms) -> int:
    """Tokens of turns that can be folded at once."""
    fixed = tokens_of(_folder(rooms)) + 2 * EACH + tokens_of(f"{_BEFORE}\n\n\nWhat is new:\n")
    return rooms.context - fixed - 2 * rooms.summary - NOTE - 1


def cost(user: int, assistant: int) -> int:
    """Tokens of a turn that is kept, of its two sides."""
    return user + assistant + 2 * EACH


def mechanical(kept: Kept, turns: int, rooms: Rooms) -> str:
    """A summary without a model, where none could be had: the old one and how each turn began."""
    new = "\n".join(f"{clipped(said, 30)} — {clipped(back, 40)}" for said, back in kept.turns[:turns])
    new = clipped(new, rooms.summary // 2)
    return f"{clipped(kept.summary, rooms.summary - tokens_of(new) - 1)}\n{new}".strip()


def fitted(memory: Memory, rooms: Rooms) -> Memory:
    """``memory`` of an earlier job for these rooms."""
    if not memory:
        return memory
    kept = Kept.of(memory)
    kept.summary, kept.said = clipped(kept.summary, rooms.summary), ""
    return kept.memory()


def _player(session: Mapping[str, Any], rooms: Rooms) -> str:
    return f"{session['simulator'].strip()}\n\n{_PLAY.format(words=words_in(rooms.answer))}"


def _folder(rooms: Rooms) -> str:
    return _FOLD.format(words=words_in(rooms.summary))


def _system(head: str, summary: str) -> dict[str, Any]:
    return _message("system", f"{head}\n\n{_BEFORE}\n{summary}" if summary else head)


def _noted(text: str, note: str) -> str:
    return f"{text}\n\n{clipped(note, NOTE)}" if note else text


def words_in(tokens: int) -> int:
    """Words that a model is asked for to stay under ``tokens``."""
    return max(5, int(tokens * 0.6))


def _message(role: str, content: str) -> dict[str, Any]:
    return {"role": role, "content": content}


def of_turns(turns: Sequence[tuple[str, str]]) -> list[int]:
    """What each turn that is kept costs."""
    return [cost(tokens_of(user), tokens_of(assistant)) for user, assistant in turns]
