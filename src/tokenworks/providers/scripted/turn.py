"""What the model says in answer to one request, before any wire gives it a shape."""

from __future__ import annotations

import time

import msgspec

from tokenworks.providers.scripted.reply import Reply, ToolCall
from tokenworks.providers.scripted.request import Ask, input_words
from tokenworks.providers.scripted.words import count, first, speech, spoken
from tokenworks.schema import Usage

ECHO = "You said:"


class Turn(msgspec.Struct, frozen=True):
    """One answer. ``finish`` is a canonical word, or whatever the script says."""

    ask: Ask
    reply: Reply
    text: str
    pieces: list[str]  # of the text
    thoughts: list[str]  # pieces of the reasoning
    finish: str
    choices: int
    usage: Usage
    created: int

    @property
    def model(self) -> str:
        return self.ask.model

    def id(self, prefix: str) -> str:
        """An id of this answer, the same on every run."""
        return f"{prefix}{self.ask.number:024d}"

    def call_id(self, index: int, prefix: str = "call_") -> str:
        """The id of the tool call at ``index``."""
        return self.reply.tool_calls[index].id or f"{prefix}{self.ask.number:020d}{index:04d}"


def take(ask: Ask, reply: Reply) -> Turn:
    """The turn that ``reply`` makes of ``ask``."""
    text, cut_off = _text(ask, reply)
    choices = 1
    if ask.wire == "openai_chat":
        wanted = reply.n or ask.body.get("n")
        choices = wanted if isinstance(wanted, int) and wanted > 0 else 1
    return Turn(
        ask=ask,
        reply=reply,
        text=text,
        pieces=reply.pieces(text),
        thoughts=spoken(reply.reasoning),
        finish=reply.finish or _finish(reply, cut_off),
        choices=choices,
        usage=_usage(ask, reply, text, choices),
        created=int(time.time()),
    )


def echo(said: str) -> str:
    """What is answered where the script has nothing to say."""
    return f"{ECHO} {said}" if said else ECHO


def _text(ask: Ask, reply: Reply) -> tuple[str, bool]:
    """The text, and whether ``max_tokens`` cut it. Written texts are played as they are written."""
    if isinstance(reply.chunks, tuple):
        return "".join(reply.chunks), False
    if reply.text is not None:
        return reply.text, False
    if reply.tokens is None and not reply.silent:
        return "", False
    limit = ask.max_tokens
    if reply.tokens is not None:
        most = reply.tokens if limit is None else max(0, min(reply.tokens, limit))
        return speech(most), most < reply.tokens
    text = echo(ask.said)
    if limit is not None and limit < count(text):
        return first(text, max(limit, 0)), True
    return text, False


def _finish(reply: Reply, cut_off: bool) -> str:
    if cut_off:
        return "length"
    return "tool_calls" if reply.tool_calls else "stop"


def _usage(ask: Ask, reply: Reply, text: str, choices: int) -> Usage:
    """The numbers of the script, and words where it has none."""
    given = reply.usage
    read, write = given.cache_read_tokens, given.cache_write_tokens
    total = given.input_tokens
    if total is None:
        total = max(input_words(ask.body), read + write)
    reasoning, output = given.reasoning_tokens, given.output_tokens
    if reasoning is None:
        reasoning = count(reply.reasoning) * choices
    if output is None:
        said = count(text) + count(reply.refusal) + sum(_call_words(call) for call in reply.tool_calls)
        output = said * choices + reasoning
    if ask.wire in ("embeddings", "count_tokens"):
        output = reasoning = 0
    if ask.wire == "openai_chat" and reply.usage_style in ("deepseek", "moonshot"):
        write = 0  # these have no field for it: a client sees ordinary input
    return Usage(
        uncached_input_tokens=total - read - write,
        cache_read_tokens=read,
        cache_write_tokens=write,
        output_tokens=output,
        reasoning_tokens=min(reasoning, output),
    )


def _call_words(call: ToolCall) -> int:
    return 1 + count(call.json)
