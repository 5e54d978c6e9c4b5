"""What the conversation of one request says, in the same words for three wires.

Made for decisions that are taken before a request goes out: who is asked how (the difficulty of what was
said last) and how an agent's work goes (what its tools answered). It is read from the newest end, long
texts are cut, and what need not be known stays undecoded, so that 200 KB cost a fraction of a millisecond.
Odd shapes are passed over: a malformed conversation is the provider's to refuse.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

import msgspec

from tokenworks.wire.loose import (
    NOTHING,
    Block,
    Item,
    arguments_of,
    calls_of,
    content_of,
    items_of,
    result_text,
    texts_of,
    value_of,
    word_of,
    words_of,
)
from tokenworks.wire.peek import Fields

RESULTS = 24  # of the newest are kept

_RESULT_ITEMS = frozenset(
    (
        "function_call_output",
        "custom_tool_call_output",
        "local_shell_call_output",
        "shell_call_output",
        "apply_patch_call_output",
        "mcp_call",
    )
)
_CALL_ITEMS = frozenset(
    ("function_call", "custom_tool_call", "local_shell_call", "shell_call", "apply_patch_call")
)
_IMAGES = frozenset(("image", "image_url", "input_image"))
# What agents put into the user's mouth: reminders, the surroundings, project rules.
_ASIDE = re.compile(
    r"<(system-reminder|environment_context|user_instructions|environment_details|local-command-stdout"
    r"|command-name|command-message)>.*?(?:</\1>|\Z)",
    re.DOTALL,
)
_RULES = "# AGENTS.md instructions"
_COMPACTED = (
    "This session is being continued from a previous conversation",
    "Another language model started to solve this problem",
    "<conversation_summary>",
    "<summary>",
    "The conversation history before this point was compacted",
)
# A block of the system prompt that some agents change with every request.
_CHANGING = "x-anthropic-billing-header"


class ToolResult(msgspec.Struct, frozen=True, gc=False):
    """What a tool answered. ``arguments`` are the call's, as JSON text; cut in the middle where long.

    ``failed`` is what the wire itself says; None: it says nothing. ``turn`` numbers the model's turns from
    the oldest kept one on: the results of parallel calls share it. ``spoken`` is True where a person said
    something since the result before.
    """

    tool: str
    arguments: str
    text: str
    failed: bool | None = None
    turn: int = 0
    spoken: bool = False


class History(msgspec.Struct, frozen=True, gc=False):
    """One request's conversation. ``user`` is the last thing a person said (no tool's result, no picture).

    ``results`` are the newest ones, the oldest first. ``turns`` counts the model's turns so far. ``tools``:
    there are tools to call; ``tool_choice`` is "", "auto", "none", "required" or "tool". ``after_tool``: the
    last message is a tool's result. ``images`` counts pictures in the messages that were read (the newest
    ones and the first). ``compacted``: it goes on from a summary of itself. ``prefix`` digests how the
    conversation began, the same from turn to turn; empty where nobody has spoken.
    """

    system: str = ""
    user: str = ""
    turns: int = 0
    results: tuple[ToolResult, ...] = ()
    tools: bool = False
    tool_choice: str = ""
    after_tool: bool = False
    images: int = 0
    compacted: bool = False
    prefix: bytes = b""


def read(wire: str, fields: Fields) -> History:
    """What the conversation in ``fields`` says; ``wire`` is ``pairs.CHAT``, ``MESSAGES`` or ``RESPONSES``.

    Never raises: what can't be understood is as if it weren't there.
    """
    items = items_of(fields.get("input" if wire == "openai_responses" else "messages", NOTHING))
    walk = _Walk(items)
    instructions = [_system_text(fields[key]) for key in ("system", "instructions") if key in fields]
    choice = fields.get("tool_choice")
    return History(
        system="\n".join(filter(None, (*instructions, *_system_messages(items)))),
        user=walk.user,
        turns=_turns(items),
        results=walk.results(),
        tools=len(bytes(fields.get("tools", b""))) > len(b"null"),
        tool_choice=_choice(choice) if choice is not None else "",
        after_tool=walk.after_tool,
        images=walk.images,
        compacted=walk.compacted or _compacted_before(items),
        prefix=_prefix(instructions, items),
    )


def _choice(value: msgspec.Raw) -> str:
    choice = value_of(value)
    kind = choice.get("type") if isinstance(choice, dict) else choice
    if kind in ("auto", "none", "required"):
        return str(kind)
    if kind == "any":
        return "required"
    return "tool" if kind else ""


# --- who speaks -------------------------------------------------------------------------------


def _brings_result(block: Block) -> bool:
    return isinstance(block.type, str) and block.type.endswith("tool_result")


def _is_models(item: Item) -> bool:
    return item.role == "assistant" or (
        item.role is None and isinstance(item.type, str) and not item.type.endswith("_output")
    )


def _turns(items: list[Item]) -> int:
    """How often the model spoke. Written out, for it looks at every message."""
    turns, before = 0, False
    for item in items:
        role, kind = item.role, item.type
        now = role == "assistant" or (role is None and kind.__class__ is str and kind[-7:] != "_output")
        turns += now and not before
        before = now
    return turns


def _system_text(value: msgspec.Raw) -> str:
    content = content_of(value)
    if isinstance(content, str):
        return content
    texts = [block.text for block in content if isinstance(block.text, str)]
    return "\n".join(text for text in texts if not text.startswith(_CHANGING))


def _system_messages(items: Iterable[Item]) -> Iterable[str]:
    """Of how the conversation begins; what is told in the middle is no system prompt."""
    for item in items:
        if item.role not in ("system", "developer"):
            return
        yield _system_text(item.content)


def _said(text: str) -> str:
    """What a person said of a user message's ``text``: without what their agent put in."""
    if text.startswith(_RULES):
        return ""
    return _ASIDE.sub("", text).strip() if "<" in text else text.strip()


def _is_summary(text: str) -> bool:
    return text.lstrip()[:200].startswith(_COMPACTED)


def _compacted_before(items: list[Item]) -> bool:
    for item in items[:6]:
        if item.type in ("compaction", "compaction_summary"):
            return True
        if item.role == "user" and _is_summary(_said(texts_of(content_of(item.content)))):
            return True
    return False


def _prefix(instructions: list[str], items: list[Item]) -> bytes:
    """A digest of the system prompt and all up to the first thing a person said.

    Of texts only, so that neither the order of keys nor a mark for caches changes it.
    """
    digest = hashlib.blake2b(digest_size=12)
    for text in instructions:
        digest.update(text.encode("utf-8", "replace") + b"\0")
    spoken = False
    for item in items:
        if item.role in ("system", "developer"):
            digest.update(_system_text(item.content).encode("utf-8", "replace") + b"\0")
        elif item.role == "user":
            spoken = True
            text = texts_of(content_of(item.content))
            said = _said(text)
            digest.update((said or text).encode("utf-8", "replace") + b"\1")
            if said:
                break
        elif spoken:
            break
    return digest.digest() if spoken else b""


# --- from the newest end ----------------------------------------------------------------------


class _Found:
    """A result whose call has not been come by yet."""

    __slots__ = ("arguments", "failed", "spoken", "text", "tool", "turn")

    def __init__(self, tool: str, arguments: str, text: str, failed: bool | None, turn: int) -> None:
        self.tool, self.arguments, self.text, self.failed, self.turn = tool, arguments, text, failed, turn
        self.spoken = False


class _Walk:
    """Goes back from the last item, until all is known that is asked for."""

    def __init__(self, items: list[Item]) -> None:
        self.user = ""
        self.images = 0
        self.compacted = False
        self.after_tool = False
        self._found: list[_Found] = []  # the newest first
        self._waiting: dict[str, _Found] = {}
        self._turn = 0
        self._summary = ""
        at = len(items)
        while at and not (len(self._found) >= RESULTS and not self._waiting):
            at -= 1
            self._take(items[at])
        while at and not self.user:  # nothing else is missing
            at -= 1
            if items[at].role == "user":
                self._hear(_said(words_of(items[at].content)))
        self.user = self.user or self._summary

    def results(self) -> tuple[ToolResult, ...]:
        """What was found, the oldest first."""
        last = self._found[-1].turn if self._found else 0
        return tuple(
            ToolResult(one.tool, one.arguments, one.text, one.failed, last - one.turn, one.spoken)
            for one in reversed(self._found)
        )

    def _take(self, item: Item) -> None:
        kind, role = word_of(item.type), item.role
        if role == "assistant":
            self._model(item, kind)
        elif role == "user":
            self._user(item)
        elif role in ("tool", "function"):
            self._result(word_of(item.tool_call_id), item.content, None, word_of(item.name))
        elif kind in _RESULT_ITEMS:
            self._output(item, kind)
        elif _is_models(item):
            self._model(item, kind)

    def _hear(self, said: str) -> None:
        """What a person said before what was found so far."""
        if not said:
            return
        if _is_summary(said):
            self.compacted, self._summary = True, self._summary or said
            return
        if self._found:
            self._found[-1].spoken = True
        self.user = self.user or said

    def _user(self, item: Item) -> None:
        content = content_of(item.content)
        if isinstance(content, str):
            self._hear(_said(content))
            return
        self._hear(_said(texts_of(content)))  # what is said beside results is said after them
        for block in reversed(content):
            if _brings_result(block):
                failed = block.is_error if isinstance(block.is_error, bool) else None
                self._result(word_of(block.tool_use_id), block.content, failed)
            elif word_of(block.type) in _IMAGES:
                self.images += 1

    def _output(self, item: Item, kind: str) -> None:
        failed = None
        if kind == "apply_patch_call_output":
            failed = {"failed": True, "completed": False}.get(word_of(item.status))
        if kind == "mcp_call":  # a call and its result in one
            wrong = bytes(item.error) != b"null"
            value, failed = (item.error, True) if wrong else (item.output, None)
            self._result("", value, failed, word_of(item.name), item.arguments)
            self._turn += 1
            return
        self._result(word_of(item.call_id) or word_of(item.id), item.output, failed)

    def _result(
        self,
        key: str,
        value: msgspec.Raw,
        failed: bool | None,
        tool: str = "",
        arguments: msgspec.Raw = NOTHING,
    ) -> None:
        if len(self._found) >= RESULTS:
            return
        one = _Found(tool, arguments_of(arguments), result_text(value), failed, self._turn)
        self.after_tool = self.after_tool or not (self._found or self.user)
        self._found.append(one)
        if key:
            self._waiting[key] = one

    def _model(self, item: Item, kind: str) -> None:
        if self._found and self._found[-1].turn == self._turn:
            self._turn += 1
        if not self._waiting:
            return
        if kind in _CALL_ITEMS:
            given = (item.arguments, item.input, item.action, item.operation)
            value = next((one for one in given if one is not NOTHING), NOTHING)
            self._call(word_of(item.call_id) or word_of(item.id), word_of(item.name) or kind, value)
        elif item.tool_calls is not NOTHING:
            for call in calls_of(item.tool_calls):
                function = call.function or call.custom
                if function is not None:
                    value = function.input if function.arguments is NOTHING else function.arguments
                    self._call(word_of(call.id), word_of(function.name), value)
        else:
            content = content_of(item.content)
            for block in content if isinstance(content, list) else ():
                if word_of(block.type).endswith("tool_use"):
                    self._call(word_of(block.id), word_of(block.name), block.input)

    def _call(self, key: str, tool: str, arguments: msgspec.Raw) -> None:
        one = self._waiting.pop(key, None)
        if one is not None:
            one.tool, one.arguments = tool or one.tool, arguments_of(arguments)
