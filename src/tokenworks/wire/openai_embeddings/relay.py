"""OpenAI's embeddings: what is changed in a request and its answer, which is never a stream.

Everything not named here passes through as the bytes it came in.
"""

from __future__ import annotations

import msgspec

from tokenworks.errors import BadRequest
from tokenworks.schema import Usage
from tokenworks.wire.answer import Telling
from tokenworks.wire.asking import length, model_of, required, without_controls
from tokenworks.wire.costs import EMBEDDINGS, with_cost
from tokenworks.wire.passage import complaint
from tokenworks.wire.peek import MALFORMED, Fields, flag, peek, raw
from tokenworks.wire.usage import MAX_TOKENS

_decode_fields = msgspec.json.Decoder(Fields).decode
_encode = msgspec.json.Encoder().encode
_LIST = msgspec.Raw(b'"list"')


class EmbeddingsRequest:
    """A request for embeddings as far as the gateway needs to know it."""

    __slots__ = ("fields", "model", "stream", "wants_usage")

    wire = "openai_embeddings"

    def __init__(self, body: bytes) -> None:
        """Raises BadRequest when the body or one of the fields looked at is malformed."""
        self.fields = fields = peek(body)
        self.model = model_of(fields)
        required(fields, "input", "send a text or a list of texts")
        if flag(fields, "stream"):
            raise BadRequest("embeddings are never streamed; leave out 'stream'")
        self.stream = False
        self.wants_usage = True

    @property
    def input_bytes(self) -> int:
        """Length of what the model reads, for estimates where no provider told the tokens."""
        return length(self.fields, "input")

    def upstream_body(self, upstream_id: msgspec.Raw) -> tuple[bytes, msgspec.Raw]:
        """The body to send, in two parts around the input, by far the longest, which is not copied.

        Behind the second part comes one closing brace.
        """
        fields = without_controls(self.fields)
        given = fields.pop("input")
        fields["model"] = upstream_id
        return _encode(fields)[:-1] + b',"input":', given


class _Counts(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None
    total_tokens: int | None = None


_decode_counts = msgspec.json.Decoder(_Counts).decode


class EmbeddingsWhole:
    """A whole answer. Making one raises ValueError, saying why, when ``body`` is none."""

    __slots__ = ("fields", "finish", "size", "usage")

    def __init__(self, body: bytes) -> None:
        try:
            self.fields = fields = _decode_fields(body)
        except MALFORMED as error:
            raise ValueError(f"not JSON ({error})") from None
        if "data" not in fields:
            raise ValueError(complaint(fields) or "an answer without 'data'")
        self.finish = "stop"
        self.size = 0  # nothing that is counted as output
        self.usage: Usage | None = usage_of(fields["usage"]) if "usage" in fields else None

    def render(self, telling: Telling, usage: Usage, cost_nano_usd: int) -> bytes:
        """The body for the caller: our id, model and cost in, the vectors as they came."""
        fields = {"object": _LIST, **self.fields, **telling.extra}
        fields["id"], fields["model"] = raw(telling.generation), raw(telling.model)
        given = fields.get("usage", b"")
        fields["usage"] = with_cost(given, EMBEDDINGS, usage, telling.price, cost_nano_usd)
        return _encode(fields)


def usage_of(raw: bytes | msgspec.Raw) -> Usage | None:
    """Usage of embeddings, all of it uncached input. None when ``raw`` holds none that can be believed."""
    try:
        told = _decode_counts(raw)
    except MALFORMED:
        return None
    tokens = told.total_tokens if told.prompt_tokens is None else told.prompt_tokens
    if tokens is None or not 0 <= tokens <= MAX_TOKENS:
        return None
    return Usage(uncached_input_tokens=tokens)
