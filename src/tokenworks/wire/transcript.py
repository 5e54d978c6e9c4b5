"""A conversation and its answer as plain chat messages, whatever wire they came on: for people and training.

Reasoning is left out: it is not the answer, and where it is signed nobody else can use it. Pictures and
files are counted, not kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import msgspec

from tokenworks.wire.answer import Answer
from tokenworks.wire.anthropic_messages import answer as messages_answer
from tokenworks.wire.anthropic_messages import request as messages_request
from tokenworks.wire.anthropic_messages import stream as messages_stream
from tokenworks.wire.conversation import Block, Conversation, File, Image, Message, Text, ToolResult, ToolUse
from tokenworks.wire.joined import joined
from tokenworks.wire.openai_chat import answer as chat_answer
from tokenworks.wire.openai_chat import request as chat_request
from tokenworks.wire.openai_chat import stream as chat_stream
from tokenworks.wire.openai_responses import answer as responses_answer
from tokenworks.wire.openai_responses import request as responses_request
from tokenworks.wire.openai_responses import stream as responses_stream
from tokenworks.wire.pairs import CHAT, MESSAGES, RESPONSES
from tokenworks.wire.peek import Fields

WIRES = (CHAT, MESSAGES, RESPONSES)

_REQUESTS: dict[str, ModuleType] = {
    CHAT: chat_request,
    MESSAGES: messages_request,
    RESPONSES: responses_request,
}
_ANSWERS: dict[str, tuple[ModuleType, ModuleType]] = {
    CHAT: (chat_answer, chat_stream),
    MESSAGES: (messages_answer, messages_stream),
    RESPONSES: (responses_answer, responses_stream),
}
_OPEN_SCHEMA = {"type": "object", "properties": {}}
_decode = msgspec.json.Decoder().decode


class Transcript(msgspec.Struct, frozen=True):
    """What was asked: messages and tools in the shapes of a chat request. ``media`` were left out."""

    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]]
    media: int = 0


class Said(msgspec.Struct, frozen=True):
    """What was answered. ``tool_calls`` are in the shape that a chat message has them in."""

    text: str = ""
    tool_calls: tuple[dict[str, Any], ...] = ()
    finish: str = ""  # see ``answer.STOPS``
    refusal: str = ""


def read(wire: str, fields: Fields) -> Transcript:
    """The conversation in a caller's request. Raises BadRequest where it is malformed."""
    conversation: Conversation = _REQUESTS[wire].read(fields)
    messages: list[dict[str, Any]] = []
    if conversation.system:
        text = "\n\n".join(block.text for block in conversation.system)
        messages.append({"role": "system", "content": text})
    for message in conversation.messages:
        messages += _told(message)
    tools = [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": _decode(tool.parameters) if tool.parameters is not None else _OPEN_SCHEMA,
            },
        }
        for tool in conversation.tools
    ]
    blocks = [block for message in conversation.messages for block in message.content]
    return Transcript(messages, tools, sum(map(_media, blocks)))


def said(wire: str, body: bytes | Sequence[bytes]) -> Said:
    """The answer in a whole ``body`` on this wire, or in the pieces of a stream.

    Raises ValueError for what is no answer.
    """
    whole, stream = _ANSWERS[wire]
    if isinstance(body, bytes):
        return of(whole.read(body, frozenset()))
    reader = stream.Reader(frozenset())
    events = [event for piece in body for event in reader.feed(piece)]
    return of(joined([*events, *reader.flush()]))


def of(answer: Answer) -> Said:
    """An answer that was read already."""
    text = "".join(block.text for block in answer.content if isinstance(block, Text))
    calls = tuple(_call(block) for block in answer.content if isinstance(block, ToolUse))
    return Said(text, calls, answer.stop, answer.refusal)


def _told(message: Message) -> list[dict[str, Any]]:
    """One message of a conversation as chat has it: each result of a tool is a message of its own."""
    told: list[dict[str, Any]] = [
        {"role": "tool", "tool_call_id": block.id, "content": _text(block.content)}
        for block in message.content
        if isinstance(block, ToolResult)
    ]
    calls = [_call(block) for block in message.content if isinstance(block, ToolUse)]
    text = _text(message.content)
    if text or calls or not told:
        told.append({"role": message.role, "content": text} | ({"tool_calls": calls} if calls else {}))
    return told


def _call(block: ToolUse) -> dict[str, Any]:
    return {
        "id": block.id,
        "type": "function",
        "function": {"name": block.name, "arguments": block.arguments},
    }


def _text(blocks: Sequence[Block]) -> str:
    texts = (
        block.text for block in blocks if isinstance(block, Text) or (isinstance(block, File) and block.text)
    )
    return "\n".join(text for text in texts if text)


def _media(block: Block) -> int:
    if isinstance(block, ToolResult):
        return sum(map(_media, block.content))
    return isinstance(block, Image) or (isinstance(block, File) and not block.text)
