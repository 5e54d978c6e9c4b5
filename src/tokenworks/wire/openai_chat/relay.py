"""OpenAI's chat completions: what is changed in a request, a whole answer and a stream.

Everything not named here passes through as the bytes it came in.
"""

from __future__ import annotations

import re

import msgspec

from tokenworks.errors import BadRequest
from tokenworks.schema import NANO_USD, Price, Usage
from tokenworks.wire import sse
from tokenworks.wire.peek import MALFORMED, Fields, flag, peek, raw, text
from tokenworks.wire.usage import from_openai, fuller

# Controls of the gateway itself; strict upstreams refuse what they don't know.
CONTROLS = frozenset(
    ("models", "provider", "plugins", "route", "transforms", "usage", "session_id", "trace", "debug")
)
MAX_EVENT = 16 << 20

_decode_fields = msgspec.json.Decoder(Fields).decode
_decode_choices = msgspec.json.Decoder(list[Fields]).decode
_decode_any = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_NULL = msgspec.Raw(b"null")
_FINISH = re.compile(rb'"finish_reason"\s*:\s*"([a-zA-Z_]+)"')
_TRUE = msgspec.Raw(b"true")
_UNKNOWN = b"\n\0\n"  # stands in no event


class ChatRequest:
    """A chat request as far as the gateway needs to know it."""

    __slots__ = ("fields", "model", "stream", "wants_usage")

    def __init__(self, body: bytes) -> None:
        """Raises BadRequest when the body or one of the fields looked at is malformed."""
        self.fields = fields = peek(body)
        model = text(fields, "model") if "model" in fields else None
        if not model:
            raise BadRequest("'model' is missing; GET /v1/models lists what can be asked for")
        if "messages" not in fields:
            raise BadRequest("'messages' is missing; send a list of {role, content}")
        self.model = model
        self.wants_usage = True
        self.stream = "stream" in fields and flag(fields, "stream")
        if self.stream:
            self._ask_for_usage()

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

    def upstream_body(self, upstream_id: msgspec.Raw) -> tuple[bytes, msgspec.Raw]:
        """The body to send, in two parts around the messages, by far the longest, which are not copied.

        Behind the second part comes one closing brace.
        """
        fields = self.fields.copy()
        if not CONTROLS.isdisjoint(fields):
            for key in CONTROLS:
                fields.pop(key, None)
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


def input_bytes(fields: Fields) -> int:
    """Length of what the model reads, for estimates where no provider told the tokens."""
    return sum(len(bytes(fields[key])) for key in ("messages", "tools") if key in fields)


def read_answer(body: bytes) -> Fields:
    """Top level of a whole answer. Raises ValueError, saying why, when it is none."""
    try:
        fields = _decode_fields(body)
    except MALFORMED as error:
        raise ValueError(f"not JSON ({error})") from None
    if "error" in fields and "choices" not in fields and bytes(fields["error"]) != b"null":
        raise ValueError(error_message(bytes(fields["error"])))
    if "choices" not in fields:
        raise ValueError("an answer without 'choices'")
    return fields


def answer_usage(fields: Fields) -> Usage | None:
    """Usage of a whole answer or of a chunk; also where it stands inside ``choices``."""
    given = fields.get("usage")
    usage = from_openai(given) if given is not None and bytes(given) != b"null" else None
    choices = fields.get("choices")
    if choices is not None and b'"usage"' in bytes(choices) and not (usage and usage.cache_read_tokens):
        inner = _usage_in(choices)
        if inner is not None:
            return inner if usage is None else fuller(usage, inner)
    return usage


def _usage_in(choices: msgspec.Raw) -> Usage | None:
    try:
        found = [choice["usage"] for choice in _decode_choices(choices) if "usage" in choice]
    except MALFORMED:
        return None
    return from_openai(found[0]) if found else None


def finish_reason(data: bytes) -> str:
    """The last finish reason that stands in ``data``; empty when none does."""
    end = len(data)
    while True:
        at = data.rfind(b'"finish_reason"', 0, end)
        if at < 0:
            return ""
        match = _FINISH.match(data, at)
        if match:
            return match.group(1).decode()
        end = at  # null, as in every chunk but the last


def write_answer(
    fields: Fields, *, generation: str, names: bytes, usage: Usage | None, cost_nano_usd: int
) -> bytes:
    """The answer the caller gets: our ids and cost in, everything else as it came.

    ``names`` is what ``answer_names`` made of model and provider.
    """
    if "system_fingerprint" not in fields:
        fields["system_fingerprint"] = _NULL
    if usage is not None:
        fields["usage"] = _with_cost(fields.get("usage"), usage, cost_nano_usd)
    for key in _OURS:
        if key in fields:
            del fields[key]
    return b'{"id":"%b",%b%b' % (generation.encode(), names, _encode(fields)[1:])


_OURS = ("id", "model", "provider")


def answer_names(model: str, provider: str) -> bytes:
    """Model and provider as they stand in every answer of one endpoint."""
    return b'"model":%b,"provider":%b,' % (_encode(model), _encode(provider))


def _with_cost(given: msgspec.Raw | None, usage: Usage, cost_nano_usd: int) -> msgspec.Raw:
    """The provider's own usage object plus ``cost`` in dollars; made anew where it sent none."""
    cost = _encode(cost_nano_usd / NANO_USD)
    data = b"" if given is None else bytes(given)
    if data.startswith(b'{"') and b'"cost"' not in data:
        return msgspec.Raw(b'%b,"cost":%b}' % (data[:-1], cost))
    try:
        whole = _decode_fields(data)
    except MALFORMED:
        whole = {}
    if "prompt_tokens" not in whole:
        whole["prompt_tokens"] = raw(usage.input_tokens)
        whole["completion_tokens"] = raw(usage.output_tokens)
        whole["total_tokens"] = raw(usage.input_tokens + usage.output_tokens)
    whole["cost"] = msgspec.Raw(cost)
    return raw(whole)


def error_message(error: bytes) -> str:
    """What an ``error`` value of any shape says, in one line."""
    try:
        value = _decode_any(error)
    except MALFORMED:
        value = error[:500].decode("utf-8", "replace")
    if isinstance(value, dict):
        value = value.get("message") or value
    return " ".join(str(value).split())[:500]


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
    return b"data: %b\n\ndata: [DONE]\n\n" % _encode(chunk)


class ChatStream:
    """The way of one stream from provider to caller: whole events only, ids ours, usage read.

    ``feed`` returns what may be sent on. After it, ``done`` tells that the end marker came (it is
    part of what was returned), ``error`` what the provider complained of inside the stream.

    Every chunk carries an id and a model name, nearly always the same ones. How they are written is
    learnt from a decoded chunk; from then on they are replaced without decoding, as long as they
    stand in every event. Inside a text the quotes are escaped, so what looks alike is safe.
    """

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
        "price",
        "reason",
        "tail",
        "usage",
        "wants_usage",
    )

    def __init__(self, generation: str, model: str, price: Price, wants_usage: bool) -> None:
        self.generation = raw(generation)
        self.model = raw(model)
        self.price = price
        self.wants_usage = wants_usage
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
        events = data.count(b"\n\n") or data.count(b"\r\n\r\n") or 1
        self.events += events
        old_id, old_model = self.old_id, self.old_model
        if events > 1 and (data.count(old_id) != events or data.count(old_model) != events):
            data = b"".join([self._rename(event) for event in sse.events(data)])
        else:
            half = data.replace(old_id, self.new_id)
            done = half.replace(old_model, self.new_model)
            if half is data or done is half:  # bytes.replace gives back the very object if it finds nothing
                done = b"".join([self._rename(event) for event in sse.events(data)])
            data = done
        if (
            b"[DONE]" in data
            or b'"error"' in data
            # "usage":null stands in every chunk of some
            or (b'"usage"' in data and data.count(b'"usage"') != data.count(b'"usage":null'))
        ):
            self.reason = finish_reason(data) or self.finish
            return self._closely(data)
        self.previous = self.last
        self.last = data
        return data

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
        for event in sse.events(data):
            body = sse.payload(event)
            if body is None:
                kept.append(event)
            elif body.strip() == sse.DONE:
                self.done = True
                kept.append(event)
                break
            else:
                event = self._look(event, body)
                if event:
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
        usage = answer_usage(fields)
        if usage is None:
            return event
        self.usage = usage = fuller(usage, self.usage)
        choices = fields.get("choices")
        bare = choices is None or b"".join(bytes(choices).split()) in (b"[]", b"null")
        if bare and not self.wants_usage and not self.error:
            return b""
        if not self.wants_usage or "usage" not in fields:
            return event
        fields["usage"] = _with_cost(fields["usage"], usage, self.price.cost_nano_usd(usage))
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


def _renaming(body: bytes, key: bytes, old: msgspec.Raw | None, new: msgspec.Raw) -> tuple[bytes, bytes]:
    """How ``key`` with the value ``old`` is written in ``body``, and what is to stand there instead."""
    if old is None or len(bytes(old)) < 4:  # absent, empty or too short to be told from others
        return _UNKNOWN, b""
    match = re.search(rb'"%b"\s*:\s*%b' % (key, re.escape(bytes(old))), body)
    return (match.group(), b'"%b":%b' % (key, bytes(new))) if match else (_UNKNOWN, b"")
