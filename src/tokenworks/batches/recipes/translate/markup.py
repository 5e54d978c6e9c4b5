"""HTML and XML as tokens that together are the whole source, however broken it is."""

from __future__ import annotations

import re
from typing import NamedTuple

RAW = frozenset(("script", "style", "textarea", "title", "xmp", "noembed"))
VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track",
     "wbr")
)  # fmt: skip
_TAG = re.compile(r"""</?[A-Za-z][^\s"'<>/]*+(?:[^>"']|"[^"]*"|'[^']*')*+>""")
_LOOSE = re.compile(r"</?[A-Za-z][^<>]*>")  # a quote is open in it that nobody closes
_NAME = re.compile(r"</?([^\s/>\"'<]+)")
_ASIDE = re.compile(
    r"<!--.*?(?:-->|\Z)|<!\[CDATA\[.*?(?:\]\]>|\Z)|<\?.*?(?:\?>|\Z)"
    r"|<![A-Za-z](?:[^<>\[]|\[[^\]]{0,4000}\])*+>|</?[!?][^<>]*>",
    re.DOTALL,
)
STRICT_TRIES = 50  # tags with an open quote, after which every tag of the file is read loosely
ATTRIBUTE = re.compile(r"""([^\s"'<>/=]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'=<>`]+)))?""", re.DOTALL)


class Token(NamedTuple):
    """source[start:end]. ``kind``: "text", "start", "end", "empty" (nothing is inside), "raw" (the content of
    a script and its like), "aside" (comment, instruction, document type, CDATA)."""

    kind: str
    name: str  # in small letters; of tags
    start: int
    end: int


def tokens(source: str, void: frozenset[str] = VOID) -> list[Token]:
    """All of ``source``: the end of each token is the start of the next. ``void`` elements have no end."""
    found: list[Token] = []
    at, text, failed = 0, 0, 0
    while (at := source.find("<", at)) >= 0:
        aside = _ASIDE.match(source, at) if source.startswith(("<!", "<?", "</!", "</?"), at) else None
        tag = None
        if aside is None:
            tag = _TAG.match(source, at) if failed < STRICT_TRIES else None
            if tag is None:
                failed += 1
                tag = _LOOSE.match(source, at)
        match = aside or tag
        if match is None:
            at += 1
            continue
        if text < at:
            found.append(Token("text", "", text, at))
        token = _told(match.group(), at, void) if tag else Token("aside", "", at, match.end())
        found.append(token)
        at = text = token.end
        if token.kind == "start" and token.name in RAW:
            end = re.compile(rf"</{re.escape(token.name)}\b", re.IGNORECASE).search(source, at)
            if end is not None and end.start() > at:
                found.append(Token("raw", token.name, at, end.start()))
                at = text = end.start()
    if text < len(source):
        found.append(Token("text", "", text, len(source)))
    return found


def _told(tag: str, at: int, void: frozenset[str]) -> Token:
    match = _NAME.match(tag)
    name = match.group(1).lower() if match else ""
    if tag.startswith("</"):
        return Token("end", name, at, at + len(tag))
    kind = "empty" if tag.endswith("/>") or name in void else "start"
    return Token(kind, name, at, at + len(tag))


def attributes(tag: str) -> dict[str, str]:
    """Names in small letters and values of a start tag, as they are written; the first of the same name."""
    found: dict[str, str] = {}
    match = _NAME.match(tag)
    for name, double, single, bare in ATTRIBUTE.findall(tag, match.end() if match else 0):
        found.setdefault(name.lower(), double or single or bare)
    return found
