"""A request on the messages wire: read from a caller, or written for a provider."""

from __future__ import annotations

import msgspec

from tokenworks.errors import BadRequest
from tokenworks.wire import conversation as talk
from tokenworks.wire.anthropic_messages.messages import (
    read_messages,
    read_system,
    write_messages,
    write_system,
)
from tokenworks.wire.anthropic_messages.reasoning import (
    OutputConfig,
    Plan,
    plan,
    read_output,
    read_reasoning,
)
from tokenworks.wire.anthropic_messages.tools import read_choice, read_tools, write_choice, write_tools
from tokenworks.wire.call_id import shortened
from tokenworks.wire.conversation import Conversation, Format, Maker
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
    takes_top_k,
    word,
)
from tokenworks.wire.peek import Fields, flag, raw, text

WIRE = "anthropic_messages"
DEFAULT_MAX_TOKENS = 4096
LARGEST_DEFAULT = 32_000  # tokens
LONGEST_USER = 256  # characters
LEAST_TOP_P = 0.95  # while thinking

KNOWN = frozenset(
    (
        "max_tokens",
        "messages",
        "metadata",
        "model",
        "output_config",
        "output_format",
        "stop_sequences",
        "stream",
        "system",
        "temperature",
        "thinking",
        "tool_choice",
        "tools",
        "top_k",
        "top_p",
        "user",
    )
)

# What the other wires' callers may say and this wire can't.
LOSSES: dict[str, Loss] = {
    "audio": needed(),
    "background": needed(b"false"),
    "conversation": needed(),
    "frequency_penalty": harmless(b"0", b"0.0"),
    "function_call": needed(),
    "functions": needed(b"[]"),
    "image_config": needed(b"{}"),
    "include": harmless(b"[]"),
    "logit_bias": needed(b"{}"),
    "logprobs": needed(b"false"),
    "max_tool_calls": harmless(),
    "metadata": harmless(b"{}"),
    "min_p": harmless(b"0", b"0.0"),
    "modalities": needed(b'["text"]'),
    "moderation": needed(),
    "n": needed(b"1"),
    "prediction": harmless(),
    "presence_penalty": harmless(b"0", b"0.0"),
    "prompt": needed(),
    "prompt_cache_key": harmless(),
    "prompt_cache_options": harmless(),
    "prompt_cache_retention": harmless(),
    "repetition_penalty": harmless(b"1", b"1.0"),
    "response_format": needed(),
    "safety_identifier": harmless(),
    "seed": harmless(),
    "service_tier": harmless(b'"auto"'),
    "stop_server_tools_when": harmless(),
    "store": harmless(b"false"),
    "stream_options": harmless(b"{}"),
    "top_a": harmless(b"0", b"0.0"),
    "top_logprobs": needed(b"0"),
    "truncation": harmless(b'"disabled"'),
    "verbosity": harmless(b'"medium"'),
    "web_search_options": needed(),
    "web_search": harmless(),
}


class _Metadata(msgspec.Struct, omit_defaults=True, gc=False):
    user_id: str | None = None


class _Format(msgspec.Struct, gc=False):
    type: str
    schema: msgspec.Raw


_decode_metadata = msgspec.json.Decoder(_Metadata | None).decode
_decode_format = msgspec.json.Decoder(_Format | None).decode
_decode_stop = msgspec.json.Decoder(tuple[str, ...] | None).decode


def read(fields: Fields) -> Conversation:
    """A caller's request, whose top level ``fields`` are. Raises BadRequest naming what is malformed."""
    if "messages" not in fields:
        raise BadRequest("'messages' is missing; send a list of {role, content}")
    choice, parallel = read_choice(fields)
    output = read_output(fields)
    metadata = said(fields, "metadata", _decode_metadata)
    return Conversation(
        model=text(fields, "model") or "",
        messages=read_messages(fields["messages"]),
        system=read_system(fields),
        tools=read_tools(fields),
        tool_choice=choice,
        parallel_tool_calls=parallel,
        max_output_tokens=integer(fields, "max_tokens"),
        temperature=number(fields, "temperature"),
        top_p=number(fields, "top_p"),
        top_k=integer(fields, "top_k"),
        stop=said(fields, "stop_sequences", _decode_stop) or (),
        reasoning=read_reasoning(fields, output),
        format=_read_format(fields, output),
        user=(metadata and metadata.user_id) or text(fields, "user") or "",
        stream=flag(fields, "stream"),
        extra=rest(fields, KNOWN),
        wire=WIRE,
    )


def _read_format(fields: Fields, output: OutputConfig) -> Format | None:
    """The format of the answer, also where it stood while this was new."""
    key = "output_config" if bytes(output.format) else "output_format"
    given = said({key: output.format}, key, _decode_format) if bytes(output.format) else None
    given = given or said(fields, "output_format", _decode_format)
    if given is None:
        return None
    if given.type != "json_schema":
        raise BadRequest(f"'{key}': the format '{given.type}' is unknown; it is json_schema")
    return Format("json_schema", schema=given.schema)


def write(conversation: Conversation, maker: Maker) -> bytes:
    """The whole body for a provider. Raises BadRequest naming a parameter that can't be said to it."""
    messages = write_messages(conversation.messages)
    system = write_system(conversation.system)
    if not messages and system is not None:  # instructions alone are a question too
        messages = write_messages((talk.Message("user", conversation.system),))
        system = None
    planned = plan(conversation.reasoning, conversation.messages, _max_tokens(conversation, maker), maker)
    if planned.gave_up:
        drop("reasoning", conversation, maker)
    fields: dict[str, object] = {
        "model": maker.upstream_id,
        "max_tokens": planned.max_tokens,
        "messages": messages,
    }
    if system is not None:
        fields["system"] = system
    if conversation.tools:
        fields["tools"] = write_tools(conversation.tools)
        choice = chosen(conversation, maker, planned.forces_tools)
        written = write_choice(choice, conversation.parallel_tool_calls)
        if written is not None:
            fields["tool_choice"] = written
    if planned.thinking is not None:
        fields["thinking"] = planned.thinking
    format = _write_format(conversation)
    if planned.effort or bytes(format):
        fields["output_config"] = OutputConfig(planned.effort, format)
    if conversation.stop:
        if any(not stop.strip() for stop in conversation.stop):
            raise lost(word("stop", conversation), "a stop sequence of white space can't be used with it")
        fields["stop_sequences"] = conversation.stop
    if conversation.user:
        fields["metadata"] = _Metadata(shortened(conversation.user, LONGEST_USER))
    if conversation.stream:
        fields["stream"] = True
    _write_sampling(fields, conversation, planned, maker)
    if conversation.wire == WIRE:
        fields |= conversation.extra
    elif conversation.extra:
        if "cache_control" in conversation.extra:
            fields["cache_control"] = conversation.extra["cache_control"]
        judge(conversation.extra, LOSSES, maker)
    return body(fields)


def _max_tokens(conversation: Conversation, maker: Maker) -> int:
    most = maker.max_output_tokens
    if conversation.max_output_tokens is not None:
        return min(conversation.max_output_tokens, most or conversation.max_output_tokens)
    return min(most or DEFAULT_MAX_TOKENS, LARGEST_DEFAULT)


def _write_format(conversation: Conversation) -> msgspec.Raw:
    """The format of the answer; empty for plain text."""
    format = conversation.format
    if format is None or format.kind == "text":
        return ABSENT
    if format.kind != "json_schema" or format.schema is None:
        raise lost(
            word("response_format", conversation), "ask for a format of type json_schema with a schema"
        )
    return raw(_Format("json_schema", format.schema))


def _write_sampling(
    fields: dict[str, object], conversation: Conversation, planned: Plan, maker: Maker
) -> None:
    """Temperature goes up to 1 here, does not go together with top_p, and neither much with thinking."""
    said = sampled(conversation, maker)
    temperature, top_p = said.get("temperature"), said.get("top_p")
    if temperature is not None:
        if planned.samples:
            fields["temperature"] = min(temperature, 1.0)
        elif temperature != 1:
            drop("temperature", conversation, maker)
    if top_p is not None:
        if "temperature" not in fields and (planned.samples or top_p >= LEAST_TOP_P):
            fields["top_p"] = top_p
        elif top_p != 1:
            drop("top_p", conversation, maker)
    if takes_top_k(conversation, maker, planned.samples):
        fields["top_k"] = conversation.top_k
