"""OpenAI's chat completions: what is changed in a request, a whole answer and a stream.

Everything not named here passes through as the bytes it came in.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from tokenworks.errors import BadRequest
from tokenworks.schema import NANO_USD, Price, Usage
from tokenworks.wire import sse
from tokenworks.wire.peek import Fields, flag, peek, raw, text
from tokenworks.wire.usage import from_openai

# Controls of the gateway itself; strict upstreams refuse what they don't know.
CONTROLS = frozenset(
    ("models", "provider", "plugins", "route", "transforms", "usage", "session_id", "trace", "debug")
)
MAX_EVENT = 16 << 20

_decode_fields = msgspec.json.Decoder(Fields).decode
_decode_any = msgspec.json.decode
_encode = msgspec.json.Encoder().encode
_NULL = msgspec.Raw(b"null")
_FINISH = re.compile(rb'"finish_reason"\s*:\s*"([a-zA-Z_]+)"')
_ID = re.compile(rb'"id"\s*:\s*"[^"\\]*"')
_MODEL = re.compile(rb'"model"\s*:\s*"[^"\\]*"')


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
        self.wants_usage = given.get("include_usage") is True
        if not self.wants_usage:
            if "usage" in fields:
                self.wants_usage = _object(fields["usage"], "usage").get("include") is True
            given["include_usage"] = True
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


def _object(value: msgspec.Raw, name: str) -> dict[str, object]:
    if bytes(value) == b"null":
        return {}
    try:
        return _decode_any(value, type=dict[str, object])
    except msgspec.DecodeError:
        raise BadRequest(f"'{name}' must be an object") from None


def input_bytes(fields: Fields) -> int:
    """Length of what the model reads, for estimates where no provider told the tokens."""
    return sum(len(bytes(fields[key])) for key in ("messages", "tools") if key in fields)


def read_answer(body: bytes) -> Fields:
    """Top level of a whole answer. Raises ValueError, saying why, when it is none."""
    try:
        fields = _decode_fields(body)
    except msgspec.DecodeError as error:
        raise ValueError(f"not JSON ({error})") from None
    if "error" in fields and "choices" not in fields:
        raise ValueError(error_message(bytes(fields["error"])))
    if "choices" not in fields:
        raise ValueError("an answer without 'choices'")
    return fields


def answer_usage(fields: Fields) -> Usage | None:
    """Usage of a whole answer or of a chunk; also where it stands inside ``choices``."""
    usage = fields.get("usage")
    if usage is not None:
        found = from_openai(usage)
        if found is not None:
            return found
    choices = fields.get("choices")
    if choices is not None and b'"usage"' in bytes(choices):
        for choice in _decode_any(choices, type=list[Fields]):
            if "usage" in choice:
                return from_openai(choice["usage"])
    return None


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
    cost = cost_nano_usd / NANO_USD
    if given is None or bytes(given) == b"null":
        return raw(
            {
                "prompt_tokens": usage.input_tokens,
                "completion_tokens": usage.output_tokens,
                "total_tokens": usage.input_tokens + usage.output_tokens,
                "cost": cost,
            }
        )
    data = bytes(given)
    if b'"cost"' in data or not data.endswith(b"}") or len(data) < 4:
        whole = _decode_fields(data)
        whole["cost"] = raw(cost)
        return raw(whole)
    return msgspec.Raw(b'%b,"cost":%b}' % (data[:-1], _encode(cost)))


def error_message(error: bytes) -> str:
    """What an ``error`` value of any shape says, in one line."""
    value = _decode_any(error)
    if isinstance(value, dict):
        value = value.get("message") or value
    return " ".join(str(value).split())[:500]


def error_event(generation: str, model: str, message: str, code: int) -> bytes:
    """The last event of a stream that failed: an error that clients see, and a proper end."""
    chunk = {
        "id": generation,
        "object": "chat.completion.chunk",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}],
        "error": {"code": code, "message": message, "type": "upstream_error"},
    }
    return b"data: %b\n\ndata: [DONE]\n\n" % _encode(chunk)


class ChatStream:
    """The way of one stream from provider to caller: whole events only, ids ours, usage read.

    ``feed`` returns what may be sent on. After it, ``done`` tells that the end marker came (it is
    part of what was returned), ``error`` what the provider complained of inside the stream.
    """

    __slots__ = (
        "done",
        "error",
        "events",
        "generation",
        "last",
        "model",
        "previous",
        "price",
        "renames",
        "tail",
        "usage",
        "wants_usage",
    )

    def __init__(self, generation: str, model: str, price: Price, wants_usage: bool) -> None:
        self.generation = generation
        self.model = model
        self.price = price
        self.wants_usage = wants_usage
        self.tail = b""
        self.previous = b""
        self.last = b""
        self.events = 0
        self.usage: Usage | None = None
        self.done = False
        self.error = ""
        self.renames: Sequence[tuple[bytes, bytes]] | None = None

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
        self.events += data.count(b"\n\n") or 1
        renames = self.renames
        if renames is None:
            renames = self._learn(data)
        for old, new in renames:
            data = data.replace(old, new)
        self.previous = self.last
        self.last = data
        if b'"usage"' in data or b"[DONE]" in data or b'"error"' in data:
            return self._closely(data)
        return data

    def _learn(self, data: bytes) -> Sequence[tuple[bytes, bytes]]:
        """How this provider writes its id and model name, to be replaced by ours in every chunk.

        Inside a string value the quotes would be escaped, so a text that looks alike is safe.
        """
        found = []
        for pattern, key, ours in ((_ID, b"id", self.generation), (_MODEL, b"model", self.model)):
            match = pattern.search(data)
            if match:
                found.append((match.group(), b'"%b":%b' % (key, _encode(ours))))
        if b'"choices"' in data:
            self.renames = found
        return found

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
        if b'"usage"' not in body and b'"error"' not in body:
            return event
        try:
            fields = _decode_fields(body)
        except msgspec.DecodeError:
            return event
        error = fields.get("error")
        if error is not None and bytes(error) != b"null":
            self.error = error_message(bytes(error))
        usage = answer_usage(fields)
        if usage is None:
            return event
        self.usage = usage
        if bytes(fields.get("choices", b"")).replace(b" ", b"") != b"[]":
            return event
        if not self.wants_usage:
            return b""
        fields["usage"] = _with_cost(fields.get("usage"), usage, self.price.cost_nano_usd(usage))
        return b"data: %b\n\n" % _encode(fields)

    def flush(self) -> bytes:
        """At the end of the body: an event that lacked only its blank line."""
        return self.feed(b"\n\n") if self.tail.strip() else b""

    @property
    def finish(self) -> str:
        """Finish reason, from the last events."""
        return finish_reason(self.last) or finish_reason(self.previous)
