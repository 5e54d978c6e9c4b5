"""Every pair of wires that the works bring together, and the wire on which a provider is asked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import cache
from types import ModuleType

import msgspec

from tokenworks.errors import BadRequest
from tokenworks.schema import Provider
from tokenworks.wire.answer import Answer, Event, Telling
from tokenworks.wire.anthropic_messages import answer as messages_answer
from tokenworks.wire.anthropic_messages import counted as messages_counted
from tokenworks.wire.anthropic_messages import relay as messages
from tokenworks.wire.anthropic_messages import request as messages_request
from tokenworks.wire.anthropic_messages import stream as messages_stream
from tokenworks.wire.conversation import Maker
from tokenworks.wire.foreign import without_foreign
from tokenworks.wire.openai_chat import answer as chat_answer
from tokenworks.wire.openai_chat import counted as chat_counted
from tokenworks.wire.openai_chat import relay as chat
from tokenworks.wire.openai_chat import request as chat_request
from tokenworks.wire.openai_chat import stream as chat_stream
from tokenworks.wire.openai_chat.adapting import adapted
from tokenworks.wire.openai_completions import answer as completions_answer
from tokenworks.wire.openai_completions import request as completions_request
from tokenworks.wire.openai_completions import stream as completions_stream
from tokenworks.wire.openai_embeddings import relay as embeddings
from tokenworks.wire.openai_responses import answer as responses_answer
from tokenworks.wire.openai_responses import counted as responses_counted
from tokenworks.wire.openai_responses import relay as responses
from tokenworks.wire.openai_responses import request as responses_request
from tokenworks.wire.openai_responses import stream as responses_stream
from tokenworks.wire.pairing import Asked, Stream, Whole, Writer
from tokenworks.wire.replay import (
    QUIRKS,
    Gleaner,
    Recall,
    Remembered,
    messages_with,
    remembered,
    wanting,
    wanting_in,
    with_reasoning,
)
from tokenworks.wire.translated import Translated, TranslatedWhole, calls_of

CHAT, MESSAGES, RESPONSES = "openai_chat", "anthropic_messages", "openai_responses"
COMPLETIONS, EMBEDDINGS = "openai_completions", "openai_embeddings"
COUNT = "count_tokens"  # of the messages wire: a question about a request, not one for an answer

# The caller's wire → those of a provider, the closest first.
_CLOSEST = {
    CHAT: (CHAT, MESSAGES, RESPONSES),
    MESSAGES: (MESSAGES, CHAT, RESPONSES),
    RESPONSES: (RESPONSES, CHAT, MESSAGES),
    COMPLETIONS: (CHAT, MESSAGES, RESPONSES),
    EMBEDDINGS: (CHAT, RESPONSES),  # they have the path of embeddings beside their own
    COUNT: (MESSAGES,),
}
_PATHS = {CHAT: "/chat/completions", MESSAGES: "/v1/messages", RESPONSES: "/responses"}


class Pair:
    """One caller's wire and one provider's. ``same``: bytes pass through. ``converses``: answers are turns
    of a conversation, no vectors or counts."""

    same = True
    converses = True

    def wanting(self, asked: Asked, maker: Maker) -> list[str]:
        """Names, see ``replay``, of the tool calls in the request that lack what led to them.

        Raises BadRequest where the request is malformed.
        """
        return []

    def body(
        self, asked: Asked, maker: Maker, upstream_id: msgspec.Raw, recall: Recall | None = None
    ) -> tuple[bytes, bytes | msgspec.Raw]:
        """The provider's body, in two parts as ``Asked.upstream_body`` has them.

        ``recall`` holds reasoning that the caller may have dropped and this maker must see again. Raises
        BadRequest naming what can't be said on the provider's wire.
        """
        raise NotImplementedError

    def whole(self, body: bytes, maker: Maker) -> Whole:
        """A provider's whole answer. Raises ValueError for none."""
        raise NotImplementedError

    def stream(self, telling: Telling, maker: Maker, *, counts: bool = False) -> Stream:
        """The way of a stream back to the caller. ``counts``: its tool calls are of interest."""
        raise NotImplementedError

    def calls(self, whole: Whole) -> int:
        """How many tools a whole answer calls."""
        return 0


class Relay(Pair):
    """The same wire on both sides."""

    def __init__(
        self,
        whole: Callable[[bytes], Whole],
        stream: Callable[[Telling], Stream] | None = None,
        counted: ModuleType | None = None,
    ) -> None:
        self._whole = whole
        self._stream = stream
        self._counted = counted  # how this wire's tool calls are counted
        self.converses = stream is not None

    def body(
        self, asked: Asked, maker: Maker, upstream_id: msgspec.Raw, recall: Recall | None = None
    ) -> tuple[bytes, bytes | msgspec.Raw]:
        return asked.upstream_body(upstream_id)

    def whole(self, body: bytes, maker: Maker) -> Whole:
        return self._whole(body)

    def stream(self, telling: Telling, maker: Maker, *, counts: bool = False) -> Stream:
        if self._stream is None:
            raise BadRequest("'stream' is not possible here")
        if counts and self._counted is not None:
            counted: Stream = self._counted.CountedStream(telling)
            return counted
        return self._stream(telling)

    def calls(self, whole: Whole) -> int:
        return int(self._counted.calls_of(whole)) if self._counted is not None else 0


class SignedRelay(Relay):
    """A wire that has signed reasoning: what another maker signed is taken out of ``key``."""

    def __init__(
        self,
        whole: Callable[[bytes], Whole],
        stream: Callable[[Telling], Stream],
        counted: ModuleType,
        key: str,
    ) -> None:
        super().__init__(whole, stream, counted)
        self._key = key

    def body(
        self, asked: Asked, maker: Maker, upstream_id: msgspec.Raw, recall: Recall | None = None
    ) -> tuple[bytes, bytes | msgspec.Raw]:
        given = asked.fields[self._key]
        own = without_foreign(given)
        if own is not given:
            asked.fields = {**asked.fields, self._key: own}
        return asked.upstream_body(upstream_id)


class ChatRelay(Relay):
    """Chat on both sides: what providers of this wire differ in is adapted, all else passes through."""

    def wanting(self, asked: Asked, maker: Maker) -> list[str]:
        return wanting_in(asked.fields["messages"], maker.quirks)

    def body(
        self, asked: Asked, maker: Maker, upstream_id: msgspec.Raw, recall: Recall | None = None
    ) -> tuple[bytes, bytes | msgspec.Raw]:
        fields = asked.fields
        if "reasoning" in fields or maker.quirks:
            changed = adapted(fields, maker)
            if not QUIRKS.isdisjoint(maker.quirks):
                given = fields["messages"]
                messages = messages_with(given, maker, recall or {})
                if messages is not given:
                    changed = {**changed, "messages": messages}
            if changed is not fields:
                asked = chat.ChatRequest.of(asked, changed)
        return asked.upstream_body(upstream_id)

    def stream(self, telling: Telling, maker: Maker, *, counts: bool = False) -> Stream:
        if telling.exclude_reasoning:
            return Translated(chat_stream.Reader(maker.quirks), chat_stream.Writer(telling))
        return chat_counted.CountedStream(telling) if counts else chat.ChatStream(telling)


class Translation(Pair):
    """Two different wires, by way of a conversation and an answer."""

    same = False

    def __init__(self, caller: tuple[ModuleType, ...], provider: tuple[ModuleType, ...]) -> None:
        self._read_request, self._write_answer, self._writer = (
            caller[0].read,
            caller[1].write,
            caller[2].Writer,
        )
        self._write_request, self._read_answer, self._reader = (
            provider[0].write,
            provider[1].read,
            provider[2].Reader,
        )

    def wanting(self, asked: Asked, maker: Maker) -> list[str]:
        return wanting(self._read_request(asked.fields), maker.quirks)

    def body(
        self, asked: Asked, maker: Maker, upstream_id: msgspec.Raw, recall: Recall | None = None
    ) -> tuple[bytes, bytes | msgspec.Raw]:
        conversation = self._read_request(asked.fields)
        if recall:
            conversation = with_reasoning(conversation, recall)
        return self._write_request(conversation, maker)[:-1], b""

    def whole(self, body: bytes, maker: Maker) -> Whole:
        return TranslatedWhole(self._read_answer(body, maker.quirks), self._write_answer)

    def stream(self, telling: Telling, maker: Maker, *, counts: bool = False) -> Stream:
        return Translated(self._reader(maker.quirks), self._writer(telling))

    def calls(self, whole: Whole) -> int:
        return calls_of(whole) if isinstance(whole, TranslatedWhole) else 0


_MODULES: dict[str, tuple[ModuleType, ...]] = {
    CHAT: (chat_request, chat_answer, chat_stream),
    MESSAGES: (messages_request, messages_answer, messages_stream),
    RESPONSES: (responses_request, responses_answer, responses_stream),
    COMPLETIONS: (completions_request, completions_answer, completions_stream),
}


@cache
def pair(caller: str, provider: str) -> Pair:
    """The pair of the caller's and the provider's wire."""
    if caller == EMBEDDINGS:
        return Relay(embeddings.EmbeddingsWhole)
    if caller == COUNT:
        return Relay(messages.CountWhole)
    if caller != provider:
        return Translation(_MODULES[caller], _MODULES[provider])
    if caller == CHAT:
        return ChatRelay(chat.ChatWhole, chat.ChatStream, chat_counted)
    if caller == MESSAGES:
        return SignedRelay(messages.MessagesWhole, messages.MessagesStream, messages_counted, "messages")
    return SignedRelay(responses.ResponsesWhole, responses.ResponsesStream, responses_counted, "input")


def wire_for(
    caller: str, provider: Provider, quirks: frozenset[str], only: Collection[str] = ()
) -> tuple[str, str, str] | None:
    """Wire, base URL and path on which ``provider`` is asked what came on the wire ``caller``.

    ``only`` are the wires that serve the endpoint, empty: all. None where there is no suitable one.
    """
    order = _CLOSEST[caller]
    if "prefer_anthropic_wire" in quirks and caller not in (CHAT, EMBEDDINGS):
        order = tuple(sorted(order, key=lambda wire: wire != MESSAGES))
    for wire in order:
        base = provider.base_url_of(wire) if not only or wire in only else None
        if base is not None:
            path = {EMBEDDINGS: "/embeddings", COUNT: "/v1/messages/count_tokens"}.get(caller, _PATHS[wire])
            if wire == MESSAGES and base.rstrip("/").endswith("/v1"):
                path = path.removeprefix("/v1")
            return wire, base, path
    return None


def writer(caller: str, telling: Telling) -> Writer:
    """What writes a stream on the wire ``caller`` where no provider has begun one."""
    made: Writer = _MODULES[caller][2].Writer(telling)
    return made


def gleaner(provider: str, maker: Maker) -> Gleaner:
    """Reads along with a stream on the wire ``provider``."""
    return Gleaner(_MODULES[provider][2].Reader(maker.quirks))


def gleaned(provider: str, maker: Maker, body: bytes) -> tuple[list[str], Remembered] | None:
    """What must be remembered of a whole answer on the wire ``provider``. Raises ValueError for none."""
    return remembered(_MODULES[provider][1].read(body, maker.quirks))


def answer_of(caller: str, body: bytes) -> Answer:
    """What a whole answer on the wire ``caller`` says. Raises ValueError for none."""
    answer: Answer = _MODULES[caller][1].read(body, ())
    return answer


def events_of(caller: str, stream: bytes) -> Sequence[Event]:
    """What a complete stream on the wire ``caller`` says. Raises ValueError for none."""
    reader = _MODULES[caller][2].Reader(())
    return [*reader.feed(stream), *reader.flush()]
