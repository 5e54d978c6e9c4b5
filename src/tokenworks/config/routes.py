"""``[[route]]``: the rules that decide for ``auto`` before anything is predicted, read and checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from tokenworks.config.auto import RouteSettings, RouteUse, RouteWhen
from tokenworks.config.check import Source, describe, unknown
from tokenworks.config.glob import bad_glob, is_glob
from tokenworks.config.lines import KeyPath
from tokenworks.errors import ConfigError

TABLE = "route"
MAX_ROUTES = 1000
MAX_PATTERNS = 200  # of one condition, and models of one rule
MAX_NAME = 100
MAX_TOKENS = 1_000_000_000
MAX_COST_USD = 1_000_000.0

_TEXTS = ("task", "key", "team", "app", "model", "language", "session")
_TOKENS = ("min_input_tokens", "max_input_tokens")
_FLAGS = ("tools", "images", "schema", "stream")
_WHEN = (*_TEXTS, *_TOKENS, *_FLAGS)
_USE = RouteUse.__struct_fields__
_NOT = "not"
_TEXT = 'text in quotes or a list of texts ("..." or ["...", "..."])'


def routes(source: Source) -> tuple[RouteSettings, ...]:
    """All ``[[route]]`` of a file, in its order. ``ConfigError`` names line and fix of what is refused."""
    value = source.content.get(TABLE, [])
    if not isinstance(value, list):
        raise source.refuse((TABLE,), f"must be an array of tables ([[{TABLE}]]), not {describe(value)}")
    if len(value) > MAX_ROUTES:
        raise source.refuse((TABLE, MAX_ROUTES), f"{MAX_ROUTES} rules at most; join some with lists")
    found = tuple(_route(source, (TABLE, at), each, at + 1) for at, each in enumerate(value))
    seen: set[str] = set()
    for at, each in enumerate(found):
        if each.name in seen:
            raise source.refuse((TABLE, at), "name is that of a rule above; give each its own", at="name")
        seen.add(each.name)
    return found


def _route(source: Source, path: KeyPath, value: object, number: int) -> RouteSettings:
    table = source.table(value, path)
    for key in table:
        if key not in ("name", "when", "use"):
            raise source.refuse(path, unknown(key, ("name", "when", "use")), at=key)
    if "use" not in table:
        raise source.refuse(path, 'use is missing; add use = "author/slug"')
    name = table.get("name", f"{TABLE} {number}")
    if not isinstance(name, str):
        raise source.refuse(path, f"name must be text in quotes, not {describe(name)}", at="name")
    if not name.strip() or not name.isprintable() or len(name) > MAX_NAME:
        raise source.refuse(path, f"name must be 1 to {MAX_NAME} printable characters", at="name")
    when = _when(source, (*path, "when"), table.get("when", {}))
    return RouteSettings(name, when, _use(source, (*path, "use"), table["use"]))


# --- when --------------------------------------------------------------------------------------


def _when(source: Source, path: KeyPath, value: object) -> RouteWhen:
    table = _inline(source, path, value, 'when = { task = "code" }')
    conditions = {key: content for key, content in table.items() if key != _NOT}
    found = _conditions(source, path, conditions, (*_WHEN, _NOT))
    if _NOT not in table:
        return found
    inner = (*path, _NOT)
    refused = _inline(source, inner, table[_NOT], 'not = { task = "code" }')
    if not refused:
        raise source.refuse(path, 'not is empty; add a condition, as in not = { task = "code" }', at=_NOT)
    if "model" in refused and "model" not in table:
        raise source.refuse(
            inner, 'model needs one beside not, as in when = { model = "*", not = { ... } }', at="model"
        )
    return msgspec.structs.replace(found, not_=_conditions(source, inner, refused, _WHEN))


def _conditions(source: Source, path: KeyPath, table: Mapping[str, Any], known: tuple[str, ...]) -> RouteWhen:
    found: dict[str, Any] = {}
    for key, content in table.items():
        if key not in _WHEN:
            raise source.refuse(path, unknown(key, known, "condition"), at=key)
        if key in _FLAGS or (key == "session" and isinstance(content, bool)):
            if not isinstance(content, bool):
                raise source.refuse(path, f"{key} must be true or false, not {describe(content)}", at=key)
            found[key] = content
        elif key in _TOKENS:
            found[key] = _tokens(source, path, key, content)
        else:
            found[key] = _texts(source, path, key, content)
    least, most = (found.get(key) for key in _TOKENS)
    if least is not None and most is not None and least > most:
        raise source.refuse(path, "max_input_tokens must not be below min_input_tokens", at=_TOKENS[1])
    return RouteWhen(**found)


def _tokens(source: Source, path: KeyPath, key: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise source.refuse(path, f"{key} must be a whole number, not {describe(value)}", at=key)
    if not 0 <= value <= MAX_TOKENS:
        raise source.refuse(path, f"{key} must be from 0 to {MAX_TOKENS}", at=key)
    return value


# --- use ---------------------------------------------------------------------------------------


def _use(source: Source, path: KeyPath, value: object) -> RouteUse:
    """A model, a list of models, or a table with ``models`` and what else holds for such requests."""
    if not isinstance(value, dict):
        return RouteUse(models=_texts(source, path[:-1], "use", value, " or a table ({ quality = 0.9 })"))
    if not value:
        raise source.refuse(path[:-1], 'use is empty; add models = ["author/slug"]', at="use")
    found: dict[str, Any] = {}
    for key, content in value.items():
        if key not in _USE:
            raise source.refuse(path, unknown(key, _USE), at=key)
        if key == "models":
            found[key] = _texts(source, path, key, content)
        elif key == "quality":
            found[key] = _number(source, path, key, content, 1)
        elif key == "max_cost_usd":
            found[key] = _number(source, path, key, content, MAX_COST_USD)
        elif key == "cascade":
            if not isinstance(content, bool):
                raise source.refuse(path, f"{key} must be true or false, not {describe(content)}", at=key)
            found[key] = content
        else:
            found[key] = _model(source, path, key, content)
    return RouteUse(**found)


def _number(source: Source, path: KeyPath, key: str, value: object, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise source.refuse(path, f"{key} must be a number, not {describe(value)}", at=key)
    if not (math.isfinite(value) and 0 <= value <= most):
        raise source.refuse(path, f"{key} must be from 0 to {most:.0f}", at=key)
    return float(value)


def _model(source: Source, path: KeyPath, key: str, value: object) -> str:
    if not isinstance(value, str):
        raise source.refuse(path, f"{key} must be text in quotes, not {describe(value)}", at=key)
    if is_glob(value) or bad_glob(value):
        raise source.refuse(path, f'{key} must name one model such as "author/slug"', at=key)
    return value


# --- both --------------------------------------------------------------------------------------


def _inline(source: Source, path: KeyPath, value: object, example: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise source.refuse(path, f"must be a table ({example}), not {describe(value)}")
    return value


def _texts(source: Source, path: KeyPath, key: str, value: object, more: str = "") -> tuple[str, ...]:
    """One text or a list of them, each a glob."""
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list):
        raise source.refuse(path, f"{key} must be {_TEXT}{more}, not {describe(value)}", at=key)
    if not texts or len(texts) > MAX_PATTERNS:
        raise source.refuse(path, f"{key} must list 1 to {MAX_PATTERNS} texts", at=key)
    return tuple(_glob(source, path, key, text) for text in texts)


def _glob(source: Source, path: KeyPath, key: str, text: object) -> str:
    if not isinstance(text, str):
        raise _refuse_text(source, path, key, f"must hold texts only, not {describe(text)}")
    if complaint := bad_glob(text):
        raise _refuse_text(source, path, key, complaint)
    return text


def _refuse_text(source: Source, path: KeyPath, key: str, complaint: str) -> ConfigError:
    return source.refuse(path, f"{key} {complaint}", at=key)
