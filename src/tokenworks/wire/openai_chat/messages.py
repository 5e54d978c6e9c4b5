"""The messages of a chat request."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tokenworks.errors import BadRequest
from tokenworks.wire.call_id import shortened
from tokenworks.wire.conversation import (
    Block,
    File,
    Image,
    Maker,
    Message,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
    told,
)
from tokenworks.wire.openai_chat.content import (
    SHOWN,
    Content,
    ImageUrl,
    read_content,
    read_image,
    read_texts,
    split,
    visible,
    write_content,
    write_image,
)
from tokenworks.wire.openai_chat.thinking import Detail, as_text, read_details, write_details
from tokenworks.wire.parameters import malformed
from tokenworks.wire.peek import MALFORMED, raw

LONGEST_ID = 40  # characters of a tool call's id
# Stands for a signature that nobody has: the documented way to tell the maker not to look for it.
UNSIGNED = "skip_thought_signature_validator"
SIGNER = "google"  # under whose name a call's extra content holds the signature
ELSEWHERE = "The result follows in the next message."


class Function(msgspec.Struct, gc=False):
    name: str
    arguments: str | None = None


class Call(msgspec.Struct, omit_defaults=True, gc=False):
    id: str | None = None
    type: str | None = None
    function: Function | None = None
    extra_content: dict[str, msgspec.Raw] | None = None


class Picture(msgspec.Struct, gc=False):
    """One of the ``images`` that an assistant made."""

    image_url: ImageUrl
    type: str = "image_url"


class ChatMessage(msgspec.Struct, omit_defaults=True, gc=False):
    """A message of any role. ``content`` of UNSET is absent, of None it is null."""

    role: str
    content: Content | msgspec.UnsetType = msgspec.UNSET
    name: str | None = None
    tool_calls: list[Call] | None = None
    tool_call_id: str | None = None
    refusal: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    reasoning_details: list[Detail] | None = None
    images: list[Picture] | None = None


class _Signed(msgspec.Struct, gc=False):
    thought_signature: str


class Style(msgspec.Struct, frozen=True, gc=False):
    """What a provider wants in messages beyond what all of them read."""

    marks: bool  # cache_control
    reasoning_text: bool  # reasoning_content
    reasoning_always: bool  # also where there was none, with tool calls
    details: bool  # reasoning_details
    aggregator: bool  # reasoning and images of assistants
    signatures: bool  # thought signatures in tool calls


def style_of(maker: Maker, same: bool) -> Style:
    """How to write for ``maker``; ``same``: the caller's messages came on this wire, with its marks."""
    quirks = maker.quirks
    return Style(
        marks=same or "cache_marks" in quirks,
        reasoning_text="echo_reasoning_content" in quirks or "preserve_thinking_flag" in quirks,
        reasoning_always="echo_reasoning_content" in quirks,
        details=not quirks.isdisjoint(("replay_full_assistant", "inline_think_tags", "reasoning_object")),
        aggregator="reasoning_object" in quirks,
        signatures="echo_thought_signatures" in quirks,
    )


_decode = msgspec.json.Decoder(list[ChatMessage]).decode
_decode_signed = msgspec.json.Decoder(_Signed).decode


# --- reading ------------------------------------------------------------------------------------


def read_messages(given: msgspec.Raw) -> tuple[tuple[Text, ...], tuple[Message, ...]]:
    """System texts from the head of ``messages``, and the other messages.

    Tool messages in a row become one user message, and a user message behind them joins it. Raises
    BadRequest when they are malformed or hold what other wires don't have.
    """
    try:
        decoded = _decode(given)
    except MALFORMED as error:
        raise malformed("messages", error) from None
    system: list[Text] = []
    messages: list[Message] = []
    results: list[Block] = []
    for message in decoded:
        role = message.role
        if role == "tool":
            results.append(_read_result(message))
            continue
        if role == "user" and results and not message.name:
            results += read_content(message.content or None)
            messages.append(Message("user", tuple(results)))
            results = []
            continue
        if results:
            messages.append(Message("user", tuple(results)))
            results = []
        if role == "user":
            messages.append(Message(role, read_content(message.content or None), message.name or ""))
        elif role == "assistant":
            messages.append(_read_assistant(message))
        elif role not in ("system", "developer"):
            raise BadRequest(f"'messages': role '{role}' can't be said to the provider of this model")
        elif messages:
            messages.append(Message("system", read_texts(message.content or None), message.name or ""))
        else:
            system += read_texts(message.content or None)
    if results:
        messages.append(Message("user", tuple(results)))
    return tuple(system), tuple(messages)


def _read_result(message: ChatMessage) -> ToolResult:
    blocks = read_content(message.content or None)
    ttl = next((block.cache_ttl for block in blocks if block.cache_ttl), "")
    if ttl:
        blocks = tuple([msgspec.structs.replace(block, cache_ttl="") for block in blocks])
    return ToolResult(message.tool_call_id or "", blocks, cache_ttl=ttl)


def _read_assistant(message: ChatMessage) -> Message:
    content: list[Block] = []
    if message.reasoning_details:
        content += read_details(message.reasoning_details)
    if not content and (thought := message.reasoning_content or message.reasoning):
        content.append(Thinking(thought))
    if message.content:
        content += read_content(message.content)
    if message.refusal:
        content.append(Text(message.refusal))
    if message.images:
        content += [read_image(picture.image_url) for picture in message.images]
    if message.tool_calls:
        content += [_read_call(call) for call in message.tool_calls]
    return Message("assistant", tuple(content), message.name or "")


def _read_call(call: Call) -> ToolUse:
    if call.function is None:
        raise BadRequest("'messages': tool calls of other types than 'function' can't be said to this model")
    signature = ""
    for extra in (call.extra_content or {}).values():
        try:
            signature = _decode_signed(extra).thought_signature
        except MALFORMED:
            continue  # something else that its maker adds
    if signature == UNSIGNED:
        signature = ""
    return ToolUse(call.id or "", call.function.name, call.function.arguments or "", signature)


# --- writing ------------------------------------------------------------------------------------


def write_messages(
    system: tuple[Text, ...], messages: tuple[Message, ...], style: Style
) -> list[ChatMessage]:
    """``messages`` as a provider of this ``style`` gets them, with ``system`` at the head."""
    written: list[ChatMessage] = []
    if system:
        written.append(ChatMessage("system", write_content(system, style.marks)))
    for message in messages:
        if message.role == "assistant":
            written.append(_write_assistant(message, style))
        elif message.role == "user":
            _write_user(message, style, written)
        else:
            content = write_content(visible(message.content), style.marks)
            written.append(ChatMessage("system", content, message.name or None))
    return written


def _write_user(message: Message, style: Style, written: list[ChatMessage]) -> None:
    """Results first, one message each; pictures and files of theirs go into the user's message."""
    elsewhere: list[Text | Image | File] = []
    shown: list[Text | Image | File] = []
    before = len(written)
    for block in message.content:
        if isinstance(block, ToolResult):
            written.append(_write_result(block, style, elsewhere))
        elif isinstance(block, SHOWN):
            shown.append(block)
    shown = elsewhere + shown
    if shown or len(written) == before:
        written.append(ChatMessage("user", write_content(shown, style.marks), message.name or None))


def _write_result(result: ToolResult, style: Style, elsewhere: list[Text | Image | File]) -> ChatMessage:
    text, media = split(result.content)
    if media:
        elsewhere += [Text(f"Result of the tool call {result.id}:"), *media]
        text = text or ELSEWHERE
    content: Content = told(text, result.is_error)
    if style.marks and result.cache_ttl and isinstance(content, str) and content:
        content = write_content((Text(content, result.cache_ttl),), True)
    return ChatMessage("tool", content, tool_call_id=shortened(result.id, LONGEST_ID))


def _write_assistant(message: Message, style: Style) -> ChatMessage:
    thoughts: list[Thinking] = []
    texts: list[Text] = []
    images: list[Image] = []
    uses: list[ToolUse] = []
    for block in message.content:
        if isinstance(block, ToolUse):
            uses.append(block)
        elif isinstance(block, Text):
            texts.append(block)
        elif isinstance(block, Thinking):
            thoughts.append(block)
        elif isinstance(block, Image) and style.aggregator:
            images.append(block)
        else:
            raise BadRequest("'messages': images and files of the assistant can't be said to this model")
    content: Content = None if uses else ""
    if texts:
        marked = style.marks and any([block.cache_ttl for block in texts])
        content = write_content(texts, True) if marked else "".join([block.text for block in texts])
    written = ChatMessage("assistant", content, message.name or None)
    if uses:
        written.tool_calls = _write_calls(uses, thoughts, style)
    if images:
        written.images = [Picture(write_image(image)) for image in images]
    if style.reasoning_text and (thoughts or (uses and style.reasoning_always)):
        written.reasoning_content = as_text(thoughts)
    if style.details and thoughts:
        written.reasoning_details = write_details(thoughts)
        if style.aggregator:
            written.reasoning = as_text(thoughts) or None
    return written


def _write_calls(uses: Sequence[ToolUse], thoughts: Sequence[Thinking], style: Style) -> list[Call]:
    calls = [
        Call(
            shortened(use.id, LONGEST_ID),
            "function",
            Function(use.name, use.arguments if use.arguments.strip() else "{}"),
        )
        for use in uses
    ]
    if style.signatures:
        opaque = {block.id: block.redacted for block in thoughts if block.redacted and block.id}
        signatures = [use.signature or opaque.get(use.id, "") for use in uses]
        if not any(signatures):
            signatures[0] = UNSIGNED  # of calls that are made at once the first is signed
        for call, signature in zip(calls, signatures, strict=True):
            if signature:
                call.extra_content = {SIGNER: raw(_Signed(signature))}
    return calls
