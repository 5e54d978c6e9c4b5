"""Usage as the providers report it, in every dialect met so far, to disjoint token classes.

Where cached tokens stand, in the order they are looked for: ``prompt_tokens_details.cached_tokens``,
``cached_tokens``, ``prompt_cache_hit_tokens``, ``cache_read_input_tokens``. Absent is not zero: the
first field that is present decides.
"""

from __future__ import annotations

import msgspec

from tokenworks.schema import Usage
from tokenworks.wire.peek import MALFORMED


class _PromptDetails(msgspec.Struct, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_creation_tokens: int | None = None


class _CompletionDetails(msgspec.Struct, gc=False):
    reasoning_tokens: int | None = None


class OpenAIUsage(msgspec.Struct, gc=False):
    """The ``usage`` object of chat completions, with the fields that differ between providers."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None
    cached_tokens: int | None = None
    prompt_cache_hit_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    reasoning_tokens: int | None = None


class _Totals(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


MAX_TOKENS = 10**12  # of one request; more is no count but a mistake
_decode = msgspec.json.Decoder(OpenAIUsage).decode
_decode_totals = msgspec.json.Decoder(_Totals).decode


def from_openai(raw: bytes | msgspec.Raw) -> Usage | None:
    """Usage of a chat completion. None when ``raw`` holds none that can be believed."""
    try:
        u = _decode(raw)
    except MALFORMED:
        return _totals(raw)
    prompt, output = u.prompt_tokens, u.completion_tokens
    if prompt is None or output is None:
        if prompt is None and output is None:
            return None
        prompt, output = prompt or 0, output or 0
    if not 0 <= prompt <= MAX_TOKENS or not 0 <= output <= MAX_TOKENS:
        return None
    details, more = u.prompt_tokens_details, u.completion_tokens_details
    read: int | None = None
    write: int | None = None
    if details is not None:
        read = details.cached_tokens
        write = details.cache_write_tokens or details.cache_creation_tokens
    if read is None:
        read = u.cached_tokens
        if read is None:
            read = u.prompt_cache_hit_tokens
            if read is None:
                read = u.cache_read_input_tokens
    reasoning = more.reasoning_tokens if more is not None else u.reasoning_tokens
    write = write or u.cache_creation_input_tokens
    if not read and not write and not reasoning:
        return Usage(prompt, 0, 0, output, 0)
    read = min(max(read or 0, 0), prompt)
    write = min(max(write or 0, 0), prompt - read)
    reasoning = max(reasoning or 0, 0)
    if reasoning and u.total_tokens == prompt + output + reasoning:
        output += reasoning  # some count reasoning beside the completion, though they bill it as output
    return Usage(prompt - read - write, read, write, output, min(reasoning, output))


def _totals(raw: bytes | msgspec.Raw) -> Usage | None:
    """Usage whose details are in a form nobody has seen yet, but whose totals can be read."""
    try:
        totals = _decode_totals(raw)
    except MALFORMED:
        return None
    prompt, output = totals.prompt_tokens, totals.completion_tokens
    if prompt is None and output is None:
        return None
    prompt, output = prompt or 0, output or 0
    if not 0 <= prompt <= MAX_TOKENS or not 0 <= output <= MAX_TOKENS:
        return None
    return Usage(prompt, 0, 0, output, 0)


def fuller(new: Usage, old: Usage | None) -> Usage:
    """``new``, with the cache of ``old`` where both count the same input and only that one tells of it.

    Some report cached tokens in one place of a stream only.
    """
    if old is None or new.cache_read_tokens or not old.cache_read_tokens:
        return new
    if new.input_tokens != old.input_tokens:
        return new
    return Usage(
        old.uncached_input_tokens,
        old.cache_read_tokens,
        old.cache_write_tokens,
        new.output_tokens,
        new.reasoning_tokens,
    )


class _InputDetails(msgspec.Struct, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class ResponsesUsage(msgspec.Struct, gc=False):
    """The ``usage`` object of responses."""

    input_tokens: int | None = None
    input_tokens_details: _InputDetails | None = None
    output_tokens: int | None = None
    output_tokens_details: _CompletionDetails | None = None


_decode_responses = msgspec.json.Decoder(ResponsesUsage).decode


def from_responses(raw: bytes | msgspec.Raw) -> Usage | None:
    """Usage of a response. None when ``raw`` holds none that can be believed."""
    try:
        u = _decode_responses(raw)
    except MALFORMED:
        return None
    if u.input_tokens is None and u.output_tokens is None:
        return None
    total, output = u.input_tokens or 0, u.output_tokens or 0
    if not 0 <= total <= MAX_TOKENS or not 0 <= output <= MAX_TOKENS:
        return None
    read = write = reasoning = 0
    if u.input_tokens_details is not None:
        read = min(max(u.input_tokens_details.cached_tokens or 0, 0), total)
        write = min(max(u.input_tokens_details.cache_write_tokens or 0, 0), total - read)
    if u.output_tokens_details is not None:
        reasoning = min(max(u.output_tokens_details.reasoning_tokens or 0, 0), output)
    return Usage(total - read - write, read, write, output, reasoning)
