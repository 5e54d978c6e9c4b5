"""Names against patterns: ``*`` is any text, ``?`` any one character, everything else itself, in any case."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

MAX_CHARS = 200  # of one pattern

_EVERY, _NO = re.compile(""), re.compile("(?!)")


def matches(globs: tuple[str, ...], name: str) -> bool:
    """Whether ``globs`` let ``name`` through.

    One of them has to match the whole name, and none that begins with ``!`` may. Without any that lets
    in (no globs at all, or only such with ``!``) every name is in.
    """
    if not globs:
        return True
    inside, outside = _compiled(globs)
    name = name.lower()
    return inside.match(name) is not None and outside.match(name) is None


def lets_in(globs: tuple[str, ...], *names: str) -> bool:
    """Whether one of ``names`` is let in and none is kept out: somebody may go by several."""
    inside = tuple(glob for glob in globs if not glob.startswith("!"))
    outside = tuple(glob for glob in globs if glob.startswith("!"))
    return (not inside or any(matches(inside, name) for name in names)) and (
        not outside or all(matches(outside, name) for name in names)
    )


def is_glob(text: str) -> bool:
    """Whether ``text`` may stand for other names than itself."""
    return text.startswith("!") or "*" in text or "?" in text


def bad_glob(text: str) -> str | None:
    """What is wrong with ``text`` as a pattern, None if nothing is. Continues a sentence about it."""
    if text.strip() and text.isprintable() and len(text) <= MAX_CHARS:
        return None
    return f"must be 1 to {MAX_CHARS} printable characters, such as acme/*"


def pattern(globs: Sequence[str]) -> re.Pattern[str]:
    """One pattern whose ``match`` finds the names, in lower case, that ``globs`` let through."""
    inside, outside = _sides(globs)
    kept_out = f"(?!{'|'.join(outside)})" if outside else ""
    return re.compile(kept_out + (f"(?:{'|'.join(inside)})" if inside else ""), re.DOTALL)


@lru_cache(maxsize=4096)
def _compiled(globs: tuple[str, ...]) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What is let in, and what is not all the same."""
    inside, outside = _sides(globs)
    return (
        re.compile("|".join(inside), re.DOTALL) if inside else _EVERY,
        re.compile("|".join(outside), re.DOTALL) if outside else _NO,
    )


def _sides(globs: Sequence[str]) -> tuple[list[str], list[str]]:
    return (
        [_pattern(glob) for glob in globs if not glob.startswith("!")],
        [_pattern(glob[1:]) for glob in globs if glob.startswith("!")],
    )


def _pattern(glob: str) -> str:
    first, *rest = (
        re.escape(part).replace(r"\?", ".") for part in re.sub(r"\*+", "*", glob.lower()).split("*")
    )
    if not rest:
        return rf"{first}\Z"
    # Atomic: the first place where a part fits is as good as any later one, and trying those as well
    # would take time without bound for names that a caller chose.
    middle = "".join(f"(?>.*?{part})" for part in rest[:-1])
    return rf"{first}{middle}.*{rest[-1]}\Z"
