"""The tools of a request on the responses wire."""

from __future__ import annotations

import msgspec

from tokenworks.errors import BadRequest
from tokenworks.wire.conversation import Tool, ToolChoice
from tokenworks.wire.openai_responses.custom_tool import Grammar, as_function
from tokenworks.wire.openai_responses.namespace import joined
from tokenworks.wire.parameters import ABSENT, said, schema
from tokenworks.wire.peek import Fields


class ResponsesTool(msgspec.Struct, omit_defaults=True, gc=False):
    type: str
    name: str | None = None
    description: str | None = None
    parameters: msgspec.Raw = ABSENT
    strict: bool | None = None
    format: Grammar | None = None
    tools: list[ResponsesTool] | None = None  # of a namespace


class Choice(msgspec.Struct, gc=False):
    type: str
    name: str | None = None


_decode_tools = msgspec.json.Decoder(list[ResponsesTool] | None).decode
_decode_choice = msgspec.json.Decoder(str | Choice | None).decode
_KINDS = ("auto", "none", "required")
_EMPTY = msgspec.Raw(b'{"type":"object","properties":{}}')


def read_tools(fields: Fields) -> tuple[tuple[Tool, ...], bool]:
    """The caller's own tools in ``tools``, and whether a web search beside them was left out.

    Agents offer the search of their usual provider with every request; without it they go on well.
    Raises BadRequest for any other tool that the provider would run.
    """
    given = said(fields, "tools", _decode_tools) or ()
    kept = [tool for tool in given if not tool.type.startswith("web_search")]
    if not kept:
        kept = [*given]
    own = [read for tool in kept for read in _read_tool(tool)]
    return tuple(own), len(kept) < len(given)


def _read_tool(tool: ResponsesTool, namespace: str = "") -> list[Tool]:
    if tool.type == "namespace" and tool.name and tool.tools is not None and not namespace:
        return [read for inner in tool.tools for read in _read_tool(inner, tool.name)]
    if not tool.name or tool.type not in ("function", "custom"):
        raise BadRequest(
            f"'tools': type '{tool.type}' can't be said to the provider of this model; switch it off or ask "
            "for a model whose provider has it"
        )
    name = joined(namespace, tool.name) if namespace else tool.name
    if tool.type == "custom":
        return [as_function(name, tool.description or "", tool.format)]
    return [Tool(name, tool.description or "", schema(tool.parameters), tool.strict or None)]


def read_choice(fields: Fields) -> ToolChoice | None:
    """``tool_choice``. Raises BadRequest for one that other wires don't have."""
    choice = said(fields, "tool_choice", _decode_choice)
    if choice is None:
        return None
    if isinstance(choice, Choice):
        if choice.type in ("function", "custom") and choice.name:
            return ToolChoice("tool", choice.name)
        raise BadRequest(f"'tool_choice': type '{choice.type}' can't be said to the provider of this model")
    if choice in _KINDS:
        return ToolChoice(choice)
    raise BadRequest(f"'tool_choice' must be one of {', '.join(_KINDS)} or name a function")


def write_tools(tools: tuple[Tool, ...]) -> list[ResponsesTool]:
    """``tools`` of a request. Here a schema is strict unless it is said not to be."""
    return [
        ResponsesTool(
            "function", tool.name, tool.description or None, tool.parameters or _EMPTY, bool(tool.strict)
        )
        for tool in tools
    ]


def write_choice(choice: ToolChoice) -> str | Choice:
    """``tool_choice`` of a request."""
    return Choice("function", choice.name) if choice.kind == "tool" else choice.kind
