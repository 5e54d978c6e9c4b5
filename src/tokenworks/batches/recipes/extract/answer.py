"""An answer in the model's words into JSON: fences, words around it and numbers as texts are forgiven."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tokenworks.routing.checks.json_schema import parse

LONGEST = 1_000_000  # characters


def parsed(text: str) -> Any:
    """The JSON value in ``text``. Raises ``ValueError`` with why there is none."""
    if len(text) > LONGEST:
        raise ValueError(f"longer than {LONGEST:,} characters")
    try:
        return parse(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except ValueError:
        start, end = text.find("{"), text.rfind("}")
        if not 0 <= start < end:
            raise
    try:
        return parse(text[start : end + 1])
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def straightened(answer: Any, schema: Mapping[str, Any]) -> Any:
    """``answer`` with what models often do otherwise than the schema put right, as far as it is clear.

    Numbers that came as texts ("1,234") become numbers; a leaf that is null becomes one without a value.
    """
    if schema.get("x-leaf"):
        blank: dict[str, Any] = dict.fromkeys(schema["properties"])
        if "scale" in blank:
            blank["scale"] = "one"
        if not isinstance(answer, dict):
            return blank if answer is None else answer
        kept = blank | answer
        if "scale" in schema["properties"]:
            kept["scale"] = _scale(kept["scale"])
            kept["value"] = _number(kept["value"])
        if isinstance(kept["page"], str) and kept["page"].isdigit() and len(kept["page"]) < 9:
            kept["page"] = int(kept["page"])
        return kept
    if schema.get("type") == "array":
        return (
            [straightened(item, schema["items"]) for item in answer] if isinstance(answer, list) else answer
        )
    if not isinstance(answer, dict):
        return answer
    known = schema["properties"]
    return {
        **{name: value for name, value in answer.items() if name not in known},
        **{
            name: straightened(answer.get(name), inside)
            for name, inside in known.items()
            if name in answer or inside.get("x-leaf")
        },
    }


def _scale(said: Any) -> Any:
    if not isinstance(said, str):
        return "one" if said is None else said
    word = said.casefold().strip().removeprefix("in ").removesuffix("s")
    return {"": "one", "unit": "one", "none": "one", "1": "one", "dollar": "one"}.get(word, word)


def _number(said: Any) -> Any:
    if not isinstance(said, str):
        return said
    text = said.strip().replace(",", "").strip("$€£¥ ")
    if text.startswith("(") and text.endswith(")"):
        text = "-" + text[1:-1].strip("$€£¥ ")
    try:
        number = float(text)
    except ValueError:
        return said
    whole = text.lstrip("-").isascii() and text.lstrip("-").isdigit()
    return int(text) if whole else number
