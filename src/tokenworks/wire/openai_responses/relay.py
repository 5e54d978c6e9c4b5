"""OpenAI's responses: what is changed in a request, a whole answer and a stream.

Everything not named here passes through as the bytes it came in. Providers are asked to keep nothing:
what a response continues is in its input, reasoning comes encrypted so that it can be given back.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from tokenworks.errors import BadRequest
from tokenworks.schema import Usage
from tokenworks.wire import sse
from tokenworks.wire.answer import Telling
from tokenworks.wire.asking import length, model_of, required, without_controls
from tokenworks.wire.costs import RESPONSES, charged, with_cost
from tokenworks.wire.passage import Passage, complaint, inner, word
from tokenworks.wire.peek import MALFORMED, Fields, flag, peek, raw
from tokenworks.wire.usage import from_responses

REASONING = "reasoning.encrypted_content"

# Why a response is incomplete, in the words of ``answer.STOPS``; others stay as they are.
_REASONS = {"max_output_tokens": "length", "max_messages": "length"}
_ERROR_CODES = {
    400: "invalid_prompt",
    413: "invalid_prompt",
    422: "invalid_prompt",
    429: "rate_limit_exceeded",
}
_CALL = re.compile(rb'"type"\s*:\s*"(?:function|custom_tool)_call"')

_decode_fields = msgspec.json.Decoder(Fields).decode
_decode_include = msgspec.json.Decoder(list[str] | None).decode
_decode_number = msgspec.json.Decoder(int).decode
_encode = msgspec.json.Encoder().encode
_TRUE, _FALSE, _NULL = (msgspec.Raw(word) for word in (b"true", b"false", b"null"))


class ResponsesRequest:
    """A request for a response as far as the gateway needs to know it."""

    __slots__ = ("fields", "include", "model", "stream", "wants_usage")

    wire = "openai_responses"

    def __init__(self, body: bytes) -> None:
        """Raises BadRequest when the body or one of the fields looked at is malformed."""
        self.fields = fields = peek(body)
        self.model = model_of(fields)
        required(fields, "input", "send a text or a list of items")
        if flag(fields, "background"):
            raise BadRequest("'background' is not offered here; leave it out and wait for the answer")
        self.include = _with_reasoning(fields.get("include"))
        self.stream = flag(fields, "stream")
        self.wants_usage = True

    @property
    def input_bytes(self) -> int:
        """Length of what the model reads, for estimates where no provider told the tokens."""
        return length(self.fields, "input", "instructions", "tools")

    def upstream_body(self, upstream_id: msgspec.Raw) -> tuple[bytes, msgspec.Raw]:
        """The body to send, in two parts around the input, by far the longest, which is not copied.

        Behind the second part comes one closing brace.
        """
        fields = without_controls(self.fields)
        fields.pop("previous_response_id", None)
        given = fields.pop("input")
        fields["model"], fields["store"], fields["include"] = upstream_id, _FALSE, self.include
        return _encode(fields)[:-1] + b',"input":', given


def _with_reasoning(include: msgspec.Raw | None) -> msgspec.Raw:
    try:
        wanted = _decode_include(include) or [] if include is not None else []
    except MALFORMED:
        raise BadRequest("'include' must be a list of strings") from None
    return raw(wanted if REASONING in wanted else [*wanted, REASONING])


class ResponsesWhole:
    """A whole answer. Making one raises ValueError, saying why, when ``body`` is none."""

    __slots__ = ("fields", "finish", "size", "usage")

    def __init__(self, body: bytes) -> None:
        try:
            self.fields = fields = _decode_fields(body)
        except MALFORMED as error:
            raise ValueError(f"not JSON ({error})") from None
        if "output" not in fields:
            raise ValueError(complaint(fields) or "an answer without 'output'")
        if word(fields, "status") == "failed":
            raise ValueError(complaint(fields) or "the response has failed")
        self.finish = finish_of(fields)
        self.size = len(fields["output"])
        self.usage: Usage | None = from_responses(fields["usage"]) if "usage" in fields else None

    def render(self, telling: Telling, usage: Usage, cost_nano_usd: int) -> bytes:
        """The body for the caller: what is ours and the cost in, everything else as it came."""
        fields = self.fields
        make_ours(fields, telling)
        given = fields.get("usage", b"")
        fields["usage"] = with_cost(given, RESPONSES, usage, telling.price, cost_nano_usd)
        return _encode({**fields, **telling.extra})


def finish_of(response: Fields) -> str:
    """Why the model stopped."""
    if word(response, "status") == "incomplete":
        reason = word(inner(response, "incomplete_details") or {}, "reason")
        return _REASONS.get(reason, reason) or "length"
    return "tool_calls" if _CALL.search(response.get("output", b"")) else "stop"


def make_ours(response: Fields, telling: Telling) -> None:
    """Our id and model name, and what the caller said of keeping state, which the provider was not told."""
    asked = telling.asked
    response["id"], response["model"] = raw(telling.generation), raw(telling.model)
    response["previous_response_id"] = asked.get("previous_response_id", _NULL)
    store = asked.get("store", _TRUE)
    response["store"] = _TRUE if bytes(store) == b"null" else store


class ResponsesStream(Passage):
    """The way of one stream from provider to caller: responses in it made ours, usage read, its cost told."""

    __slots__ = ("number", "response")

    piece = b".delta"
    mark = b'"response"'

    def __init__(self, telling: Telling) -> None:
        super().__init__(telling)
        self.response: Fields = {}  # as it was told last
        self.number = -1  # of the last event that was looked at

    def look(self, kind: str, fields: Fields) -> bool:
        """See Passage."""
        response = inner(fields, "response")
        if response is None:
            return False
        if kind == "response.failed":
            self.error = complaint(response) or "the response has failed"
            return False
        make_ours(response, self.telling)
        if kind in ("response.completed", "response.incomplete"):
            self._complete(response)
        fields["response"] = raw(response)
        self.response = response
        self.number = max(self.number, _number(fields))
        return True

    def _complete(self, response: Fields) -> None:
        self.done = True
        self.finish = finish_of(response)
        response.update(self.telling.extra)
        given = response.get("usage")
        usage = from_responses(given) if given is not None else None
        if usage is None or given is None:
            return
        self.usage, self.final = usage, True
        price = self.telling.price
        response["usage"] = with_cost(given, RESPONSES, usage, price, charged(price, usage, self.finish))

    def close(self) -> bytes:
        """Nothing: on this wire it is the end marker itself that tells whether and why the model stopped."""
        return b""

    def failure(self, message: str, code: int, kind: str) -> bytes:
        """The response as it began, but failed; ``code`` is an HTTP status."""
        telling = self.telling
        response: dict[str, Any] = {
            "object": "response",
            "created_at": telling.created_at(),
            "incomplete_details": None,
            "instructions": None,
            "metadata": {},
            "parallel_tool_calls": True,
            "temperature": None,
            "tool_choice": "auto",
            "tools": [],
            "top_p": None,
            "usage": None,
            **self.response,
            "id": telling.generation,
            "model": telling.model,
            "status": "failed",
            "error": {"code": _ERROR_CODES.get(code, "server_error"), "message": message},
            "output": [],
        }
        event = {"type": "response.failed", "response": response, "sequence_number": self._last_number() + 1}
        return b"event: response.failed\ndata: %b\n\n" % _encode(event)

    def _last_number(self) -> int:
        """The highest number of an event that the caller has seen; -1 when they have none."""
        number = self.number
        for event in sse.events(self.last):
            body = sse.payload(event)
            if body is None:
                continue
            try:
                number = max(number, _number(_decode_fields(body)))
            except MALFORMED:
                continue
        return number


def _number(fields: Fields) -> int:
    try:
        return _decode_number(fields.get("sequence_number", b""))
    except MALFORMED:
        return -1
