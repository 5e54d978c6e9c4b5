"""What is translated of a text: spans of it, with their markup put aside under numbers.

The model sees ``<1>…</1>`` for markup around words and ``<2/>`` for what stands between them (an image, a
line break, code). Everything outside the spans stays as it was, byte for byte.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence

import msgspec

PLACE = re.compile(r"<(/?)(\d{1,4})(/?)>")
LETTER = re.compile(r"[^\W\d_]")


class Tag(msgspec.Struct, frozen=True):
    """What stands for a number: around words, or all in ``open`` where nothing is inside."""

    open: str
    close: str | None = None


class Segment(msgspec.Struct, frozen=True):
    """A paragraph, heading, cell or item: source[start:end]."""

    start: int
    end: int
    text: str  # on one line, with numbers for its markup
    tags: tuple[Tag, ...] = ()  # the first is number 1
    heading: int = 0  # 1 to 3: a chapter begins here
    wrap: int = 0  # columns that it is wrapped at; 0: it stands on one line
    element: tuple[int, int] | None = None  # the whole element, where that is a paragraph and nothing else


class Document(msgspec.Struct, frozen=True):
    """One text and its segments, in order, none within another."""

    source: str
    segments: tuple[Segment, ...]


def fault(source: str, said: str) -> str:
    """What is wrong with the placeholders of a translation: one line; empty where they are all right."""
    wanted = Counter(match.group() for match in PLACE.finditer(source))
    found = Counter(match.group() for match in PLACE.finditer(said))
    lost = [place for place in wanted if found[place] < wanted[place]]
    if lost:
        return f"the tag {lost[0]} is missing"
    more = [place for place in found if found[place] > wanted[place]]
    if more:
        return f"the tag {more[0]} stands there too often"
    inside: list[str] = []
    for match in PLACE.finditer(said):
        closes, number, alone = match.groups()
        if alone:
            continue
        if not closes:
            inside.append(number)
        elif not inside or inside.pop() != number:
            return f"the tag </{number}> stands in the wrong place"
    return ""


def put(text: str, tags: Sequence[Tag], escape: Callable[[str], str]) -> str:
    """``text`` with its markup again, its words through ``escape``. Its placeholders have no ``fault``."""
    made, at = [], 0
    for match in PLACE.finditer(text):
        closes, number, _ = match.groups()
        tag = tags[int(number) - 1]
        made += [escape(text[at : match.start()]), (tag.close or "") if closes else tag.open]
        at = match.end()
    return "".join([*made, escape(text[at:])])


def protected(text: str, tags: list[Tag], raw: Callable[[str], str] = str) -> str:
    """``text`` whose words that look like placeholders are put aside as ``tags`` of their own."""

    def aside(match: re.Match[str]) -> str:
        tags.append(Tag(raw(match.group())))
        return f"<{len(tags)}/>"

    return PLACE.sub(aside, text) if "<" in text else text


def replaced(source: str, spans: Sequence[tuple[int, int, str]]) -> str:
    """``source`` with other text in these spans, which are in order and apart."""
    made, at = [], 0
    for start, end, text in spans:
        made += [source[at:start], text]
        at = end
    return "".join([*made, source[at:]])


def readable(text: str) -> str:
    """``text`` without its placeholders: for counting and comparing."""
    return " ".join(PLACE.sub(" ", text).split()) if "<" in text else text
