"""What one rule of a script says: when it applies, what is answered, how fast and what goes wrong."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Literal

import msgspec

from tokenworks.providers.scripted.fault import Fault
from tokenworks.providers.scripted.words import groups, spoken, widths

WireName = Literal[
    "openai_chat", "openai_responses", "anthropic_messages", "embeddings", "count_tokens", "models"
]
UsageStyle = Literal["auto", "openai", "deepseek", "moonshot", "anthropic", "xai", "none"]
UsagePlace = Literal["auto", "final", "finish", "every", "choices", "end_only"]
ReasoningStyle = Literal["reasoning_content", "reasoning", "reasoning_details", "inline"]
Framing = Literal["auto", "chunked", "close"]
DEFAULT_ARGUMENT_PIECE = 12  # characters


class When(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``when`` of a rule: every condition that is given must hold."""

    model: str = "*"  # glob
    wire: WireName | None = None
    stream: bool | None = None
    header: str = ""  # "name" or "name: glob of its value"
    says: str = ""  # contained in the last message of the user
    nth: int | tuple[int, ...] = ()  # of the requests that all other conditions let through, from 1
    every: int = 1  # each k-th of them

    def __post_init__(self) -> None:
        if any(n < 1 for n in self.numbers) or self.every < 1:
            raise ValueError("nth and every count from 1")

    @property
    def numbers(self) -> tuple[int, ...]:
        """``nth`` as a tuple; empty: any."""
        return (self.nth,) if isinstance(self.nth, int) else self.nth


class Tokens(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``usage``: numbers to claim. What is left out is counted in words.

    ``input_tokens`` is all input, cached or not; ``output_tokens`` includes reasoning.
    """

    input_tokens: int | None = None
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0  # part of cache_write_tokens, told apart on anthropic_messages
    output_tokens: int | None = None
    reasoning_tokens: int | None = None

    def __post_init__(self) -> None:
        cached = self.cache_read_tokens + self.cache_write_tokens
        if self.input_tokens is not None and cached > self.input_tokens:
            raise ValueError("input_tokens is all input: at least cache_read_tokens + cache_write_tokens")
        if self.cache_write_1h_tokens > self.cache_write_tokens:
            raise ValueError("cache_write_1h_tokens is a part of cache_write_tokens")


class ToolCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One function the model calls. ``arguments`` is the JSON text to send, valid or not, or a table."""

    name: str
    arguments: str | dict[str, Any] = "{}"
    id: str = ""  # empty: made up
    split_at: tuple[int, ...] | None = None  # characters after which the text is cut; None: every 12
    at_start: bool = False  # all arguments come with the event that names the tool

    def __post_init__(self) -> None:
        cuts, end = self.split_at or (), len(self.json)
        if list(cuts) != sorted(set(cuts)) or not all(0 < cut < end for cut in cuts):
            raise ValueError(f"split_at must rise within the {end} characters of arguments")

    @property
    def json(self) -> str:
        """The arguments as text."""
        text = self.arguments
        return text if isinstance(text, str) else msgspec.json.encode(text).decode()

    def pieces(self) -> list[str]:
        """The arguments as they are streamed; nothing when they come with the name."""
        text = self.json
        if self.at_start:
            return []
        if self.split_at is None:
            return widths(text, DEFAULT_ARGUMENT_PIECE)
        cuts = [0, *self.split_at, len(text)]
        return [text[a:b] for a, b in pairwise(cuts)]


class Reply(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[[reply]]``: one rule. One that says nothing echoes the request."""

    when: When = When()

    # what is said
    text: str | None = None
    tokens: int | None = None  # instead of text: that many words, cut at the request's max_tokens
    chunks: int | tuple[str, ...] | None = None  # pieces of a stream: how many, or which; None: words
    reasoning: str = ""
    signature: str = ""  # of the reasoning; encrypted content on openai_responses
    redacted_reasoning: str = ""  # opaque data, anthropic_messages only
    reasoning_style: ReasoningStyle = "reasoning_content"  # openai_chat only
    refusal: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    interleave: bool = False  # pieces of parallel calls take turns, openai_chat only
    finish: str = ""  # stop | length | tool_calls | content_filter | failed; others are sent as they are
    n: int | None = None  # choices; None: what the request asks for, openai_chat only

    # what it is said to have cost
    usage: Tokens = Tokens()
    usage_style: UsageStyle = "auto"  # fields of openai_chat; "none" holds on every wire
    usage_place: UsagePlace = "auto"
    usage_raw: dict[str, Any] | None = None  # sent as it is in place of the usage object

    # how it is sent
    headers: dict[str, str] = {}
    framing: Framing = "auto"
    comment: str = ""  # an SSE comment before the first event
    first_byte_delay_s: float = 0.0  # before the headers
    first_chunk_delay_s: float = 0.0  # after the headers
    chunk_delay_s: float = 0.0  # between two events
    jitter_s: float = 0.0  # up to so much is added to each delay that is set

    # what goes wrong: the first whose probability hits
    fault: Fault | tuple[Fault, ...] = ()

    def __post_init__(self) -> None:
        listed = isinstance(self.chunks, tuple)
        if sum((self.text is not None, self.tokens is not None, listed)) > 1:
            raise ValueError("text, tokens and a list of chunks exclude each other")
        numbers = (self.tokens, self.n, self.chunks if isinstance(self.chunks, int) else None)
        if any(number is not None and number < 1 for number in numbers):
            raise ValueError("tokens, n and chunks count from 1")
        delays = (self.first_byte_delay_s, self.first_chunk_delay_s, self.chunk_delay_s, self.jitter_s)
        if min(delays) < 0:
            raise ValueError("delays can't be negative")
        for name, value in self.headers.items():
            if not name.isascii() or any(c in name + value for c in "\r\n"):
                raise ValueError(f"header {name!r} can't be sent")

    @property
    def silent(self) -> bool:
        """True when the rule says nothing itself."""
        said = (self.text, self.tokens, self.refusal or None, self.reasoning or None)
        return all(s is None for s in said) and not isinstance(self.chunks, tuple) and not self.tool_calls

    @property
    def faults(self) -> tuple[Fault, ...]:
        """``fault`` as a tuple."""
        return (self.fault,) if isinstance(self.fault, Fault) else self.fault

    def pieces(self, text: str) -> list[str]:
        """``text`` as it is streamed."""
        if isinstance(self.chunks, tuple):
            return list(self.chunks)
        return spoken(text) if self.chunks is None else groups(text, self.chunks)
