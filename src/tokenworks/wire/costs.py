"""What an answer cost, told beside its usage: the provider's own usage object with our fields added."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from tokenworks.schema import NANO_USD, Price, Usage
from tokenworks.wire.peek import MALFORMED, Fields, raw
from tokenworks.wire.usage_written import chat_usage, messages_usage, responses_usage

_decode = msgspec.json.Decoder(Fields).decode
_encode = msgspec.json.Encoder().encode

_COST = (
    b',"cost":%%b,"is_byok":false,"cost_details":{"upstream_inference_cost":%%b,'
    b'"upstream_inference_%b_cost":%%b,"upstream_inference_%b_cost":%%b}}'
)

# Of "is_byok". One letter is found many times faster than a word, and no count has it in its name.
_Y = ord("y")


class Form(msgspec.Struct, frozen=True):
    """How a wire tells usage.

    ``needed`` is a field without which its object is none; ``write`` makes the fields anew. ``pattern``
    ends the object: cost, cost again, cost of the input, cost of the output.
    """

    needed: str
    write: Callable[[Usage], dict[str, Any]]
    pattern: bytes


def _embeddings(usage: Usage) -> dict[str, Any]:
    return {"prompt_tokens": usage.input_tokens, "total_tokens": usage.input_tokens}


CHAT = Form("prompt_tokens", chat_usage, _COST % (b"prompt", b"completions"))
EMBEDDINGS = Form("prompt_tokens", _embeddings, CHAT.pattern)
MESSAGES = Form("output_tokens", messages_usage, CHAT.pattern)
RESPONSES = Form("input_tokens", responses_usage, _COST % (b"input", b"output"))


def charged(price: Price, usage: Usage, finish: str) -> int:
    """What is charged for a streamed answer, in nano-dollars; ``finish`` is its finish reason.

    An answer that came to nothing is not charged: no output, and no finish reason or a failed one.
    """
    if not usage.output_tokens and finish in ("", "error"):
        return 0
    return price.cost_nano_usd(usage)


def with_cost(
    given: bytes | msgspec.Raw, form: Form, usage: Usage, price: Price, cost_nano_usd: int
) -> msgspec.Raw:
    """The usage object ``given`` plus our cost in dollars; made anew where it is none (empty, null, ...)."""
    given = bytes(given)
    output = (
        _output_cost(usage, price) if price.tiers else round(usage.output_tokens * price.output_mtok * 1000)
    )
    if output > cost_nano_usd:
        output = cost_nano_usd
    cost = _encode(cost_nano_usd / NANO_USD)
    ours = form.pattern % (
        cost,
        cost,
        _encode((cost_nano_usd - output) / NANO_USD),
        _encode(output / NANO_USD),
    )
    if given[:2] == b'{"' and b'"cost' not in given and _Y not in given:
        return msgspec.Raw(given[:-1] + ours)
    try:
        whole = _decode(given)
    except MALFORMED:
        whole = {}
    if form.needed not in whole:
        whole.update((key, raw(value)) for key, value in form.write(usage).items())
    whole.update(_decode(b'{"":0' + ours))
    del whole[""]
    return raw(whole)


def _output_cost(usage: Usage, price: Price) -> int:
    """The output's share of what ``usage`` costs, in nano-dollars, where prices depend on the input."""
    silent = Usage(usage.uncached_input_tokens, usage.cache_read_tokens, usage.cache_write_tokens)
    return price.cost_nano_usd(usage) - price.cost_nano_usd(silent)
