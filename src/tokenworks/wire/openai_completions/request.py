"""A legacy completion request: a prompt in place of messages, otherwise nearly a chat request."""

from __future__ import annotations

import msgspec

from tokenworks.errors import BadRequest
from tokenworks.wire.asking import length, model_of, required
from tokenworks.wire.conversation import Conversation
from tokenworks.wire.openai_chat import request as chat_request
from tokenworks.wire.peek import MALFORMED, Fields, flag, peek, raw

# What no chat model can do, by the values that ask for nothing, and what to do instead.
_REFUSED = {
    "suffix": ((b'""',), "chat models can't fill a gap; say it in the prompt and leave 'suffix' out"),
    "echo": ((b"false",), "put the prompt in front of the answer yourself and leave 'echo' out"),
    "best_of": ((b"1",), "send several requests and leave 'best_of' out"),
    "n": ((b"1",), "send several requests and leave 'n' out"),
    "logprobs": ((b"false",), "ask /v1/chat/completions for 'logprobs'"),
}
_NULL = b"null"

_decode_prompts = msgspec.json.Decoder(list[str]).decode
_decode_text = msgspec.json.Decoder(str).decode
_decode_object = msgspec.json.Decoder(Fields).decode


def read(fields: Fields) -> Conversation:
    """A caller's request, whose top level ``fields`` are. Raises BadRequest naming what can't be done."""
    left = {key: value for key, value in fields.items() if key not in _REFUSED and key != "prompt"}
    for key, (neutral, fix) in _REFUSED.items():
        value = bytes(fields.get(key, _NULL))
        if value != _NULL and value not in neutral:
            raise BadRequest(f"'{key}' is not possible here: {fix}")
    left["messages"] = raw([{"role": "user", "content": _prompt(fields)}])
    return chat_request.read(left)


def _prompt(fields: Fields) -> str:
    required(fields, "prompt", "send a text")
    given = fields["prompt"]
    try:
        prompts = [_decode_text(given)] if bytes(given).startswith(b'"') else _decode_prompts(given)
    except MALFORMED:
        raise BadRequest("'prompt' must be a text; token ids are not understood here") from None
    if len(prompts) != 1:
        raise BadRequest(f"'prompt' holds {len(prompts)} texts; send one request for each")
    return prompts[0]


class CompletionsRequest:
    """A legacy completion request as far as the gateway needs to know it."""

    __slots__ = ("fields", "model", "stream", "wants_usage")

    wire = "openai_completions"

    def __init__(self, body: bytes) -> None:
        """Raises BadRequest when the body or one of the fields looked at is malformed."""
        self.fields = fields = peek(body)
        self.model = model_of(fields)
        required(fields, "prompt", "send a text")
        self.stream = flag(fields, "stream")
        self.wants_usage = not self.stream or _includes_usage(fields)

    @property
    def input_bytes(self) -> int:
        """Length of what the model reads, for estimates where no provider told the tokens."""
        return length(self.fields, "prompt")

    def upstream_body(self, upstream_id: msgspec.Raw) -> tuple[bytes, msgspec.Raw]:
        """No provider is asked on this wire: always raises BadRequest."""
        raise BadRequest("no provider is asked for legacy completions; use /v1/chat/completions")


def _includes_usage(fields: Fields) -> bool:
    options = fields.get("stream_options")
    if options is None or bytes(options) == _NULL:
        return False
    try:
        return flag(_decode_object(options), "include_usage")
    except MALFORMED:
        raise BadRequest("'stream_options' must be an object") from None
