"""What a request may use before it is answered: what is expected, and the most that it can come to.

The most is what a strict limit reserves. A token is at least a byte, so the bytes of a request bound its
input; a picture by address may come to more tokens than bytes and is bounded by itself, a file or a video
by the context of its model. What only the provider sees (a conversation that it keeps, what it searches
for) nothing bounds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from tokenworks.errors import BadRequest
from tokenworks.gateway.way import Way
from tokenworks.schema import Endpoint, Price
from tokenworks.wire import pairs
from tokenworks.wire.pairing import Asked
from tokenworks.wire.peek import MALFORMED, Fields, raw
from tokenworks.wire.replay import QUIRKS

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode

HIDDEN_TOKENS = 48  # that a model's template puts around a request
HIDDEN_TOOL_TOKENS = 2_000  # that it puts around tools
MOST_PICTURE_TOKENS = 50_000  # of the dearest model known, at its finest resolution
LEAST_OUTPUT = 16  # tokens: an answer cut to fewer is of no use to anybody
COMPLETION_TOKENS = 16  # of a legacy completion that names no limit
_FIELDS = {
    pairs.CHAT: ("max_completion_tokens", "max_tokens"),
    pairs.COMPLETIONS: ("max_tokens",),
    pairs.RESPONSES: ("max_output_tokens",),
    pairs.MESSAGES: ("max_tokens",),
}
_PICTURES = (b'"image_url"', b'"input_image"', b'"image"')
_FILES = (
    b'"file"',
    b'"document"',
    b'"input_file"',
    b'"video_url"',
    b'"input_video"',
    b'"video"',
    b'"audio_url"',
)
_HINTS = (b"image", b"file", b"document", b"video", b"audio")  # without one of these, none of those above
_CALLS = (b'"tool_calls"', b'"tool_use"', b'"function_call"')
_FILED = ("messages", "input")
_WATCHED = frozenset(("max_completion_tokens", "max_tokens", "max_output_tokens", "n", "best_of", "tools"))
_KEPT_ELSEWHERE = ("conversation", "web_search_options", "search_parameters", "mcp_servers", "container")
_RUN_ELSEWHERE = re.compile(
    rb'"type"\s*:\s*"(?:web_search|web_fetch|file_search|code_interpreter|code_execution|mcp|image_generation)'
)


class Estimate:
    """Tokens of one request. ``most_...`` only where ``strictly`` was called."""

    __slots__ = ("asked", "copies", "costs", "input", "most_input", "most_output", "names", "said")

    def __init__(self, way: Way, asked: Asked, input_tokens: int) -> None:
        fields = asked.fields
        self.asked = asked
        self.input = self.most_input = input_tokens
        self.costs = way.wire != pairs.COUNT
        self.names = _FIELDS.get(way.wire, ())
        self.said: int | None = None  # by the caller, of one copy
        for name in self.names:
            if name in fields:
                value = bytes(fields[name])
                if value.isdigit():
                    said = int(value[:12])
                    self.said = said if self.said is None else min(said, self.said)
        self.copies = 1
        if "n" in fields or "best_of" in fields:
            self.copies = max(_count(fields, "n"), _count(fields, "best_of"))
        self.most_output = 0

    def expected(self, typical: int) -> int:
        """Output tokens that are expected, of all copies."""
        if not self.names:
            return 0
        said = self.said
        return (typical if said is None or typical < said else said) * self.copies

    def strictly(self, way: Way, endpoints: Sequence[Endpoint]) -> None:
        """Find the most that it can come to; the caller's limit is brought down to the endpoints' own."""
        fields = self.asked.fields
        for name in self.names:
            value = bytes(fields.get(name, b"null"))
            if not value.isdigit() and value != b"null":
                raise BadRequest(f"'{name}' must be a whole number")
        for name in fields:  # some providers' JSON does not tell large letters from small ones
            if name not in _WATCHED and name.casefold() in _WATCHED:
                raise BadRequest(f"'{name[:100]}': write it in small letters")
        self._bound_input(way, endpoints)
        if not self.names:
            return
        if self.said is not None:
            one = min(self.said, max(each.max_output_tokens or each.context_length for each in endpoints))
        elif way.wire == pairs.COMPLETIONS:
            one = COMPLETION_TOKENS
        else:  # as much as all of them take beside this input
            one = min(each.max_output_tokens or self._room(each) for each in endpoints)
        self.limit(one)
        self.most_output = max(one, LEAST_OUTPUT) * self.copies  # some providers take no lower limit
        if "prediction" in fields:  # what the model does not take of it is charged as output
            self.most_output += len(fields["prediction"]) * self.copies

    def _room(self, endpoint: Endpoint) -> int:
        return max(endpoint.context_length - self.input * 3 // 2 - HIDDEN_TOKENS, LEAST_OUTPUT)

    def _bound_input(self, way: Way, endpoints: Sequence[Endpoint]) -> None:
        fields = self.asked.fields
        kept = [name for name in _KEPT_ELSEWHERE if name in fields and bytes(fields[name]) != b"null"]
        if way.wire == pairs.RESPONSES and "prompt" in fields and bytes(fields["prompt"]) != b"null":
            kept.append("prompt")
        if "tools" in fields and _RUN_ELSEWHERE.search(_plain(fields["tools"])):
            kept.append("tools")
        if kept:
            raise BadRequest(
                f"'{kept[0]}': what it costs can't be told in advance, which this key's strict limit needs; "
                "leave out what the provider would keep, search for or run"
            )
        self.most_input = sum(map(len, fields.values())) + HIDDEN_TOKENS
        if "tools" in fields or "functions" in fields:
            self.most_input += HIDDEN_TOOL_TOKENS
        # Reasoning that the caller's client has dropped is put back in front of calls; see ``wire.replay``.
        replays = any(not QUIRKS.isdisjoint(each.quirks) for each in endpoints)
        for name in _FILED:
            if name in fields:
                data = _plain(fields[name])
                if any(map(data.__contains__, _HINTS)):
                    self.most_input += MOST_PICTURE_TOKENS * sum(map(data.count, _PICTURES))
                    filed = any(map(data.__contains__, _FILES))
                else:
                    filed = False
                if filed or (replays and any(map(data.__contains__, _CALLS))):
                    most = max(each.context_length for each in endpoints)
                    self.most_input = max(self.most_input, most)

    def limit(self, tokens: int) -> None:
        """Ask for ``tokens`` of output at most, of each copy."""
        fields = self.asked.fields
        self.said = tokens
        given = [name for name in self.names if name in fields] or self.names[-1:]
        for name in given:
            fields[name] = raw(tokens)

    def least_output(self) -> int:
        """With fewer tokens than these, of one copy, the request is better refused than cut."""
        fields = self.asked.fields
        if "thinking" in fields:
            digits = bytes(fields["thinking"]).partition(b'"budget_tokens"')[2].lstrip(b" :\t\r\n")
            budget = digits[: len(digits) - len(digits.lstrip(b"0123456789"))]
            if budget:
                return int(budget[:9]) + LEAST_OUTPUT
        return min(self.said, LEAST_OUTPUT) if self.said is not None else LEAST_OUTPUT


def cost(price: Price, input_tokens: int, output_tokens: int) -> int:
    """Expected nano-dollars: all input fresh, at the base price."""
    fresh, _, _, out, fixed = price.pico_usd
    return (input_tokens * fresh + output_tokens * out + fixed + 500) // 1000


def most_cost(prices: Sequence[Price], input_tokens: int, output_tokens: int) -> int:
    """Nano-dollars that no use of these tokens at any of ``prices`` exceeds."""
    return max(_most(price, input_tokens, output_tokens) for price in prices)


def affordable(prices: Sequence[Price], input_tokens: int, nano_usd: int) -> int:
    """Output tokens for which ``nano_usd`` surely is enough beside the input; negative where it is not."""
    most = 10**9
    for price in prices:
        rate = _dearest(price, input_tokens)[1]
        left = nano_usd - _most(price, input_tokens, 0)
        if left < 0:
            return -1
        if rate:
            most = min(most, left * 1000 // rate)
    return most


def _most(price: Price, input_tokens: int, output_tokens: int) -> int:
    rate_in, rate_out = _dearest(price, input_tokens)
    return -(-(input_tokens * rate_in + output_tokens * rate_out + price.pico_usd[4]) // 1000)


def _dearest(price: Price, input_tokens: int) -> tuple[int, int]:
    """Pico-dollars per token of input and output, at the dearest that so much input can be charged."""
    fresh, read, write, out, _ = price.pico_usd
    rate_in, rate_out = max(fresh, read, write), out
    for tier in price.tiers:
        if input_tokens > tier.above_input_tokens:
            rates = (tier.input_mtok, tier.cache_read_mtok or 0, tier.cache_write_mtok or 0)
            rate_in = max(rate_in, round(max(rates) * 1e6))
            rate_out = max(rate_out, round(tier.output_mtok * 1e6))
    return rate_in, rate_out


def _plain(value: msgspec.Raw) -> bytes:
    """JSON in which words can be found: without escapes of letters."""
    data = bytes(value)
    if b"\\u" in data:
        try:
            return _encode(_decode(data))
        except MALFORMED as error:
            raise BadRequest(f"the request body is not valid JSON: {error}") from None
    return data


def _count(fields: Fields, name: str) -> int:
    value = bytes(fields.get(name, b"1"))
    if value == b"null":
        return 1
    if not value.isdigit() or not 1 <= int(value[:6]) <= 1024:
        raise BadRequest(f"'{name}' must be a whole number from 1 to 1024")
    return int(value)
