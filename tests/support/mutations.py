"""Valid JSON made hostile: any node replaced by what does not belong there, down to the very bytes."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

Path = tuple[str | int, ...]

_MARK = "\ue000HERE\ue000"  # stands where raw text goes; in no sample
_MARK_JSON = json.dumps(_MARK)

# What a node is replaced by, as JSON text: the last ones are no JSON, or not UTF-8, at all.
REPLACEMENTS: dict[str, str] = {
    "null": "null",
    "true": "true",
    "false": "false",
    "zero": "0",
    "minus": "-1",
    "fraction": "1.5",
    "huge": "9" * 30,
    "huger": "9" * 5000,
    "big int": str(2**63),
    "exponent": "1e400",
    "empty text": '""',
    "text": '"zzz"',
    "null byte": '"\\u0000"',
    "lone surrogate": '"\\ud800"',
    "swapped surrogates": '"\\udc00\\ud800"',
    "line breaks": '"a\\r\\n\\r\\ndata: b\\n\\nevent: c"',
    "list": "[]",
    "object": "{}",
    "list of null": "[null]",
    "list of lists": "[[[]]]",
    "list of text": '["zzz"]',
    "list of objects": "[{}]",
    "object of itself": '{"type":{"type":null}}',
    "typed object": '{"type":"zzz"}',
    "twice the same key": '{"type":"text","type":null,"text":1,"text":"a"}',
    "nested lists": "[" * 600 + "]" * 600,
    "nested objects": '{"a":' * 600 + "1" + "}" * 600,
    "nested deeper": "[" * 20000 + "]" * 20000,
    "NaN": "NaN",
    "Infinity": "-Infinity",
    "nothing": "",
    "half": '{"a":',
    "raw control": '"\x01"',
    "not UTF-8": '"\udcff\udcfe"',
}
LONG = '"' + "x" * 1_000_000 + '"'


def paths(value: Any, here: Path = ()) -> Iterator[Path]:
    """Where every node of ``value`` stands, ``()`` first."""
    yield here
    if isinstance(value, dict):
        for key, each in value.items():
            yield from paths(each, (*here, key))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from paths(each, (*here, index))


def at(value: Any, path: Path) -> Any:
    """The node at ``path``."""
    for step in path:
        value = value[step]
    return value


def replaced(value: Any, path: Path, text: str) -> bytes:
    """``value`` as JSON with ``text`` in place of the node at ``path``."""
    if not path:
        return encoded(text)
    parent = at(value, path[:-1])
    kept, parent[path[-1]] = parent[path[-1]], _MARK
    try:
        return encoded(json.dumps(value).replace(_MARK_JSON, text))
    finally:  # a copy of a large value would cost more than all else here
        parent[path[-1]] = kept


def without(value: Any, path: Path) -> bytes:
    """``value`` as JSON without the node at ``path``, which is not the root."""
    changed = copy.deepcopy(value)
    del at(changed, path[:-1])[path[-1]]
    return json.dumps(changed).encode()


def doubled(value: Any, path: Path, text: str = "null") -> bytes:
    """``value`` as JSON with the key at the end of ``path`` twice: first as it is, then with ``text``."""
    parent = at(value, path[:-1])
    assert isinstance(parent, dict)
    whole = json.dumps(parent)
    inner = f"{whole[:-1]}, {json.dumps(path[-1])}: {text}}}"
    return replaced(value, path[:-1], inner)


def encoded(text: str) -> bytes:
    """The bytes of ``text``, in which lone surrogates stand for bytes that are not UTF-8."""
    return text.encode("utf-8", "surrogateescape")
