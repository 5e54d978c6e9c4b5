"""What an answer becomes: one column of text, or the columns of a JSON schema."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from tokenworks.batches.recipes.recipe import Checked, Said
from tokenworks.batches.recipes.sizes import tokens_of
from tokenworks.batches.recipes.soundness import faults
from tokenworks.errors import BadRequest
from tokenworks.routing.checks import json_schema, validation

ERROR = "error"
_MOST = 2**63  # integers of tables have 64 bits
_TEXT_TOKENS, _FIELD_TOKENS = 200, 25  # what an answer comes to, guessed before any came
_NONE: dict[str, Any] = {}


def schema_of(text: str) -> dict[str, Any] | None:
    """The JSON schema in ``text``; None where there is none. Raises ``BadRequest`` where it has no fields."""
    if not text.strip():
        return None
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"schema: it isn't JSON ({error}); give a file with a JSON schema") from error
    fields = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(fields, dict) or not fields:
        raise BadRequest("schema: it needs “properties”; each of them becomes a column")
    return {"type": "object", **schema}


def added(column: str, schema: Mapping[str, Any] | None) -> list[str]:
    """The columns that answers fill."""
    return list(schema["properties"]) if schema else [column]


def error_column(there: list[str]) -> str:
    """The name of the column that says what failed: a free one."""
    names = (ERROR, *(f"{ERROR}_{number}" for number in range(2, len(there) + 3)))
    return next(name for name in names if name not in there)


def tokens_expected(schema: Mapping[str, Any] | None) -> int:
    """Output tokens of one answer, about."""
    return _FIELD_TOKENS * len(schema["properties"]) + 10 if schema else _TEXT_TOKENS


def instruction(system: str, schema: Mapping[str, Any] | None) -> str:
    """The system message; models that can't be held to a schema read it there."""
    if not schema:
        return system
    asked = (
        "Answer with one JSON object that fits this JSON schema, and with nothing else:\n"
        f"{json.dumps(schema, ensure_ascii=False, separators=(',', ':'))}"
    )
    return f"{system}\n\n{asked}" if system else asked


def checked(said: Said, prompt: str, schema: Mapping[str, Any] | None) -> Checked:
    """Text as it is, or the object that fits ``schema``."""
    wrong = faults(said, prompt, prose=schema is None)
    if schema is None:
        return Checked(said.text.strip(), tuple(wrong))
    if wrong:
        return Checked(None, tuple(wrong))
    try:
        value = json_schema.parse(said.text)
    except (ValueError, RecursionError) as error:
        return Checked(None, (f"no JSON: {str(error) or 'nested too deeply'}"[:300],))
    fault = validation.fault(value, dict(schema)) or _too_large(value, schema)
    # what doesn't fit is not kept: its fields can't be put into columns
    return Checked(None, (fault[:300],)) if fault else Checked(value)


def _too_large(value: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    for name in schema["properties"]:
        number = value.get(name)
        if isinstance(number, int) and not -_MOST <= number < _MOST:
            return f"$.{name}: a number of more than 64 bits"
    return ""


def cells(result: Checked | None, names: list[str], schema: Mapping[str, Any] | None) -> list[Any]:
    """The values for the added columns, then the error (empty: none)."""
    if result is None:
        return [*([None] * len(names)), "not answered"]
    if schema is None:
        return [result.value, "; ".join(result.problems)]
    value = result.value if isinstance(result.value, dict) else _NONE
    return [*(value.get(name) for name in names), "; ".join(result.problems)]


def kind_of(name: str, schema: Mapping[str, Any] | None) -> str:
    """ "string", "integer", "number", "boolean", or "json" for all that no plain column can hold."""
    if schema is None:
        return "string"
    rule = schema["properties"].get(name)
    wanted = rule.get("type") if isinstance(rule, dict) else None
    kinds = [kind for kind in (wanted if isinstance(wanted, list) else [wanted]) if kind != "null"]
    plain = ("string", "integer", "number", "boolean")
    return str(kinds[0]) if len(kinds) == 1 and kinds[0] in plain else "json"


def typed(value: Any, kind: str) -> Any:
    """``value`` for a column of this kind."""
    if value is None:
        return None
    if kind == "json":
        return msgspec.json.encode(value).decode()
    return {"integer": int, "number": float}.get(kind, lambda same: same)(value)


def fixed_tokens(system: str, schema: Mapping[str, Any] | None) -> int:
    """Input tokens that every row's request has besides its prompt."""
    return tokens_of(instruction(system, schema)) + 8
