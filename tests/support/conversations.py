"""Conversations as hypothesis makes them: only what each of some wires can say.

What a wire can say is what comes back, equal, when its own reader reads what its writer wrote.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from tokenworks.wire.conversation import (
    Conversation,
    File,
    Format,
    Image,
    Maker,
    Message,
    Reasoning,
    Text,
    Thinking,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
)
from tokenworks.wire.peek import raw
from tokenworks.wire.signature import MESSAGES as CLAUDE
from tokenworks.wire.signature import RESPONSES as GPT

CHAT, MESSAGES, RESPONSES = "openai_chat", "anthropic_messages", "openai_responses"
WIRES = (CHAT, MESSAGES, RESPONSES)

# Providers that know all that their wire can say.
MAKERS = {
    CHAT: Maker(
        "acme/model",
        quirks=frozenset(
            ("cache_marks", "reasoning_object", "official_fields", "takes_top_k", "echo_thought_signatures")
        ),
    ),
    MESSAGES: Maker("acme/model"),
    RESPONSES: Maker("acme/model", quirks=frozenset(("official_fields", "takes_top_k"))),
}

letters = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
words = letters.map(lambda text: f"-{text}-")  # never blank, no white space at the ends
names = st.from_regex(r"[a-zA-Z0-9_-]{1,20}", fullmatch=True)
opaque = st.from_regex(r"[A-Za-z0-9+/]{4,20}={0,2}", fullmatch=True)
ids = st.uuids().map(lambda uuid: f"call_{uuid.hex[:24]}")
urls = names.map(lambda name: f"https://example.com/{name}.png")
ttls = st.sampled_from(["", "", "5m", "1h"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | letters,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(letters, inner, max_size=3),
    max_leaves=5,
)
objects = st.dictionaries(letters, json_values, max_size=3)
schemas = objects.map(
    lambda extra: raw({"type": "object", **{k: v for k, v in extra.items() if k != "type"}})
)


def conversations(*wires: str) -> st.SearchStrategy[Conversation]:
    """Those that each of ``wires`` can say, asked on the first."""
    return _Sayings(wires).conversations()


class _Sayings:
    """Strategies for what each of some wires can say."""

    def __init__(self, wires: tuple[str, ...]) -> None:
        self.wires = wires
        self.chat, self.messages, self.responses = (wire in wires for wire in WIRES)
        self.marks = not self.responses
        self.ttl = ttls if self.marks else st.just("")

    def texts(self, most: int = 3) -> st.SearchStrategy[tuple[Text, ...]]:
        one = st.builds(Text, words, self.ttl)
        if most == 1:
            return one.map(lambda text: (text,))
        return st.lists(one, min_size=1, max_size=most).map(lambda some: self.parted(tuple(some)))

    def parted(self, blocks: tuple[Any, ...]) -> tuple[Any, ...]:
        """On the chat wire texts alone stay apart only where a mark wants it."""
        alone = all(isinstance(block, Text) for block in blocks)
        if not self.chat or not alone or len(blocks) < 2 or any(block.cache_ttl for block in blocks):
            return blocks
        return blocks[:1] if self.responses else (*blocks[:-1], Text(blocks[-1].text, "5m"))

    def media(self, ttl: st.SearchStrategy[str]) -> st.SearchStrategy[Image | File]:
        detail = st.just("") if self.messages else st.sampled_from(["", "low", "high", "original"])
        types = st.sampled_from(["image/png", "image/jpeg"])
        url_names = st.just("") if self.responses else st.just("") | words
        kinds = [
            st.builds(Image, url=urls, detail=detail, cache_ttl=ttl),
            st.builds(Image, media_type=types, data=opaque, detail=detail, cache_ttl=ttl),
            st.builds(File, name=url_names, url=urls, cache_ttl=ttl),
            st.builds(File, words, media_type=st.just("application/pdf"), data=opaque, cache_ttl=ttl),
        ]
        if self.wires == (MESSAGES,):
            kinds.append(st.builds(File, words | st.just(""), text=words, cache_ttl=ttl))
        return st.one_of(kinds)

    def shown(self) -> st.SearchStrategy[tuple[Any, ...]]:
        block = st.builds(Text, words, self.ttl) | self.media(self.ttl)
        return st.lists(block, min_size=1, max_size=4).map(lambda blocks: self.parted(tuple(blocks)))

    def thinking(self) -> st.SearchStrategy[Thinking]:
        unique = st.just("") if self.messages else st.just("") | st.uuids().map(lambda uuid: f"rs_{uuid.hex}")
        signed = [
            (CLAUDE, not self.responses),
            (GPT, not self.messages),
            ("", self.wires == (CHAT,)),
            ("acme-v2", self.wires == (CHAT,)),
        ]
        kinds = []
        for format in [format for format, sayable in signed if sayable]:
            text = words if format == GPT else words | st.just("")
            kinds.append(st.builds(Thinking, text, opaque, id=unique, format=st.just(format)))
            kinds.append(st.builds(Thinking, redacted=opaque, id=unique, format=st.just(format)))
            if self.wires == (CHAT,):
                kinds.append(st.builds(Thinking, words, id=unique, format=st.just(format)))
        return st.one_of(kinds)

    def use(self) -> st.SearchStrategy[ToolUse]:
        arguments = objects.map(json.dumps)
        return st.builds(
            ToolUse,
            ids,
            names,
            arguments | words if not self.messages else arguments,
            opaque if self.wires == (CHAT,) else st.just(""),
            self.ttl if self.wires == (MESSAGES,) else st.just(""),
        )

    @st.composite
    @staticmethod
    def _assistant(draw: st.DrawFn, self: _Sayings) -> Message:
        speech = self.texts(1) if self.chat else self.texts()
        thinkable = not (self.messages and self.responses)  # each signs in its own way
        thoughts = draw(st.lists(self.thinking(), max_size=2)) if thinkable else []
        said = [*draw(speech)] if draw(st.booleans()) else []
        calls = draw(st.lists(self.use(), min_size=0 if said else 1, max_size=3))
        name = draw(st.just("") | names) if self.wires == (CHAT,) else ""
        if not self.chat and draw(st.booleans()):  # a thought between words and calls
            return Message("assistant", (*said, *thoughts, *calls) if calls else (*thoughts, *said), name)
        return Message("assistant", (*thoughts, *said, *calls), name)

    @st.composite
    @staticmethod
    def _result(draw: st.DrawFn, self: _Sayings, call_id: str) -> ToolResult:
        if self.chat:
            content: Any = draw(st.just(()) | st.builds(Text, words).map(lambda text: (text,)))
        else:
            content = tuple(draw(st.lists(st.builds(Text, words) | self.media(st.just("")), max_size=3)))
        ttl = draw(self.ttl) if content else ""
        return ToolResult(call_id, content, draw(st.booleans()) if self.wires == (MESSAGES,) else False, ttl)

    @st.composite
    @staticmethod
    def _messages(draw: st.DrawFn, self: _Sayings) -> tuple[Message, ...]:
        """Turns of user and assistant, sometimes with a system message between."""
        messages = [Message("user", draw(self.shown()))]
        for _ in range(draw(st.integers(0, 2))):
            turn = draw(_Sayings._assistant(self))
            results = [
                draw(_Sayings._result(self, use.id)) for use in turn.content if isinstance(use, ToolUse)
            ]
            blocks: tuple[Any, ...] = tuple(results)
            name = ""
            if not results or draw(st.booleans()):
                blocks += draw(self.shown())
                if not results and self.wires == (CHAT,):
                    name = draw(st.just("") | names)
            messages += [turn, Message("user", blocks, name)]
            if not self.messages and draw(st.booleans()):
                messages.append(Message("system", draw(self.texts())))
                messages.append(Message("assistant", draw(self.texts(1))))
                messages.append(Message("user", draw(self.texts())))
        return tuple(messages)

    def tools(self) -> st.SearchStrategy[list[Tool]]:
        given = schemas if self.messages or self.responses else schemas | st.none()
        strict = st.sampled_from([None, True])
        return st.lists(
            st.builds(Tool, names, letters, given, strict, self.ttl),
            max_size=2,
            unique_by=lambda tool: tool.name,
        )

    def format(self) -> st.SearchStrategy[Format | None]:
        if self.wires == (MESSAGES,):
            return st.none() | st.builds(Format, st.just("json_schema"), schema=schemas)
        if self.messages:
            return st.none()  # it has no name there, and must have one elsewhere
        plain = st.sampled_from([Format("text"), Format("json_object")])
        strict = st.none() | st.booleans()
        return st.none() | plain | st.builds(Format, st.just("json_schema"), names, schemas, strict, letters)

    def reasoning(self) -> st.SearchStrategy[Reasoning | None]:
        efforts = st.sampled_from(["none", "minimal", "low", "medium", "high", "xhigh", "max"])
        summaries = st.sampled_from(["auto", "concise", "detailed"])
        if self.messages and self.responses:
            return st.none()
        if self.messages:
            budget = st.builds(Reasoning, st.just(True), max_tokens=st.integers(1024, 4000))
            return st.none() | budget | st.just(Reasoning(False))
        if self.responses:
            return st.none() | st.builds(Reasoning, effort=efforts, summary=summaries)
        return st.none() | st.builds(
            Reasoning,
            st.none() | st.booleans(),
            efforts | st.just(""),
            st.none() | st.integers(0, 9999),
            st.booleans(),
            summaries | st.just(""),
        ).filter(lambda reasoning: reasoning != Reasoning())

    @st.composite
    @staticmethod
    def _conversations(draw: st.DrawFn, self: _Sayings) -> Conversation:
        messages = draw(_Sayings._messages(self))
        tools = tuple(draw(self.tools()))
        choice, parallel = None, None
        reasoning = draw(self.reasoning())
        if self.messages and any(isinstance(block, ToolResult) for block in messages[-1].content):
            reasoning = None  # thinking can't begin amid a turn
        thinks = self.messages and reasoning is not None and reasoning.enabled is True
        if tools:
            kinds = ["auto", "none"] if thinks else ["auto", "none", "required", "tool"]
            kind = draw(st.none() | st.sampled_from(kinds))
            if kind is not None:
                choice = ToolChoice(kind, tools[0].name if kind == "tool" else "")
            if not self.messages or kind not in (None, "none"):
                parallel = draw(st.none() | st.booleans())
        numbers = st.floats(0, 1) if self.messages else st.floats(0, 2)
        temperature = None if thinks else draw(st.none() | numbers)
        single = self.messages and (thinks or temperature is not None)
        longest = st.integers(5000, 100_000)
        return Conversation(
            model="acme/model",
            messages=messages,
            system=draw(st.just(()) | self.texts(1 if self.responses else 3)),
            tools=tools,
            tool_choice=choice,
            parallel_tool_calls=parallel,
            max_output_tokens=draw(longest if self.messages else st.none() | longest),
            temperature=temperature,
            top_p=None if single else draw(st.none() | st.floats(0, 1)),
            top_k=None if thinks else draw(st.none() | st.integers(1, 100)),
            stop=() if self.responses else tuple(draw(st.lists(words, max_size=3))),
            reasoning=reasoning,
            format=draw(self.format()),
            user=draw(st.just("") | names),
            stream=draw(st.booleans()),
            wire=self.wires[0],
        )

    def conversations(self) -> st.SearchStrategy[Conversation]:
        return _Sayings._conversations(self)
