"""A chat request: read from a caller, or written for a provider."""

from __future__ import annotations

import msgspec

from tokenworks.errors import BadRequest
from tokenworks.wire.call_id import shortened
from tokenworks.wire.conversation import Conversation, Format, Maker
from tokenworks.wire.openai_chat.messages import read_messages, style_of, write_messages
from tokenworks.wire.openai_chat.reasoning import FIELDS, read_reasoning, reasoning_fields
from tokenworks.wire.openai_chat.tools import read_choice, read_tools, write_choice, write_tools
from tokenworks.wire.parameters import (
    ABSENT,
    Loss,
    body,
    chosen,
    drop,
    harmless,
    integer,
    judge,
    needed,
    number,
    rest,
    said,
    sampled,
    schema,
    switch,
    takes_top_k,
)
from tokenworks.wire.peek import Fields, flag, text

__all__ = ["LOSSES", "read", "reasoning_fields", "write"]

WIRE = "openai_chat"
LONGEST_USER = 64  # characters

KNOWN = frozenset(
    (
        *FIELDS,
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "model",
        "parallel_tool_calls",
        "response_format",
        "stop",
        "stream",
        "stream_options",
        "temperature",
        "tool_choice",
        "tools",
        "top_k",
        "top_p",
        "user",
    )
)

# Fields of both protocols of one owner; only some providers of this wire know them.
OFFICIAL = (
    "metadata",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "verbosity",
)

# What the other wires' callers may say and this wire can't.
LOSSES: dict[str, Loss] = {
    **dict.fromkeys(OFFICIAL, harmless(b"{}", b'"auto"', b'"standard_only"')),
    "background": needed(b"false"),
    "cache_control": harmless(),
    "container": needed(),
    "context_management": harmless(),
    "conversation": needed(),
    "diagnostics": harmless(),
    "include": harmless(b"[]"),
    "inference_geo": needed(b'"global"'),
    "max_tool_calls": harmless(),
    "mcp_servers": needed(b"[]"),
    "moderation": needed(),
    "prompt": needed(),
    "speed": harmless(b'"standard"'),
    "store": harmless(b"false"),
    "stream_options": harmless(b"{}"),
    "top_logprobs": needed(b"0"),
    "truncation": harmless(b'"disabled"'),
    "web_search": harmless(),
}


class _Schema(msgspec.Struct, omit_defaults=True, gc=False):
    name: str
    description: str | None = None
    schema: msgspec.Raw = ABSENT
    strict: bool | None = None


class _Format(msgspec.Struct, omit_defaults=True, gc=False):
    type: str
    json_schema: _Schema | None = None


_STANDARD = b'"standard_only"'  # of another wire, where it means what is the default here

_decode_format = msgspec.json.Decoder(_Format | None).decode
_decode_stop = msgspec.json.Decoder(str | tuple[str, ...] | None).decode


def read(fields: Fields) -> Conversation:
    """A caller's request, whose top level ``fields`` are. Raises BadRequest naming what is malformed."""
    if "messages" not in fields:
        raise BadRequest("'messages' is missing; send a list of {role, content}")
    system, messages = read_messages(fields["messages"])
    stop = said(fields, "stop", _decode_stop)
    format = _read_format(fields)
    extra = rest(fields, KNOWN)
    if format is not None and format.kind not in ("text", "json_object", "json_schema"):
        extra["response_format"] = fields["response_format"]
        format = None
    longest = integer(fields, "max_completion_tokens")
    return Conversation(
        model=text(fields, "model") or "",
        messages=messages,
        system=system,
        tools=read_tools(fields),
        tool_choice=read_choice(fields),
        parallel_tool_calls=switch(fields, "parallel_tool_calls"),
        max_output_tokens=integer(fields, "max_tokens") if longest is None else longest,
        temperature=number(fields, "temperature"),
        top_p=number(fields, "top_p"),
        top_k=integer(fields, "top_k"),
        stop=(stop,) if isinstance(stop, str) else stop or (),
        reasoning=read_reasoning(fields),
        format=format,
        user=text(fields, "user") or "",
        stream=flag(fields, "stream"),
        extra=extra,
        wire=WIRE,
    )


def _read_format(fields: Fields) -> Format | None:
    given = said(fields, "response_format", _decode_format)
    if given is None:
        return None
    if given.type != "json_schema":
        return Format(given.type)
    wanted = given.json_schema
    if wanted is None:
        raise BadRequest("'response_format' of type json_schema needs 'json_schema'")
    return Format(given.type, wanted.name, schema(wanted.schema), wanted.strict, wanted.description or "")


def write(conversation: Conversation, maker: Maker) -> bytes:
    """The whole body for a provider. Raises BadRequest naming a parameter that can't be said to it."""
    quirks = maker.quirks
    same = conversation.wire == WIRE
    style = style_of(maker, same)
    fields: dict[str, object] = {
        "model": maker.upstream_id,
        "messages": write_messages(conversation.system, conversation.messages, style),
    }
    if conversation.max_output_tokens is not None:
        most = maker.max_output_tokens or conversation.max_output_tokens
        name = "max_completion_tokens" if "max_completion_tokens" in quirks else "max_tokens"
        fields[name] = min(conversation.max_output_tokens, most)
    fields |= sampled(conversation, maker)
    if conversation.stop:
        fields["stop"] = conversation.stop
    if conversation.tools:
        fields["tools"] = write_tools(conversation.tools, style.marks)
        if (choice := chosen(conversation, maker)) is not None:
            fields["tool_choice"] = write_choice(choice)
        if conversation.parallel_tool_calls is not None:
            fields["parallel_tool_calls"] = conversation.parallel_tool_calls
    if conversation.format is not None:
        fields["response_format"] = _write_format(conversation.format)
    if conversation.reasoning is not None:
        fields |= reasoning_fields(conversation.reasoning, maker)
    elif "inline_think_tags" in quirks:
        fields["reasoning_split"] = True
    if conversation.stream:
        fields["stream"] = True
        fields["stream_options"] = {"include_usage": True}
        if "tool_stream_flag" in quirks and conversation.tools:
            fields["tool_stream"] = True
    _write_extra(fields, conversation, maker, same)
    return body(fields)


def _write_format(format: Format) -> _Format:
    if format.kind != "json_schema":
        return _Format(format.kind)
    description = format.description or None
    wanted = _Schema(format.name or "answer", description, format.schema or ABSENT, format.strict)
    return _Format(format.kind, wanted)


def _write_extra(fields: dict[str, object], conversation: Conversation, maker: Maker, same: bool) -> None:
    """What not every provider of this wire knows: the caller's own words for it pass, others' by quirk."""
    official = same or "official_fields" in maker.quirks
    if takes_top_k(conversation, maker, same or "takes_top_k" in maker.quirks):
        fields["top_k"] = conversation.top_k
    if conversation.user:
        if official:
            fields["user"] = shortened(conversation.user, LONGEST_USER)
        else:
            drop("user", conversation, maker)
    extra = conversation.extra
    if same:
        fields |= extra
    elif extra:
        if official:
            told = {key: extra[key] for key in OFFICIAL if key in extra}
            if bytes(told.get("service_tier", b"")) == _STANDARD:
                del told["service_tier"]
            fields |= told
            extra = {key: value for key, value in extra.items() if key not in told}
        if "cache_control" in extra and "reasoning_object" in maker.quirks:
            fields["cache_control"] = extra["cache_control"]
        judge(extra, LOSSES, maker)
