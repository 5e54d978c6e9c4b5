"""JSON Schema for answers: the keywords that requests use, in time that nobody can blow up.

Of draft 2020-12: types, enum, const, numbers, texts, arrays, objects, allOf, anyOf, oneOf, not, if,
local $ref.
``format``, remote references and ``unevaluated…`` are not judged, so what they forbid passes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

DEEPEST = 64  # schemas within each other, also by reference
STEPS = 50_000  # schemas applied to values; a request that needs more is not judged further
LONGEST = 1_000  # characters that a pattern is tried on
# Patterns whose time may explode: a repeated group that repeats or chooses, or many open repetitions.
RISKY = re.compile(r"\((?:[^()\\]|\\.)*[+*|}](?:[^()\\]|\\.)*\)[+*{]|\)\)+[+*{]|\\[1-9]")
REPEATS = re.compile(r"(?<!\\)[+*]|\{\d*,\d*\}")
MANY = 3


class TooMuch(Exception):
    """The schema takes too many steps on this value."""


def fault(value: Any, schema: Any) -> str:
    """The first thing that is wrong with ``value``, with where it stands; empty where nothing is."""
    try:
        return _Validation(schema).apply(value, schema, "$", 0)
    except (TooMuch, RecursionError):
        return ""


class _Validation:
    def __init__(self, root: Any) -> None:
        self._root = root
        self._steps = 0

    def apply(self, value: Any, schema: Any, where: str, depth: int) -> str:
        self._steps += 1
        if depth > DEEPEST or self._steps > STEPS:
            raise TooMuch
        if schema is True or schema is None:
            return ""
        if schema is False:
            return f"{where}: nothing is allowed here"
        if not isinstance(schema, dict):
            return ""
        for judge in (_plain, self._combined, self._array, self._object):
            if wrong := judge(value, schema, where, depth + 1):
                return wrong
        return ""

    def _fits(self, value: Any, schema: Any, depth: int) -> bool:
        return not self.apply(value, schema, "", depth)

    def _combined(self, value: Any, schema: dict[str, Any], where: str, depth: int) -> str:
        if isinstance(ref := schema.get("$ref"), str):
            found, target = resolve(self._root, ref)
            if found and (wrong := self.apply(value, target, where, depth)):
                return wrong
        for part in schema.get("allOf") or ():
            if wrong := self.apply(value, part, where, depth):
                return wrong
        if (options := schema.get("anyOf")) and not any(self._fits(value, o, depth) for o in options):
            return f"{where}: none of the {len(options)} forms of anyOf"
        if options := schema.get("oneOf"):
            fits = sum(self._fits(value, o, depth) for o in options)
            if fits != 1:
                return f"{where}: {fits} forms of oneOf instead of one"
        if "not" in schema and self._fits(value, schema["not"], depth):
            return f"{where}: just what it must not be"
        if "if" in schema:
            branch = "then" if self._fits(value, schema["if"], depth) else "else"
            return self.apply(value, schema.get(branch), where, depth)
        return ""

    def _array(self, value: Any, schema: dict[str, Any], where: str, depth: int) -> str:
        if not isinstance(value, list):
            return ""
        if wrong := _bounds(len(value), schema, "Items", f"{where}: {len(value)} items"):
            return wrong
        if schema.get("uniqueItems") is True and any(
            equal(a, b) for i, a in enumerate(value) for b in value[:i][-200:]
        ):
            return f"{where}: items are not all different"
        heads = schema.get("prefixItems") or []
        for i, item in enumerate(value):
            rule = heads[i] if i < len(heads) else schema.get("items", True)
            if wrong := self.apply(item, rule, f"{where}[{i}]", depth):
                return wrong
        if "contains" in schema:
            has = sum(self._fits(item, schema["contains"], depth) for item in value)
            least, most = schema.get("minContains", 1), schema.get("maxContains", math.inf)
            if not least <= has <= most:
                return f"{where}: {has} items of the kind that it must contain"
        return ""

    def _object(self, value: Any, schema: dict[str, Any], where: str, depth: int) -> str:
        if not isinstance(value, dict):
            return ""
        for name in schema.get("required") or ():
            if name not in value:
                return f"{where}: “{name}” is missing"
        if wrong := _bounds(len(value), schema, "Properties", f"{where}: {len(value)} properties"):
            return wrong
        for name, needed in (schema.get("dependentRequired") or {}).items():
            if name in value and (lacking := [n for n in needed if n not in value]):
                return f"{where}: “{name}” needs “{lacking[0]}”"
        known = schema.get("properties") or {}
        matched = schema.get("patternProperties") or {}
        rest = schema.get("additionalProperties", True)
        for name, item in value.items():
            inside = f"{where}.{name}"
            if "propertyNames" in schema and not self._fits(name, schema["propertyNames"], depth):
                return f"{inside}: not a name that is allowed"
            rules = [known[name]] if name in known else []
            rules += [rule for pattern, rule in matched.items() if searched(pattern, name) is not False]
            for rule in rules or [rest]:
                if wrong := self.apply(item, rule, inside, depth):
                    return wrong if rules or rest is not False else f"{where}: “{name}” is not allowed"
        return ""


def _plain(value: Any, schema: dict[str, Any], where: str, depth: int) -> str:
    """Type, enum, const, and what numbers and texts must be."""
    wanted = schema.get("type")
    if wanted is not None:
        names = wanted if isinstance(wanted, list) else [wanted]
        if not any(is_type(value, name) for name in names):
            return f"{where}: {kind(value)} instead of {' or '.join(map(str, names))}"
    if "enum" in schema and not any(equal(value, option) for option in schema["enum"]):
        return f"{where}: none of the values of enum"
    if "const" in schema and not equal(value, schema["const"]):
        return f"{where}: not the one value of const"
    if isinstance(value, str):
        if wrong := _bounds(len(value), schema, "Length", f"{where}: {len(value)} characters"):
            return wrong
        if isinstance(pattern := schema.get("pattern"), str) and searched(pattern, value) is False:
            return f"{where}: not of the pattern {pattern}"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _number(value, schema, where)
    return ""


def _number(value: float, schema: dict[str, Any], where: str) -> str:
    tests: tuple[tuple[str, Callable[[float, float], bool]], ...] = (
        ("minimum", lambda a, b: a >= b),
        ("maximum", lambda a, b: a <= b),
        ("exclusiveMinimum", lambda a, b: a > b),
        ("exclusiveMaximum", lambda a, b: a < b),
        ("multipleOf", _multiple),
    )
    for name, holds in tests:
        bound = schema.get(name)
        if isinstance(bound, int | float) and not isinstance(bound, bool) and not holds(value, bound):
            return f"{where}: {value} breaks {name} {bound}"
    return ""


def _multiple(value: float, of: float) -> bool:
    if isinstance(value, int) and isinstance(of, int):
        return of == 0 or value % of == 0
    ratio = value / of if of else 0.0
    return math.isfinite(ratio) and ratio == round(ratio)


def _bounds(size: int, schema: dict[str, Any], what: str, said: str) -> str:
    least, most = schema.get(f"min{what}"), schema.get(f"max{what}")
    if isinstance(least, int | float) and size < least:
        return f"{said}, at least {least} wanted"
    if isinstance(most, int | float) and size > most:
        return f"{said}, at most {most} wanted"
    return ""


def is_type(value: Any, name: str) -> bool:
    """As JSON Schema sees it: 1.0 is an integer, true is no number. Unknown names fit everything."""
    if name == "integer":
        return (isinstance(value, int) and not isinstance(value, bool)) or (
            isinstance(value, float) and value.is_integer()
        )
    if name == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    plain = {"string": str, "boolean": bool, "array": list, "object": dict, "null": type(None)}
    return isinstance(value, plain[name]) if name in plain else True


def kind(value: Any) -> str:
    """The name of its type, for people."""
    for name in ("null", "boolean", "integer", "number", "string", "array", "object"):
        if is_type(value, name):
            return name
    return type(value).__name__


def equal(a: Any, b: Any) -> bool:
    """Equality of JSON: 1 is 1.0, but true is not 1."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    return bool(a == b)


@lru_cache(maxsize=256)
def compiled(pattern: str) -> re.Pattern[str] | None:
    """None for a pattern that Python doesn't know or that might take for ever."""
    if len(pattern) > LONGEST or RISKY.search(pattern) or len(REPEATS.findall(pattern)) > MANY:
        return None
    try:
        return re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return None


def searched(pattern: str, text: str) -> bool | None:
    """Does ``pattern`` occur in ``text``? None where that can't be told safely."""
    made = compiled(pattern)
    if made is None or len(text) > LONGEST:
        return None
    return made.search(text) is not None


def resolve(root: Any, ref: str) -> tuple[bool, Any]:
    """(found, schema) of a reference within the schema, "#/$defs/…"."""
    if ref == "#":
        return True, root
    if not ref.startswith("#/"):
        return False, None
    place = root
    for part in ref[2:].split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(place, dict) or key not in place:
            return False, None
        place = place[key]
    return True, place
