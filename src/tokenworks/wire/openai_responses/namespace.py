"""Tools grouped under a name: other wires know one flat list, so both names are made into one."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b

import msgspec

from tokenworks.wire.peek import MALFORMED, Fields

LONGEST = 64  # characters of a function's name
_MARK = 8  # of them, for what tells cut names apart


class _Tool(msgspec.Struct, gc=False):
    type: str = ""
    name: str = ""
    tools: list[_Tool] = []


_decode = msgspec.json.Decoder(list[_Tool] | None).decode


def joined(namespace: str, name: str) -> str:
    """The one name of the tool ``name`` in ``namespace``."""
    whole = f"{namespace}__{name}"
    if len(whole) <= LONGEST:
        return whole
    mark = blake2b(whole.encode("utf-8", "surrogatepass"), digest_size=_MARK // 2).hexdigest()
    return f"{whole[: LONGEST - _MARK - 1]}_{mark}"


def namespaces_in(fields: Fields) -> Mapping[str, tuple[str, str]]:
    """For the one name of each of the caller's grouped tools its namespace and its name there."""
    given = fields.get("tools")
    if given is None or b'"namespace"' not in bytes(given):
        return {}
    try:
        groups = [tool for tool in _decode(given) or () if tool.type == "namespace"]
    except MALFORMED:
        return {}
    return {joined(g.name, tool.name): (g.name, tool.name) for g in groups for tool in g.tools}
