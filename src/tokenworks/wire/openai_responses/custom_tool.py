"""Tools that take free text, as functions of one text: what other wires can say of them."""

from __future__ import annotations

import msgspec

from tokenworks.wire.conversation import Tool
from tokenworks.wire.openai_responses.namespace import joined
from tokenworks.wire.peek import MALFORMED, Fields, raw

INPUT = "input"  # the function's only parameter


class Grammar(msgspec.Struct, omit_defaults=True, gc=False):
    """What the text must look like: ``type`` is "text" (anything) or "grammar"."""

    type: str
    syntax: str | None = None
    definition: str | None = None


class _Input(msgspec.Struct, gc=False):
    input: str


class _Typed(msgspec.Struct, gc=False):
    type: str = ""
    name: str = ""
    tools: list[_Typed] = []  # of a namespace


_decode_input = msgspec.json.Decoder(_Input).decode
_decode_tools = msgspec.json.Decoder(list[_Typed] | None).decode


def as_function(name: str, description: str, grammar: Grammar | None) -> Tool:
    """The function that stands for a tool of free text."""
    meaning = "The whole input of the tool, as plain text."
    if grammar is not None and grammar.definition:
        meaning += f" It must follow this {grammar.syntax or ''} grammar:\n{grammar.definition}"
    parameters = {
        "type": "object",
        "properties": {INPUT: {"type": "string", "description": meaning}},
        "required": [INPUT],
        "additionalProperties": False,
    }
    return Tool(name, description, raw(parameters))


def arguments_of(text: str) -> str:
    """The arguments of that function for what the tool was given."""
    return bytes(raw(_Input(text))).decode()


def input_of(arguments: str) -> str:
    """What the tool is given when the model called that function; all it wrote where that is malformed."""
    try:
        return _decode_input(arguments).input
    except MALFORMED:
        return arguments


def names_in(fields: Fields) -> frozenset[str]:
    """Names of the caller's tools of free text, whose calls he expects as ``custom_tool_call``."""
    given = fields.get("tools")
    if given is None or b"custom" not in bytes(given):
        return frozenset()
    tools = _decode_tools(given) or ()
    grouped = [
        joined(group.name, tool.name) for group in tools for tool in group.tools if tool.type == "custom"
    ]
    return frozenset([*grouped, *(tool.name for tool in tools if tool.type == "custom")])
