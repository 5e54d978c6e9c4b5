"""Deltas of chat completions as events about numbered blocks, which this wire does not have."""

from __future__ import annotations

from tokenworks.wire.answer import (
    BlockEnd,
    Event,
    ImagePiece,
    RefusalPiece,
    Stopped,
    TextPiece,
    ThinkingPiece,
)
from tokenworks.wire.data_url import image_of
from tokenworks.wire.openai_chat.calls import Calls
from tokenworks.wire.openai_chat.delta import Choice, Delta, Detail, Part, Picture, stop_of
from tokenworks.wire.openai_chat.think_tags import ThinkTags
from tokenworks.wire.openai_chat.thinking import SUMMARY

_NONE, _TEXT, _REFUSAL, _THOUGHT = range(4)


class Blocks:
    """Numbers the blocks of one answer. Text, refusal and reasoning follow each other, calls may overlap.

    Reasoning is taken from where it came first: several providers send it in two fields at once.
    """

    __slots__ = ("calls", "detailed", "index", "key", "kind", "last", "next", "stopped", "tags")

    def __init__(self, quirks: frozenset[str] = frozenset()) -> None:
        self.kind = _NONE  # of the block under way that is no call
        self.index = 0  # of it
        self.key: int | None = None  # which of several thoughts it is
        self.next = 0
        self.calls = Calls(self._begin_call)
        self.tags = ThinkTags() if "inline_think_tags" in quirks else None
        self.detailed: bool | None = None  # reasoning comes in reasoning_details; None: not known yet
        self.last: Detail | None = None  # of the thought under way
        self.stopped = False

    def take(self, delta: Delta, out: list[Event]) -> None:
        """What one delta, or a whole message, says."""
        if delta.reasoning_details or delta.reasoning_content or delta.reasoning:
            self._think(delta, out)
        content = delta.content
        if content:
            if isinstance(content, list):
                for part in content:
                    self._part(part, out)
            else:
                self._say(content, out)
        if delta.refusal:
            out.append(RefusalPiece(self._block(_REFUSAL, None, out), delta.refusal))
        if delta.images:
            for picture in delta.images:
                self._show(picture, out)
        if delta.tool_calls:
            self._release(out)
            for call in delta.tool_calls:
                self.calls.take(call, out)

    def stop(self, choice: Choice, out: list[Event]) -> None:
        """The choice tells a finish reason. Some repeat it in every chunk that follows."""
        if self.stopped:
            return
        reason = stop_of(choice, bool(self.calls.by_id or self.calls.every))
        self.end(out)
        self.stopped = True
        out.append(Stopped(reason))

    def end(self, out: list[Event]) -> None:
        """Nothing more comes: every block is complete."""
        self._release(out)
        self._close(out)
        self.calls.end(out)

    def _block(self, kind: int, key: int | None, out: list[Event]) -> int:
        """The number of the block under way, or of a new one when it is of another kind."""
        if self.kind != kind or self.key != key:
            self._close(out)
            self.kind, self.key, self.index = kind, key, self.next
            self.next += 1
        return self.index

    def _close(self, out: list[Event]) -> None:
        if self.kind != _NONE:
            out.append(BlockEnd(self.index))
            self.kind = _NONE
            self.last = None

    def _begin_call(self, out: list[Event]) -> int:
        self._close(out)
        self.next += 1
        return self.next - 1

    def _say(self, text: str, out: list[Event]) -> None:
        if self.tags is None:
            out.append(TextPiece(self._block(_TEXT, None, out), text))
            return
        for thought, piece in self.tags.feed(text):
            self._tell(thought, piece, out)

    def _release(self, out: list[Event]) -> None:
        if self.tags is not None:
            for thought, piece in self.tags.flush():
                self._tell(thought, piece, out)

    def _tell(self, thought: bool, text: str, out: list[Event]) -> None:
        if thought:
            out.append(ThinkingPiece(self._block(_THOUGHT, None, out), text))
        else:
            out.append(TextPiece(self._block(_TEXT, None, out), text))

    def _part(self, part: Part, out: list[Event]) -> None:
        if part.thinking:
            inner = part.thinking
            thought = inner if isinstance(inner, str) else "".join([p.text or "" for p in inner])
            if thought:
                out.append(ThinkingPiece(self._block(_THOUGHT, None, out), thought))
        elif part.text:
            self._say(part.text, out)

    def _show(self, picture: Picture, out: list[Event]) -> None:
        address = picture.image_url
        url = address if isinstance(address, str) else address.url if address is not None else ""
        if url:
            self._close(out)
            out += (ImagePiece(self.next, image_of(url)), BlockEnd(self.next))
            self.next += 1

    def _think(self, delta: Delta, out: list[Event]) -> None:
        details = delta.reasoning_details or []
        plain = delta.reasoning_content or delta.reasoning
        if self.detailed is None:
            told = any(detail.text or detail.summary for detail in details)
            self.detailed = told if told or plain else None
        if plain and not self.detailed:
            key = self.key if self.kind == _THOUGHT else None
            out.append(ThinkingPiece(self._block(_THOUGHT, key, out), plain))
        for detail in details:
            self._detail(detail, out)

    def _detail(self, detail: Detail, out: list[Event]) -> None:
        """One detail; a summary is signed by the encrypted reasoning that follows it."""
        id, format = detail.id or "", detail.format or ""
        if detail.data:
            last = self.last
            if self.kind == _THOUGHT and last is not None and last.type == SUMMARY and _same(last, detail):
                out.append(ThinkingPiece(self.index, signature=detail.data, format=format))
                self._close(out)
                return
            self._close(out)
            out.append(ThinkingPiece(self.next, redacted=detail.data, id=id, format=format))
            out.append(BlockEnd(self.next))
            self.next += 1
            return
        text = (detail.text or detail.summary or "") if self.detailed else ""
        if not text and not detail.signature:
            return
        going_on = self.kind == _THOUGHT and (detail.index is None or not self.detailed)
        key = self.key if going_on else detail.index
        begins = self.kind != _THOUGHT or self.key != key
        block = self._block(_THOUGHT, key, out)
        self.last = detail
        out.append(ThinkingPiece(block, text, detail.signature or "", "", id if begins else "", format))
        if detail.signature:
            self._close(out)


def _same(summary: Detail, encrypted: Detail) -> bool:
    return summary.index == encrypted.index or (summary.id is not None and summary.id == encrypted.id)
