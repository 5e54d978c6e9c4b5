"""Do two answers say the same? Judged by what kind of answer the task wants."""

from __future__ import annotations

import ast
import json
import math
import re
import unicodedata
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from tokenworks.routing.checks.code import PYTHON, blocks
from tokenworks.routing.checks.json_schema import parse
from tokenworks.routing.extracted import canonical, final, numeric

Vector = Callable[[str], Sequence[float]]
TOLERANCE = 1e-6  # relative, between numbers
EXACT = {"math", "knowledge", "reasoning", "extraction", "classification"}  # tasks that come to one answer
PROSE = {"writing", "roleplay", "chat", "summary", "translation"}
LONGEST = 20_000  # characters of code or JSON
SPACES = re.compile(r"\s+")
MARKS = re.compile(r"[^\w\s]|_")
SAME = 0.5  # from here on two answers count as the same one


def agree(one: str, other: str, task: str = "", vector: Vector | None = None) -> float | None:
    """From 0 (they differ) to 1 (they say the same); None where it can't be judged.

    JSON is compared by value, code by its syntax tree, answers of exact tasks by their final answer, text
    by its words. What is then left is prose: ``vector`` of both texts, by cosine, where it is given.
    """
    if not one.strip() or not other.strip():
        return None
    if one.strip() == other.strip():
        return 1.0
    for judge in (_json, _code):
        judged = judge(one, other)
        if judged is not None:
            return judged
    if blocks(one) and blocks(other):
        return None  # code that differs in its text may still do the same
    if task not in PROSE:
        first, second = final(one), final(other)
        if first is not None and second is not None:
            return 1.0 if same_answer(first, second) else 0.0
        if task in EXACT:
            return None
    if normalised(one) == normalised(other):
        return 1.0
    return None if vector is None else similarity(vector(one), vector(other))


def same_answer(one: str, other: str) -> bool:
    """Are two final answers the same, up to spelling and rounding?"""
    a, b = canonical(one), canonical(other)
    if a == b:
        return True
    x, y = numeric(a), numeric(b)
    return x is not None and y is not None and math.isclose(x, y, rel_tol=TOLERANCE, abs_tol=1e-12)


def pattern(answers: Sequence[str], task: str = "", vector: Vector | None = None) -> str:
    """Who agrees with whom, as ``calibration.PATTERNS`` spells it: "ABA" for the first and the third.

    An answer that can't be judged agrees with nobody.
    """
    letters = ""
    heads: list[str] = []
    for answer in answers[:3]:
        for letter, head in zip("ABC", heads, strict=False):
            judged = agree(head, answer, task, vector)
            if judged is not None and judged >= SAME:
                letters += letter
                break
        else:
            letters += "ABC"[len(heads)]
            heads.append(answer)
    return letters


def normalised(text: str) -> str:
    """Words alone: one letter case, no marks, one kind of space."""
    plain = MARKS.sub(" ", unicodedata.normalize("NFKC", text).casefold())
    return SPACES.sub(" ", plain).strip()


def similarity(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Cosine, cut at 0; None for a vector without length."""
    size = math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(x * x for x in b))
    if size == 0 or not math.isfinite(size):
        return None
    return max(0.0, min(1.0, float(sum(x * y for x, y in zip(a, b, strict=True))) / size))


def same_json(a: Any, b: Any) -> bool:
    """Deep equality: the order of names doesn't count, numbers may differ by rounding."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, int | float) and isinstance(b, int | float):
        return math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=1e-12)
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same_json(a[name], b[name]) for name in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same_json(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


def _json(one: str, other: str) -> float | None:
    values = []
    for text in (one, other):
        bare = text.strip()
        if len(bare) > LONGEST or not (bare.startswith(("{", "[")) or bare.startswith("```json")):
            return None
        try:
            values.append(parse(bare))
        except (json.JSONDecodeError, ValueError, RecursionError):
            return None
    return 1.0 if same_json(*values) else 0.0


def _code(one: str, other: str) -> float | None:
    """None unless both hold one block of code of the same language, or Python where it is named."""
    found = [blocks(text) for text in (one, other)]
    if any(len(of) != 1 for of in found):
        return None
    (language, code), (other_language, other_code) = found[0][0], found[1][0]
    python = language in PYTHON or other_language in PYTHON
    if language != other_language and not python:
        return None
    if python:
        a, b = tree(code), tree(other_code)
        if a is not None and b is not None:
            # Trees that differ may still do the same, so this says little: not agreement, and no proof.
            return 1.0 if a == b else None
    return 1.0 if SPACES.sub("", code) == SPACES.sub("", other_code) else None


def tree(code: str) -> str | None:
    """The syntax tree without names' spelling of locals, comments, docstrings and layout."""
    if len(code) > LONGEST:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parsed = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    for node in ast.walk(parsed):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module):
            first = node.body[0] if node.body else None
            said = first.value if isinstance(first, ast.Expr) else None
            if isinstance(said, ast.Constant) and isinstance(said.value, str):
                node.body = node.body[1:]
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            _rename(node)
    return ast.dump(parsed, annotate_fields=False)


def _rename(function: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    """Parameters and names that the function sets become v0, v1 … in the order they are met."""
    names: dict[str, str] = {}
    arguments = function.args
    for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
        names.setdefault(argument.arg, f"v{len(names)}")
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.setdefault(node.id, f"v{len(names)}")
    for node in ast.walk(function):
        if isinstance(node, ast.arg) and node.arg in names:
            node.arg = names[node.arg]
        elif isinstance(node, ast.Name) and node.id in names:
            node.id = names[node.id]
        if isinstance(node, ast.arg):
            node.annotation = None
