"""What is asked for: the figures of a built-in schema, or the leaves of the user's own JSON schema.

Each leaf is asked for as an object with its value, the page it stands on and the row that it was read from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from tokenworks.batches.recipes.extract.figures import SCALES
from tokenworks.batches.recipes.extract.vocabulary import Kind
from tokenworks.batches.recipes.extract.wording import fit, words_of
from tokenworks.errors import BadRequest
from tokenworks.routing.checks.validation import resolve

DEEPEST = 16  # levels of the user's schema, also by reference
MOST = 200  # leaves
LARGEST_BYTES = 1_000_000
_KEPT = ("enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
         "pattern", "minLength", "maxLength", "format")  # fmt: skip
_YEAR = re.compile(r"(?<!\d)((?:19|20)\d\d)(?!\d)")


class Leaf(msgspec.Struct, frozen=True):
    """One thing that is asked for. ``name``: path of names with dots, "[]" for any item of an array."""

    name: str
    type: str  # "number", "string" or "boolean"
    description: str = ""
    unit: str = ""  # "currency", "per share"; empty where the schema doesn't say
    labels: tuple[str, ...] = ()  # other words for it, of "x-labels"
    year: int | None = None  # where its name says one
    column: int | None = None  # of "x-column": which figure of its row, 1 for the first, -1 for the last
    required: bool = False

    def words(self) -> set[str]:
        """Words of its name, as ``words_of`` has them."""
        return set(words_of(self.name.replace("[]", "").rsplit(".", 1)[-1]))

    def fit(self, heading: str, label: str) -> float:
        """0 to 1: how well a row's label, under its heading, fits; both as of ``figures.plain``."""
        return fit(self.words(), self.labels, self.description, heading, label)


def of_kind(kind: Kind) -> tuple[list[Leaf], dict[str, Any]]:
    """(leaves, JSON schema of the answer) of a built-in schema."""
    leaves = [Leaf(f.name, "number", f.description, f.unit, required=f.required) for f in kind.field]
    properties = {leaf.name: _cited({"type": "number"}, leaf) for leaf in leaves}
    return leaves, _object(properties)


def of_schema(schema: Mapping[str, Any]) -> tuple[list[Leaf], dict[str, Any]]:
    """As ``of_kind``, of a user's schema. Raises ``BadRequest`` for one that can't be asked for."""
    made = _Made(schema)
    answer = made.changed(schema, "", 0, False)
    if answer.get("x-leaf"):
        raise BadRequest("the schema must be of an object with properties")
    if not made.leaves:
        raise BadRequest("the schema asks for nothing; give it properties")
    if answer.get("type") == "array":
        raise BadRequest('the schema is an array; put it into an object, such as {"items": […]}')
    return made.leaves, answer


def read_schema(file: Path) -> dict[str, Any]:
    """The JSON schema in ``file``. Raises ``BadRequest`` with what is wrong with it."""
    try:
        if file.stat().st_size > LARGEST_BYTES:
            raise BadRequest(f"{file}: the schema is larger than {LARGEST_BYTES:,} bytes")
        found = json.loads(file.read_bytes())
    except OSError as error:
        raise BadRequest(f"{file}: the schema can't be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"{file}: the schema is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise BadRequest(f"{file}: a JSON schema is an object")
    return found


def cited(
    answer: Any, schema: Mapping[str, Any], path: str = "", name: str = ""
) -> Iterator[tuple[str, str, Any]]:
    """(path, leaf's name, citation) of every leaf that ``answer`` of ``schema`` holds, in its order."""
    if schema.get("x-leaf"):
        yield path, name, answer
    elif schema.get("type") == "array":
        for i, item in enumerate(answer if isinstance(answer, list) else []):
            yield from cited(item, schema["items"], f"{path}[{i}]", f"{name}[]")
    else:
        for key, inside in schema["properties"].items():
            value = answer.get(key) if isinstance(answer, dict) else None
            yield from cited(value, inside, f"{path}.{key}".lstrip("."), f"{name}.{key}".lstrip("."))


def asked(schema: Any) -> Any:
    """The answer's schema as models get it: without our own marks."""
    if isinstance(schema, dict):
        return {key: asked(value) for key, value in schema.items() if key != "x-leaf"}
    return [asked(item) for item in schema] if isinstance(schema, list) else schema


class _Made:
    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self.leaves: list[Leaf] = []

    def changed(self, schema: Any, name: str, depth: int, required: bool) -> dict[str, Any]:
        """``schema`` with citations for leaves; notes the leaves."""
        if depth > DEEPEST:
            raise BadRequest(f"the schema is deeper than {DEEPEST} levels at {name!r}, or refers to itself")
        if not isinstance(schema, Mapping):
            raise BadRequest(f"the schema of {name!r} must be an object")
        schema = self._single(schema, name)
        if isinstance(properties := schema.get("properties"), Mapping):
            needed = schema.get("required") or ()
            return _object({
                key: self.changed(inside, f"{name}.{key}".lstrip("."), depth + 1, key in needed)
                for key, inside in properties.items()
            })  # fmt: skip
        if isinstance(items := schema.get("items"), Mapping):
            made = {"type": "array", "items": self.changed(items, f"{name}[]", depth + 1, False)}
            return made | {k: schema[k] for k in ("minItems", "maxItems", "description") if k in schema}
        return self._leaf(schema, name, required)

    def _single(self, schema: Mapping[str, Any], name: str) -> Mapping[str, Any]:
        """References followed, and the one form that is not null."""
        for _ in range(DEEPEST):
            if isinstance(ref := schema.get("$ref"), str):
                found, target = resolve(self._root, ref)
                if not found or not isinstance(target, Mapping):
                    raise BadRequest(f"the schema of {name!r} refers to {ref}, which is not in the file")
                schema = {**target, **{k: v for k, v in schema.items() if k != "$ref"}}
                continue
            forms = schema.get("anyOf") or schema.get("oneOf")
            real = [f for f in forms or () if isinstance(f, Mapping) and f.get("type") != "null"]
            if len(real) != 1:
                return schema
            schema = {**real[0], **{k: v for k, v in schema.items() if k not in ("anyOf", "oneOf")}}
        raise BadRequest(f"the schema of {name!r} refers to itself")

    def _leaf(self, schema: Mapping[str, Any], name: str, required: bool) -> dict[str, Any]:
        types = schema.get("type", "string")
        first = next((t for t in (types if isinstance(types, list) else [types]) if t != "null"), "string")
        if first in ("object", "array"):
            lacks = "properties" if first == "object" else "items"
            raise BadRequest(f"the schema of {name!r} is an {first} without {lacks}; name them")
        described = str(schema.get("description") or schema.get("title") or "")
        year = _YEAR.search(name)
        labels = schema.get("x-labels") or ()
        if not isinstance(labels, list | tuple):
            raise BadRequest(f"x-labels of {name!r} must be a list of texts")
        column = schema.get("x-column")
        if column is not None and (type(column) is not int or not 0 < abs(column) < 100):
            raise BadRequest(f"x-column of {name!r} must be 1 for the first figure of a row, -1 for the last")
        leaf = Leaf(
            name,
            "number" if first in ("number", "integer") else "boolean" if first == "boolean" else "string",
            described,
            str(schema.get("x-unit") or ""),
            tuple(map(str, labels)),
            int(year[1]) if year else None,
            column,
            required,
        )
        self.leaves.append(leaf)
        if len(self.leaves) > MOST:
            raise BadRequest(f"the schema asks for more than {MOST} things; split it")
        return _cited({"type": first} | {k: schema[k] for k in _KEPT if k in schema}, leaf)


def _cited(value: dict[str, Any], leaf: Leaf) -> dict[str, Any]:
    """An object with the value, null where the document doesn't say it, and where it stands."""
    open_ = dict(value) | {"type": [value["type"], "null"]}
    if "enum" in open_ and None not in open_["enum"]:
        open_["enum"] = [*open_["enum"], None]
    if "const" in open_:
        open_["enum"] = [open_.pop("const"), None]
    properties: dict[str, Any] = {"value": open_}
    if leaf.type == "number":
        properties["scale"] = {"type": "string", "enum": list(SCALES)}
    properties |= {"page": {"type": ["integer", "null"]}, "quote": {"type": ["string", "null"]}}
    made = _object(properties) | {"x-leaf": True}
    return made | ({"description": leaf.description} if leaf.description else {})


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
