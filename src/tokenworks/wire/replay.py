"""Reasoning that a maker must see again, put back where the caller's client has dropped it.

Some makers refuse a conversation whose tool calls come back without the reasoning, or the signature,
that led to them; most clients know nothing of that. What an answer said is remembered under the ids of
its tool calls, which clients do send back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from tokenworks.wire.answer import Answer, ThinkingPiece, ToolPiece
from tokenworks.wire.conversation import Conversation, Maker, Message, Thinking, ToolUse
from tokenworks.wire.openai_chat import request as chat_request
from tokenworks.wire.pairing import Reader
from tokenworks.wire.peek import Fields, peek

# Makers with one of these need it.
QUIRKS = frozenset(("echo_reasoning_content", "echo_thought_signatures", "replay_full_assistant"))


class Remembered(msgspec.Struct, frozen=True):
    """What led to the tool calls of one answer: its reasoning, and the signature of each call by its id."""

    thinking: tuple[Thinking, ...] = ()
    signatures: dict[str, str] = {}


Recall = Mapping[str, Remembered]  # id of a tool call → what led to it


def remembered(answer: Answer) -> tuple[list[str], Remembered] | None:
    """The ids of the tool calls of ``answer`` and what led to them; None where nothing need be kept."""
    calls = [block for block in answer.content if isinstance(block, ToolUse)]
    thinking = tuple(block for block in answer.content if isinstance(block, Thinking))
    signatures = {call.id: call.signature for call in calls if call.signature}
    if not calls or not (thinking or signatures):
        return None
    return [call.id for call in calls], Remembered(thinking, signatures)


def wanting(conversation: Conversation) -> list[str]:
    """Ids of tool calls that come back without the reasoning or signature that an answer may have had."""
    return [
        call.id
        for message in conversation.messages
        for call in _calls(message)
        if not call.signature and not _thinks(message)
    ]


def with_reasoning(conversation: Conversation, recall: Recall) -> Conversation:
    """``conversation`` with what ``recall`` knows put back."""
    return msgspec.structs.replace(
        conversation, messages=tuple(_restored(message, recall) for message in conversation.messages)
    )


def messages_with(fields: Fields, maker: Maker, recall: Recall) -> msgspec.Raw:
    """The ``messages`` of a chat request with what ``recall`` knows put back, for a maker on that wire."""
    conversation = chat_request.read({"model": fields["model"], "messages": fields["messages"]})
    return peek(chat_request.write(with_reasoning(conversation, recall), maker))["messages"]


def _restored(message: Message, recall: Recall) -> Message:
    calls = list(_calls(message))
    known = next((recall[call.id] for call in calls if call.id in recall), None)
    if known is None:
        return message
    content = tuple(
        msgspec.structs.replace(block, signature=block.signature or known.signatures.get(block.id, ""))
        if isinstance(block, ToolUse)
        else block
        for block in message.content
    )
    if not _thinks(message):
        content = (*known.thinking, *content)
    return msgspec.structs.replace(message, content=content)


def _calls(message: Message) -> Iterator[ToolUse]:
    if message.role == "assistant":
        yield from (block for block in message.content if isinstance(block, ToolUse))


def _thinks(message: Message) -> bool:
    return any(isinstance(block, Thinking) for block in message.content)


class Gleaner:
    """Reads along with a stream for what must be remembered of it."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._thinking: dict[int, Thinking] = {}
        self._calls: dict[int, tuple[str, str]] = {}  # block → id and signature

    def feed(self, data: bytes) -> None:
        """The same bytes that the stream was fed."""
        for event in self._reader.feed(data):
            if isinstance(event, ThinkingPiece):
                had = self._thinking.get(event.index, Thinking())
                self._thinking[event.index] = Thinking(
                    had.text + event.text,
                    had.signature + event.signature,
                    had.redacted + event.redacted,
                    event.id or had.id,
                )
            elif isinstance(event, ToolPiece):
                name, signature = self._calls.get(event.index, ("", ""))
                self._calls[event.index] = event.id or name, signature + event.signature

    def remembered(self) -> tuple[list[str], Remembered] | None:
        """The ids of its tool calls and what led to them; None where nothing need be kept."""
        thinking = tuple(self._thinking[index] for index in sorted(self._thinking))
        signatures = {name: signature for name, signature in self._calls.values() if signature}
        if not self._calls or not (thinking or signatures):
            return None
        return [name for name, _ in self._calls.values()], Remembered(thinking, signatures)
