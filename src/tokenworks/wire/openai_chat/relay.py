"""OpenAI's chat completions: what is changed in a request, a whole answer and a stream.

Everything not named here passes through as the bytes it came in.
"""

from __future__ import annotations

import re

import msgspec

from tokenworks.errors import BadRequest
from tokenworks.schema import Usage
from tokenworks.wire import sse
from tokenworks.wire.answer import Telling
from tokenworks.wire.asking import model_of, without_controls
from tokenworks.wire.complaint import error_message
from tokenworks.wire.costs import CHAT, charged, with_cost
from tokenworks.wire.openai_chat.completion import (
    answer_names,
    answer_usage,
    finish_reason,
    read_answer,
    without_reasoning,
)
from tokenworks.wire.pairing import Asked
from tokenworks.wire.payloads import MAX_EVENT
from tokenworks.wire.peek import MALFORMED, Fields, flag, peek, raw
from tokenworks.wire.usage import fuller

_decode_fields = msgspec.json.Decoder(Fields).decode
_encode = msgspec.json.Encoder().encode
_NULL = msgspec.Raw(b"null")
_TRUE = msgspec.Raw(b"true")
_UNKNOWN = b"\n\0\n"  # stands in no event
_WRITTEN = {key: re.compile(rb'"%b"\s*:\s*' % key) for key in (b"id", b"model")}
_TELLS_APART = 4  # bytes; what is shorter, or empty, can't be told from others
_OURS = ("id", "model", "provider")
_CR = ord("\r")
_END = b"data: [DONE]\n\n"
_TELLING = (b'"error"', b'"usage"', sse.DONE)  # of these an event that is looked at closely has one


class ChatRequest:
    """A chat request as far as the gateway needs to know it."""

    __slots__ = ("fields", "model", "stream", "wants_usage")

    wire = "openai_chat"

    def __init__(self, body: bytes) -> None:
        """Raises BadRequest when the body or one of the fields looked at is malformed."""
        self.fields = fields = peek(body)
        self.model = model_of(fields)
        if "messages" not in fields:
            raise BadRequest("'messages' is missing; send a list of {role, content}")
        self.wants_usage = True
        self.stream = "stream" in fields and flag(fields, "stream")
        if self.stream:
            self._ask_for_usage()

    @classmethod
    def of(cls, asked: Asked, fields: Fields) -> ChatRequest:
        """The same request with other fields."""
        made = cls.__new__(cls)
        made.fields = fields
        made.model, made.stream, made.wants_usage = asked.model, asked.stream, asked.wants_usage
        return made

    def _ask_for_usage(self) -> None:
        fields = self.fields
        options = fields.get("stream_options")
        given = _object(options, "stream_options") if options is not None else {}
        self.wants_usage = "include_usage" in given and bytes(given["include_usage"]) == b"true"
        if not self.wants_usage:
            if "usage" in fields:
                include = _object(fields["usage"], "usage").get("include")
                self.wants_usage = include is not None and bytes(include) == b"true"
            given["include_usage"] = _TRUE
            fields["stream_options"] = raw(given)

    @property
    def input_bytes(self) -> int:
        """Length of what the model reads, for estimates where no provider told the tokens."""
        fields = self.fields
        size = len(fields["messages"])
        return size + len(fields["tools"]) if "tools" in fields else size

    def upstream_body(self, upstream_id: msgspec.Raw) -> tuple[bytes, msgspec.Raw]:
        """The body to send, in two parts around the messages, by far the longest, which are not copied.

        Behind the second part comes one closing brace.
        """
        fields = without_controls(self.fields)
        messages = fields.pop("messages")
        fields["model"] = upstream_id
        return _encode(fields)[:-1] + b',"messages":', messages


def _object(value: msgspec.Raw, name: str) -> Fields:
    if bytes(value) == b"null":
        return {}
    try:
        return _decode_fields(value)
    except MALFORMED:
        raise BadRequest(f"'{name}' must be an object") from None


class ChatWhole:
    """A whole answer. Making one raises ValueError, saying why, when ``body`` is none."""

    __slots__ = ("fields", "finish", "size", "told", "usage")

    def __init__(self, body: bytes) -> None:
        self.fields = fields = read_answer(body)
        choices = bytes(fields["choices"])
        self.told = told = bytes(fields["usage"]) if "usage" in fields else b""
        self.size = len(choices)
        self.finish = finish_reason(choices)
        self.usage = answer_usage(told, choices)

    def render(self, telling: Telling, usage: Usage, cost_nano_usd: int) -> bytes:
        """The body for the caller: our ids, usage and cost in, everything else as it came."""
        fields = self.fields
        if "system_fingerprint" not in fields:
            fields["system_fingerprint"] = _NULL
        if telling.exclude_reasoning:
            fields["choices"] = without_reasoning(fields["choices"])
        fields["usage"] = with_cost(self.told, CHAT, usage, telling.price, cost_nano_usd)
        if telling.extra:
            fields.update(telling.extra)
        for key in _OURS:
            if key in fields:
                del fields[key]
        names = answer_names(telling.model, telling.provider)
        return b"".join((b'{"id":"', telling.generation.encode(), b'",', names, _encode(fields)[1:]))


def error_event(generation: str, model: str, message: str, code: int, kind: str) -> bytes:
    """The last event of a stream that failed: an error that clients see, and a proper end."""
    chunk = {
        "id": generation,
        "object": "chat.completion.chunk",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}],
        "error": {"code": code, "message": message, "type": kind},
    }
    return b"data: %b\n\n%b" % (_encode(chunk), _END)


class ChatStream:
    """The way of one stream from provider to caller: whole events only, ids ours, usage read.

    ``feed`` returns what may be sent on. After it, ``done`` tells that the end marker came (it is
    part of what was returned), ``error`` what the provider complained of inside the stream (that
    event and what follows it is not returned).

    Every chunk carries an id and a model name, nearly always the same ones. How they are written is
    learnt from a decoded chunk; from then on they are replaced without decoding, as long as they
    stand in every event. Inside a text the quotes are escaped, so what looks alike is safe.
    """

    tool_calls = 0  # see ``counted``

    __slots__ = (
        "done",
        "error",
        "events",
        "generation",
        "last",
        "model",
        "new_id",
        "new_model",
        "old_id",
        "old_model",
        "previous",
        "reason",
        "tail",
        "telling",
        "usage",
    )

    def __init__(self, telling: Telling) -> None:
        self.telling = telling
        self.generation = raw(telling.generation)
        self.model = raw(telling.model)
        self.tail = b""
        self.previous = b""
        self.last = b""
        self.reason = ""
        self.events = 0
        self.usage: Usage | None = None
        self.done = False
        self.error = ""
        self.old_id = self.old_model = _UNKNOWN
        self.new_id = self.new_model = b""

    def feed(self, data: bytes) -> bytes:
        """Raises ValueError when the provider's stream can't be a stream of events."""
        if self.error:
            return b""
        if self.tail:
            data = self.tail + data
            self.tail = b""
        if not data.endswith(b"\n\n"):
            end = sse.cut(data)
            self.tail = data[end:]
            if len(self.tail) > MAX_EVENT:
                raise ValueError(f"an event of more than {MAX_EVENT >> 20} MiB")
            if not end:
                return b""
            data = data[:end]
        line = data.find(b"\n") == len(data) - 2 and _CR not in data  # nothing but one event of one line
        events = 1 if line else data.count(b"\n\n") or data.count(b"\r\n\r\n") or 1
        self.events += events
        if events > 1:
            data = self._rename_all(data, events)
        else:
            half = data.replace(self.old_id, self.new_id)
            done = half.replace(self.old_model, self.new_model)
            if half is data or done is half:  # bytes.replace gives back the very object if it finds nothing
                done = b"".join([self._rename(event) for event in sse.events(data)])
                line = False
            data = done
        if (
            (not line and b"[DONE]" in data)  # it has no id
            or b'"error"' in data
            # "usage":null stands in every chunk of some
            or (b'"usage"' in data and data.count(b'"usage"') != data.count(b'"usage":null'))
        ):
            self.reason = finish_reason(data) or self.finish
            start = _first_telling(data)
            return data[:start] + self._closely(data[start:])
        self.previous = self.last
        self.last = data
        return data

    def _rename_all(self, data: bytes, events: int) -> bytes:
        """The same of several events, at once where their ids and model names are written alike."""
        end = b""
        if data.endswith(b"\n\n" + _END):  # it has no id
            data, end, events = data[: -len(_END)], _END, events - 1
        done = self._replaced(data, events)
        if done is None:
            first = next(sse.events(data))
            rest = data[len(first) :]
            begun = self._rename(first)  # the others are mostly written like it
            done = self._replaced(rest, events - 1)
            if done is None:
                done = b"".join([self._rename(event) for event in sse.events(rest)])
            done = begun + done
        return done + end

    def _replaced(self, data: bytes, events: int) -> bytes | None:
        """``data`` renamed as was learnt; None where not every event is written that way."""
        if data.count(self.old_id) != events or data.count(self.old_model) != events:
            return None
        return data.replace(self.old_id, self.new_id).replace(self.old_model, self.new_model)

    def _rename(self, event: bytes) -> bytes:
        """One event with our id and model name at its top level; what stood there is remembered."""
        body = sse.payload(event)
        if body is None or not body.startswith(b"{"):
            return event
        try:
            fields = _decode_fields(body)
        except MALFORMED:
            return event
        if "choices" not in fields and "id" not in fields and "model" not in fields:
            return event
        self.old_id, self.new_id = _renaming(body, b"id", fields.get("id"), self.generation)
        self.old_model, self.new_model = _renaming(body, b"model", fields.get("model"), self.model)
        fields["id"], fields["model"] = self.generation, self.model
        return sse.with_payload(event, _encode(fields))

    def _closely(self, data: bytes) -> bytes:
        kept = []
        found = list(sse.events(data))
        for number, event in enumerate(found):
            body = sse.payload(event)
            if body is None:
                kept.append(event)
            elif body.strip() == sse.DONE:
                self.done = True
                kept.append(event)
                break
            else:
                event = self._look(event, body)
                if self.error:
                    self.events -= len(found) - number  # neither it nor what follows is output
                    break
                kept.append(event)
        return b"".join(kept)

    def _look(self, event: bytes, body: bytes) -> bytes:
        """One event that may carry usage or an error; empty when the caller must not see it."""
        if b'"error"' not in body and b'"usage"' not in body:
            return event
        try:
            fields = _decode_fields(body)
        except MALFORMED:
            return event
        error = fields.get("error")
        if error is not None and bytes(error) != b"null":
            self.error = error_message(bytes(error))
        told = bytes(fields["usage"]) if "usage" in fields else b""
        choices = bytes(fields["choices"]) if "choices" in fields else b""
        usage = answer_usage(told, choices)
        if usage is None:
            return event
        self.usage = usage = fuller(usage, self.usage)
        telling = self.telling
        if not telling.wants_usage:
            bare = b"".join(choices.split()) in (b"", b"[]", b"null")
            return b"" if bare else event
        if not told:
            return event
        cost = charged(telling.price, usage, self.finish if not usage.output_tokens else "stop")
        fields["usage"] = with_cost(told, CHAT, usage, telling.price, cost)
        if telling.extra:
            fields.update(telling.extra)
        return sse.with_payload(event, _encode(fields))

    def flush(self) -> bytes:
        """At the end of the body: an event that lacked only its blank line. One cut off is dropped."""
        tail, self.tail = self.tail.rstrip(b"\r\n") + b"\n\n", b""
        body = sse.payload(tail)
        if body is None:
            return b""
        if body.strip() != sse.DONE:
            try:
                _decode_fields(body)
            except MALFORMED:
                return b""
        return self.feed(tail)

    @property
    def finish(self) -> str:
        """Finish reason, from the last events that had one."""
        return finish_reason(self.last) or finish_reason(self.previous) or self.reason

    @property
    def output_tokens(self) -> int:
        """Most providers send one token an event; the first event carries only the role."""
        return max(self.events - 1, 0)

    def close(self) -> bytes:
        """The end marker that the provider left out."""
        return _END

    def failure(self, message: str, code: int, kind: str) -> bytes:
        """An error that clients see, and a proper end; ``code`` is an HTTP status."""
        return error_event(self.telling.generation, self.telling.model, message, code, kind)


def _first_telling(data: bytes) -> int:
    """Where the first event begins that is to be looked at closely; 0 where that can't be told."""
    first = min(place for word in _TELLING if (place := data.find(word)) >= 0)
    before = data.rfind(b"\n\n", 0, first)
    return before + 2 if before >= 0 else 0


def _renaming(body: bytes, key: bytes, old: msgspec.Raw | None, new: msgspec.Raw) -> tuple[bytes, bytes]:
    """How ``key`` with the value ``old`` is written in ``body``, and what is to stand there instead."""
    value = bytes(old) if old is not None else b""
    if len(value) >= _TELLS_APART:
        for match in _WRITTEN[key].finditer(body):
            if body.startswith(value, match.end()):
                return match.group() + value, b'"%b":%b' % (key, bytes(new))
    return _UNKNOWN, b""
