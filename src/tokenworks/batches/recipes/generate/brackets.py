"""Do the brackets of a file match? For languages without a compiler here; comments and texts are skipped."""

from __future__ import annotations

import re
from functools import cache

_SLASHES = r"//[^\n]*"
_BLOCK = r"/\*.*?\*/"
_OPEN_BLOCK = r"/\*"
_DOUBLE = r'"(?:\\.|[^"\\\n])*"'
_SINGLE = r"'(?:\\.|[^'\\\n])*'"
_TRIPLE = r'"""(?:\\.|[^\\])*?"""'
_RAW_TRIPLE = r'""".*?"""'
_BACKTICK = r"`(?:\\.|[^`\\])*`"
_SIGNS = r"[()\[\]{}]"
# A slash is a pattern where a value may begin, else it divides.
_PATTERN = (
    r"(?:(?<=[=(,:\[!&|?{};+\n>])|\breturn\b|\A)\s*/(?![*/])"
    r"(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n\[])+/[a-z]*"
)
_TOKENS = {
    "javascript": (_SLASHES, _BLOCK, _OPEN_BLOCK, _BACKTICK, _DOUBLE, _SINGLE, _PATTERN),
    "typescript": (_SLASHES, _BLOCK, _OPEN_BLOCK, _BACKTICK, _DOUBLE, _SINGLE, _PATTERN),
    "c": (_SLASHES, _BLOCK, _OPEN_BLOCK, _DOUBLE, _SINGLE),
    "c++": (_SLASHES, _BLOCK, _OPEN_BLOCK, r'R"([^(\s]*)\(.*?\)\1"', _DOUBLE, r"\d[\w']*", _SINGLE),
    "c#": (_SLASHES, _BLOCK, _OPEN_BLOCK, _RAW_TRIPLE, r'\$?@\$?"(?:""|[^"])*"', _DOUBLE, _SINGLE),
    "java": (_SLASHES, _BLOCK, _OPEN_BLOCK, _TRIPLE, _DOUBLE, _SINGLE),
    "go": (_SLASHES, _BLOCK, _OPEN_BLOCK, r"`[^`]*`", _DOUBLE, _SINGLE),
    # 'a is a lifetime, 'a' a letter
    "rust": (_SLASHES, _BLOCK, _OPEN_BLOCK, r'r(#*)".*?"\1', r'"(?:\\.|[^"\\])*"', r"'(?:\\[^']+|[^'\\])'"),
    "kotlin": (_SLASHES, _BLOCK, _OPEN_BLOCK, _RAW_TRIPLE, _DOUBLE, _SINGLE),
    "swift": (_SLASHES, _BLOCK, _OPEN_BLOCK, _TRIPLE, _DOUBLE),
    "scala": (_SLASHES, _BLOCK, _OPEN_BLOCK, _RAW_TRIPLE, _DOUBLE, r"'(?:\\[^']+|[^'\\])'"),
    "dart": (_SLASHES, _BLOCK, _OPEN_BLOCK, _TRIPLE, r"'''.*?'''", _DOUBLE, _SINGLE),
    "php": (_SLASHES, r"#(?!\[)[^\n]*", _BLOCK, _OPEN_BLOCK, r'"(?:\\.|[^"\\])*"', r"'(?:\\.|[^'\\])*'"),
    "css": (_BLOCK, _OPEN_BLOCK, r"url\([^)\n]*\)", _DOUBLE, _SINGLE),
}
LANGUAGES = frozenset(_TOKENS)
_EITHER = re.compile(r"^[ \t]*#[ \t]*el(?:se|if)", re.MULTILINE)
_PAIRS = {")": "(", "]": "[", "}": "{"}


@cache
def _tokens(language: str) -> re.Pattern[str]:
    return re.compile("|".join((*(f"(?:{token})" for token in _TOKENS[language]), _SIGNS)), re.DOTALL)


def fault(language: str, code: str) -> str:
    """The first bracket or comment without its partner, with its line; empty where all have theirs."""
    if language in ("c", "c++") and _EITHER.search(code):
        return ""  # only one of the branches counts, and which one is not known here
    stack: list[tuple[str, int]] = []
    for token in _tokens(language).finditer(code):
        sign = token.group()
        if sign == "/*":
            return f"the comment that begins in line {_line(code, token.start())} is never closed"
        if len(sign) > 1:
            continue
        if sign in "([{":
            stack.append((sign, token.start()))
        elif sign in _PAIRS:
            if not stack or stack[-1][0] != _PAIRS[sign]:
                return f"“{sign}” in line {_line(code, token.start())} without “{_PAIRS[sign]}”"
            stack.pop()
    return f"“{stack[-1][0]}” in line {_line(code, stack[-1][1])} is never closed" if stack else ""


def _line(code: str, at: int) -> int:
    return code.count("\n", 0, at) + 1
