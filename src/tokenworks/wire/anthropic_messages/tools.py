"""The tools of a request on the messages wire."""

from __future__ import annotations

import msgspec

from tokenworks.errors import BadRequest
from tokenworks.wire.cache_control import CacheControl, mark, ttl_of
from tokenworks.wire.conversation import Tool, ToolChoice
from tokenworks.wire.parameters import ABSENT, said, schema
from tokenworks.wire.peek import MALFORMED, Fields, raw


class MessagesTool(msgspec.Struct, omit_defaults=True, gc=False):
    name: str
    type: str | None = None
    description: str | None = None
    input_schema: msgspec.Raw = ABSENT
    strict: bool | None = None
    cache_control: CacheControl | None = None


class Choice(msgspec.Struct, omit_defaults=True, gc=False):
    type: str
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


_decode_tools = msgspec.json.Decoder(list[MessagesTool] | None).decode
_decode_choice = msgspec.json.Decoder(Choice | None).decode
_decode_object = msgspec.json.Decoder(Fields).decode
_KINDS = {"auto": "auto", "any": "required", "none": "none", "tool": "tool"}
_TYPES = {kind: type for type, kind in _KINDS.items()}
_EMPTY = msgspec.Raw(b'{"type":"object","properties":{}}')
_TYPED = (b'{"type":"object"', b'{"type": "object"')


def read_tools(fields: Fields) -> tuple[Tool, ...]:
    """The caller's own tools in ``tools``. Raises BadRequest for those that the maker runs or defines."""
    return tuple([_read_tool(tool) for tool in said(fields, "tools", _decode_tools) or ()])


def _read_tool(tool: MessagesTool) -> Tool:
    if tool.type not in (None, "custom"):
        raise BadRequest(
            f"'tools': type '{tool.type}' can't be said to the provider of this model; "
            "define a tool of your own"
        )
    return Tool(
        tool.name,
        tool.description or "",
        schema(tool.input_schema),
        tool.strict or None,
        ttl_of(tool.cache_control),
    )


def read_choice(fields: Fields) -> tuple[ToolChoice | None, bool | None]:
    """``tool_choice``, and whether tools may be called in parallel. Raises BadRequest."""
    choice = said(fields, "tool_choice", _decode_choice)
    if choice is None:
        return None, None
    kind = _KINDS.get(choice.type)
    if kind is None or (kind == "tool" and not choice.name):
        raise BadRequest(f"'tool_choice' must be of type {', '.join(_KINDS)}, the last with a name")
    single = choice.disable_parallel_tool_use
    return ToolChoice(kind, choice.name or ""), None if single is None else not single


def write_tools(tools: tuple[Tool, ...]) -> list[MessagesTool]:
    """``tools`` of a request."""
    return [
        MessagesTool(
            tool.name,
            description=tool.description or None,
            input_schema=_schema(tool.parameters),
            strict=tool.strict,
            cache_control=mark(tool.cache_ttl),
        )
        for tool in tools
    ]


def _schema(given: msgspec.Raw | None) -> msgspec.Raw:
    """A schema with the ``type`` that this wire demands at its top. Raises BadRequest for what is none."""
    if given is None:
        return _EMPTY
    data = bytes(given)
    if data.startswith(_TYPED):
        return given
    try:
        fields = _decode_object(data)
    except MALFORMED:
        raise BadRequest("'tools': the parameters of a function must be a JSON schema") from None
    if "type" in fields:
        return given
    return raw({"type": "object", **({} if fields else {"properties": {}}), **fields})


def write_choice(choice: ToolChoice | None, parallel: bool | None) -> Choice | None:
    """``tool_choice`` of a request; None where nothing need be said."""
    kind = "auto" if choice is None else choice.kind
    single = None if parallel is None or kind == "none" else not parallel
    if choice is None and not single:
        return None
    return Choice(_TYPES[kind], choice.name if choice is not None and kind == "tool" else None, single)
