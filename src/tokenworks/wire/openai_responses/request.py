"""A request on the responses wire: read from a caller, or written for a provider."""

from __future__ import annotations

import msgspec

from tokenworks.errors import BadRequest
from tokenworks.wire.call_id import shortened
from tokenworks.wire.conversation import Conversation, Format, Maker, Text
from tokenworks.wire.effort import thinks
from tokenworks.wire.openai_responses.input import read_input, write_input
from tokenworks.wire.openai_responses.reasoning import read_reasoning, write_reasoning
from tokenworks.wire.openai_responses.tools import read_choice, read_tools, write_choice, write_tools
from tokenworks.wire.parameters import (
    ABSENT,
    Loss,
    body,
    chosen,
    drop,
    harmless,
    integer,
    judge,
    lost,
    needed,
    number,
    rest,
    said,
    sampled,
    schema,
    switch,
    takes_top_k,
    word,
)
from tokenworks.wire.peek import Fields, flag, raw, text

WIRE = "openai_responses"
LONGEST_USER = 64  # characters
LEAST_OUTPUT = 16  # tokens; smaller caps are refused
WEB_SEARCH = "web_search"  # in ``extra``: the caller offered one beside his own tools
ENCRYPTED = "reasoning.encrypted_content"

KNOWN = frozenset(
    (
        "input",
        "instructions",
        "max_output_tokens",
        "model",
        "parallel_tool_calls",
        "previous_response_id",  # the input is whole by now
        "reasoning",
        "stream",
        "temperature",
        "text",
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
)

# What the other wires' callers may say and this wire can't.
LOSSES: dict[str, Loss] = {
    **dict.fromkeys(OFFICIAL, harmless(b"{}", b'"auto"', b'"standard_only"')),
    "audio": needed(),
    "cache_control": harmless(),
    "container": needed(),
    "context_management": harmless(),
    "diagnostics": harmless(),
    "frequency_penalty": harmless(b"0", b"0.0"),
    "function_call": needed(),
    "functions": needed(b"[]"),
    "image_config": needed(b"{}"),
    "inference_geo": needed(b'"global"'),
    "logit_bias": needed(b"{}"),
    "logprobs": needed(b"false"),
    "mcp_servers": needed(b"[]"),
    "min_p": harmless(b"0", b"0.0"),
    "modalities": needed(b'["text"]'),
    "moderation": needed(),
    "n": needed(b"1"),
    "prediction": harmless(),
    "presence_penalty": harmless(b"0", b"0.0"),
    "repetition_penalty": harmless(b"1", b"1.0"),
    "response_format": needed(),
    "seed": harmless(),
    "speed": harmless(b'"standard"'),
    "stop_server_tools_when": harmless(),
    "store": harmless(b"false"),
    "stream_options": harmless(b"{}"),
    "top_a": harmless(b"0", b"0.0"),
    "top_logprobs": needed(b"0"),
    "verbosity": harmless(b'"medium"'),
    "web_search_options": needed(),
}

_STANDARD = b'"standard_only"'  # of another wire, where it means what is the default here


class _Format(msgspec.Struct, omit_defaults=True, gc=False):
    type: str
    name: str | None = None
    description: str | None = None
    schema: msgspec.Raw = ABSENT
    strict: bool | None = None


class _Wording(msgspec.Struct, omit_defaults=True, gc=False):
    format: _Format | None = None
    verbosity: msgspec.Raw = ABSENT


_decode_wording = msgspec.json.Decoder(_Wording | None).decode
_NULL = b"null"


def read(fields: Fields) -> Conversation:
    """A caller's request, whose top level ``fields`` are. Raises BadRequest naming what is malformed."""
    if "input" not in fields:
        raise BadRequest("'input' is missing; send a text or a list of items")
    system, messages = read_input(fields["input"])
    instructions = text(fields, "instructions")
    if instructions:
        system = (Text(instructions), *system)
    wording = said(fields, "text", _decode_wording) or _Wording()
    extra = rest(fields, KNOWN)
    tools, searched = read_tools(fields)
    if searched:
        extra[WEB_SEARCH] = raw(True)
    if bytes(wording.verbosity) not in (b"", _NULL):
        extra["verbosity"] = wording.verbosity
    return Conversation(
        model=text(fields, "model") or "",
        messages=messages,
        system=system,
        tools=tools,
        tool_choice=read_choice(fields),
        parallel_tool_calls=switch(fields, "parallel_tool_calls"),
        max_output_tokens=integer(fields, "max_output_tokens"),
        temperature=number(fields, "temperature"),
        top_p=number(fields, "top_p"),
        top_k=integer(fields, "top_k"),
        reasoning=read_reasoning(fields),
        format=_read_format(wording.format),
        user=text(fields, "user") or "",
        stream=flag(fields, "stream"),
        extra=extra,
        wire=WIRE,
    )


def _read_format(given: _Format | None) -> Format | None:
    if given is None:
        return None
    if given.type not in ("text", "json_object", "json_schema"):
        raise BadRequest(f"'text.format': type '{given.type}' can't be said to the provider of this model")
    return Format(given.type, given.name or "", schema(given.schema), given.strict, given.description or "")


def write(conversation: Conversation, maker: Maker) -> bytes:
    """The whole body for a provider. Raises BadRequest naming a parameter that can't be said to it.

    The provider keeps nothing: what it reasoned comes back encrypted.
    """
    same = conversation.wire == WIRE
    items = write_input(conversation.messages, "echo_reasoning_content" in maker.quirks)
    fields: dict[str, object] = {"model": maker.upstream_id, "input": items}
    if conversation.system:
        fields["instructions"] = "\n\n".join([block.text for block in conversation.system])
    if conversation.max_output_tokens is not None:
        most = maker.max_output_tokens or conversation.max_output_tokens
        fields["max_output_tokens"] = max(LEAST_OUTPUT, min(conversation.max_output_tokens, most))
    fields |= sampled(conversation, maker)
    if conversation.stop:
        raise lost(word("stop", conversation))
    if conversation.tools:
        fields["tools"] = write_tools(conversation.tools)
        if (choice := chosen(conversation, maker)) is not None:
            fields["tool_choice"] = write_choice(choice)
        if conversation.parallel_tool_calls is not None:
            fields["parallel_tool_calls"] = conversation.parallel_tool_calls
    fields["store"] = False
    if conversation.reasoning is not None:
        config = write_reasoning(conversation.reasoning, maker, not same)
        if config is not None:
            fields["reasoning"] = config
    if thinks(conversation.reasoning) or any([item.encrypted_content for item in items]):
        fields["include"] = [ENCRYPTED]
    if conversation.stream:
        fields["stream"] = True
    _write_extra(fields, conversation, maker, same)
    return body(fields)


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
    verbosity = extra.get("verbosity") if official else None
    if conversation.format is not None or verbosity is not None:
        fields["text"] = _Wording(_write_format(conversation.format), verbosity or ABSENT)
    if verbosity is not None:
        extra = {key: value for key, value in extra.items() if key not in ("verbosity", WEB_SEARCH)}
    if same:
        fields |= extra
    elif extra:
        told = {key: extra[key] for key in OFFICIAL if official and key in extra}
        if bytes(told.get("service_tier", b"")) == _STANDARD:
            del told["service_tier"]
        fields |= told
        judge({key: value for key, value in extra.items() if key not in told}, LOSSES, maker)


def _write_format(format: Format | None) -> _Format | None:
    if format is None:
        return None
    if format.kind != "json_schema":
        return _Format(format.kind)
    return _Format(
        format.kind,
        format.name or "answer",
        format.description or None,
        format.schema or raw({"type": "object"}),
        format.strict,
    )
