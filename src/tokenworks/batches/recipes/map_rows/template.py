"""Prompts with places for the columns of a row: ``{column}``; ``{{`` and ``}}`` are braces."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from tokenworks.errors import BadRequest

Piece = tuple[str, str]  # ("text", words) or ("column", name)
_PLACE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


def pieces(template: str) -> list[Piece]:
    """``template`` taken apart. Raises ``BadRequest`` where it has no place, or a brace of its own."""
    found: list[Piece] = []
    words, at = "", 0
    for match in _PLACE.finditer(template):
        words += template[at : match.start()]
        at = match.end()
        sign = match.group()
        if sign in ("{{", "}}"):
            words += sign[0]
            continue
        name = (match.group(1) or "").strip()
        if not name:
            near = template[max(0, match.start() - 20) : match.end() + 20]
            raise BadRequest(f"template: a lone brace at “{near}”; write {{{{ and }}}} for braces")
        found += [("text", words), ("column", name)]
        words = ""
    found.append(("text", words + template[at:]))
    if not any(kind == "column" for kind, _ in found):
        raise BadRequest("template: it names no column; write {column} where its value belongs")
    return [piece for piece in found if piece[1]]


def columns(parts: Sequence[Piece]) -> list[str]:
    """The columns that a template uses, each once, in order."""
    return list(dict.fromkeys(name for kind, name in parts if kind == "column"))


def unknown(parts: Sequence[Piece], there: Iterable[str]) -> str:
    """What is wrong with a table of these columns for this template; empty where all are there, once."""
    there = list(there)
    for name in columns(parts):
        if there.count(name) > 1:
            return f"the column “{name}” stands there {there.count(name)} times"
        if name not in there:
            has = ", ".join(there[:40]) or "none"
            return f"no column “{name[:60]}”; there are: {has} (write {{{{ and }}}} for braces in a template)"
    return ""


def filled(parts: Sequence[Sequence[str]], values: Mapping[str, str]) -> str:
    """The prompt of one row."""
    return "".join(words if kind == "text" else values[words] for kind, words in parts)
