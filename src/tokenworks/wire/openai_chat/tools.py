"""The tools of a chat request."""

from __future__ import annotations

import msgspec

from tokenworks.errors import BadRequest
from tokenworks.wire.cache_control import CacheControl, mark, ttl_of
from tokenworks.wire.conversation import Tool, ToolChoice
from tokenworks.wire.parameters import ABSENT, said, schema
from tokenworks.wire.peek import Fields


class Function(msgspec.Struct, omit_defaults=True, gc=False):
    name: str
    description: str | None = None
    parameters: msgspec.Raw = ABSENT
    strict: bool | None = None


class ChatTool(msgspec.Struct, omit_defaults=True, gc=False):
    type: str
    function: Function | None = None
    cache_control: CacheControl | None = None


class Named(msgspec.Struct, gc=False):
    name: str


class Choice(msgspec.Struct, gc=False):
    type: str
    function: Named | None = None


_decode_tools = msgspec.json.Decoder(list[ChatTool] | None).decode
_decode_choice = msgspec.json.Decoder(str | Choice | None).decode
_KINDS = ("auto", "none", "required")


def read_tools(fields: Fields) -> tuple[Tool, ...]:
    """The functions in ``tools``. Raises BadRequest for tools of another type."""
    return tuple([_read_tool(tool) for tool in said(fields, "tools", _decode_tools) or ()])


def _read_tool(tool: ChatTool) -> Tool:
    function = tool.function
    if tool.type != "function" or function is None:
        raise BadRequest(f"'tools': type '{tool.type}' can't be said to the provider of this model")
    return Tool(
        function.name,
        function.description or "",
        schema(function.parameters),
        function.strict or None,
        ttl_of(tool.cache_control),
    )


def read_choice(fields: Fields) -> ToolChoice | None:
    """``tool_choice``. Raises BadRequest for one that other wires don't have."""
    choice = said(fields, "tool_choice", _decode_choice)
    if choice is None:
        return None
    if isinstance(choice, Choice):
        if choice.type == "function" and choice.function is not None:
            return ToolChoice("tool", choice.function.name)
        raise BadRequest(f"'tool_choice': type '{choice.type}' can't be said to the provider of this model")
    if choice in _KINDS:
        return ToolChoice(choice)
    raise BadRequest(f"'tool_choice' must be one of {', '.join(_KINDS)} or name a function")


def write_tools(tools: tuple[Tool, ...], marks: bool) -> list[ChatTool]:
    """``tools`` of a request; ``marks``: the provider knows ``cache_control``."""
    return [
        ChatTool(
            "function",
            Function(tool.name, tool.description or None, tool.parameters or ABSENT, tool.strict),
            mark(tool.cache_ttl) if marks else None,
        )
        for tool in tools
    ]


def write_choice(choice: ToolChoice) -> str | Choice:
    """``tool_choice`` of a request."""
    return Choice("function", Named(choice.name)) if choice.kind == "tool" else choice.kind
