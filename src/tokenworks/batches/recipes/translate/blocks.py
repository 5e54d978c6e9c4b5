"""What there is to translate in HTML: the words of each block, their inner markup under numbers."""

from __future__ import annotations

import html
import itertools
import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from tokenworks.batches.recipes.translate.markup import Token, attributes, tokens
from tokenworks.batches.recipes.translate.segment import LETTER, Document, Segment, Tag, protected, put

BLOCKS = frozenset((
    "address", "article", "aside", "blockquote", "body", "button", "caption", "center", "col",
    "colgroup", "dd", "details", "dialog", "dir", "div", "dl", "dt", "fieldset", "figcaption", "figure",
    "footer", "form", "frameset", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hgroup", "hr", "html",
    "legend", "li", "main", "menu", "nav", "ol", "optgroup", "option", "p", "section", "select",
    "summary", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul",
))  # fmt: skip
UNTOUCHED = frozenset(  # blocks of which nothing is read
    ("head", "pre", "textarea", "template", "noscript", "iframe", "object", "audio", "video", "canvas", "xmp",
     "listing", "title", "datalist")
)  # fmt: skip
WHOLE = frozenset(
    ("code", "kbd", "samp", "tt", "var", "math", "svg", "script", "style", "rp", "rt")
)  # in a line
NOTES = frozenset(("sup", "sub", "a"))  # a number alone in them points to a note
_SPACE = re.compile(r"[ \t\r\n\f]+")
_IDS = re.compile(r"""\s(?:xml:)?id\s*=\s*(?:"[^"]*"|'[^']*'|[^\s>]+)(?=[^<>]*>)""")
_LANGUAGE = re.compile(r"""\s(?:xml:)?lang\s*=\s*(?:"[^"]*"|'[^']*'|[^\s>]+)""")
_PICTURES = re.compile(r"<(?:img|image)\b[^>]*>|<svg\b.*?</svg>", re.DOTALL)
_HEADINGS = {"h1": 1, "h2": 2, "h3": 3}


class Unit(NamedTuple):
    """``kind``: "text", "open", "close", "whole" (put aside as it is), "edge" (a block begins or ends)."""

    kind: str
    name: str
    start: int
    end: int


def read(source: str) -> Document:
    """The blocks of a page, in order."""
    units = list(_units(source, tokens(source)))
    found: list[Segment] = []
    run: list[Unit] = []
    heading = 0
    edge: Unit | None = None
    for unit in units:
        if unit.kind != "edge":
            run.append(unit)
            continue
        for piece in _balanced(run):
            if (segment := _segment(source, piece, heading)) is not None:
                found.append(_with_element(segment, source, edge, unit))
        run, edge = [], unit
        if unit.name in _HEADINGS:
            heading = _HEADINGS[unit.name]
        elif unit.name.startswith("/h"):
            heading = 0
    for piece in _balanced(run):
        if (segment := _segment(source, piece, heading)) is not None:
            found.append(segment)
    return Document(source, tuple(found))


def _units(source: str, told: list[Token]) -> Iterator[Unit]:
    """Blocks and what is left as it is become one unit each."""
    at = 0
    ends = _ends(told)
    while at < len(told):
        token = told[at]
        name = token.name.rpartition(":")[2]
        if token.kind in ("start", "raw") and (
            name in UNTOUCHED or name in WHOLE or _unwanted(source, token)
        ):
            last = ends.get(at, _implied_end(told, at) if name in BLOCKS else at)
            kind = "whole" if name in WHOLE or name not in UNTOUCHED | BLOCKS else "edge"
            yield Unit(kind, name, token.start, told[last].end)
            at = last
        elif token.kind == "text":
            yield Unit("text", "", token.start, token.end)
        elif name == "br" and _next_is_break(source, told, at):
            yield Unit("edge", "br", token.start, token.end)
        elif name in BLOCKS or name in UNTOUCHED:
            yield Unit("edge", "/" + name if token.kind == "end" else name, token.start, token.end)
        elif token.kind in ("start", "end"):
            yield Unit("open" if token.kind == "start" else "close", name, token.start, token.end)
        else:
            yield Unit("whole", name, token.start, token.end)
        at += 1


def _unwanted(source: str, token: Token) -> bool:
    """It says that it is not to be translated."""
    tag = source[token.start : token.end]
    if "translate" not in tag:
        return False
    told = attributes(tag)
    return told.get("translate", "").lower() == "no" or "notranslate" in told.get("class", "").split()


def _ends(told: list[Token]) -> dict[int, int]:
    """Where each element ends, by where it begins; those that never end aren't in it."""
    found: dict[int, int] = {}
    inside: dict[str, list[int]] = {}
    for index, token in enumerate(told):
        if token.kind == "start":
            if token.name == "body" and inside.get("head"):
                found[inside["head"].pop(0)] = index - 1
            inside.setdefault(token.name, []).append(index)
        elif token.kind == "end" and inside.get(token.name):
            found[inside[token.name].pop()] = index
    return found


def _implied_end(told: list[Token], at: int) -> int:
    """A block that nobody ends does so where the next begins or the one around it ends."""
    last = at
    while last + 1 < len(told) and told[last + 1].name not in BLOCKS:
        last += 1
    return last


def _next_is_break(source: str, told: list[Token], at: int) -> bool:
    """Two breaks, one after the other, are the end of a paragraph."""
    for step in (1, -1):
        index = at + step
        while 0 <= index < len(told) and told[index].kind == "text":
            if source[told[index].start : told[index].end].strip():
                break
            index += step
        if 0 <= index < len(told) and told[index].name == "br":
            return True
    return False


def _partners(run: list[Unit]) -> tuple[dict[int, int], list[int]]:
    """Which tag ends which, both ways; and the tags that have none."""
    partner: dict[int, int] = {}
    alone: list[int] = []
    inside: list[int] = []
    names: Counter[str] = Counter()
    for index, unit in enumerate(run):
        if unit.kind == "open":
            inside.append(index)
            names[unit.name] += 1
        elif unit.kind == "close":
            if not names[unit.name]:
                alone.append(index)
                continue
            while run[opened := inside.pop()].name != unit.name:
                alone.append(opened)
                names[run[opened].name] -= 1
            names[unit.name] -= 1
            partner[opened], partner[index] = index, opened
    return partner, sorted(alone + inside)


def _balanced(run: list[Unit]) -> Iterator[list[Unit]]:
    """``run`` cut at the tags that have no partner in it, until none is left."""
    waiting = [run]
    while waiting:
        piece = waiting.pop()
        if not any(unit.kind == "text" for unit in piece):
            continue
        alone = _partners(piece)[1]
        if not alone:
            yield piece
            continue
        edges = [-1, *alone, len(piece)]
        cut = [piece[low + 1 : high] for low, high in itertools.pairwise(edges)]
        waiting += reversed([part for part in cut if part])


def _noted(source: str, run: list[Unit]) -> list[Unit]:
    """Elements without a word in them (anchors, numbers of notes) as one unit each."""
    partner, _ = _partners(run)
    made: list[Unit] = []
    index = 0
    while index < len(run):
        unit = run[index]
        last = partner.get(index, -1)
        if unit.kind == "open" and last > index:
            words = "".join(source[u.start : u.end] for u in run[index:last] if u.kind == "text")
            if not words.strip() or (unit.name in NOTES and len(words) < 12 and not LETTER.search(words)):
                made.append(Unit("whole", unit.name, unit.start, run[last].end))
                index = last + 1
                continue
        made.append(unit)
        index += 1
    return made


def _segment(source: str, run: list[Unit], heading: int) -> Segment | None:
    """Its words without the markup around all of them; None where there are none."""
    run = _noted(source, run)
    partner, _ = _partners(run)
    low, high = 0, len(run) - 1
    while low <= high:
        if _blank(source, run[low]):
            low += 1
        elif _blank(source, run[high]):
            high -= 1
        elif partner.get(low) == high:
            low, high = low + 1, high - 1
        else:
            break
    if low > high:
        return None
    tags: list[Tag] = []
    text = _SPACE.sub(" ", _text(source, run, low, high, partner, tags)).strip()
    if not LETTER.search(text):
        return None
    start, end = run[low].start, run[high].end
    if run[low].kind == "text":
        start += len(source[start:end]) - len(source[start:end].lstrip(" \t\r\n\f"))
    if run[high].kind == "text":
        end -= len(source[start:end]) - len(source[start:end].rstrip(" \t\r\n\f"))
    return Segment(start, end, text, tuple(tags), heading)


def _blank(source: str, unit: Unit) -> bool:
    return unit.kind == "whole" or (unit.kind == "text" and not source[unit.start : unit.end].strip())


def _text(source: str, run: list[Unit], low: int, high: int, partner: dict[int, int], tags: list[Tag]) -> str:
    made: list[str] = []
    numbers: dict[int, int] = {}  # number by the place of the tag that closes it
    index = low
    while index <= high:
        unit = run[index]
        piece = source[unit.start : unit.end]
        if unit.kind == "text":
            made.append(protected(html.unescape(piece), tags, _escaped))
        elif unit.kind == "whole":
            tags.append(Tag(piece))
            made.append(f"<{len(tags)}/>")
        elif unit.kind == "open":
            last = partner[index]
            while run[index + 1].kind == "open" and partner[index + 1] == last - 1:
                index, last = index + 1, last - 1  # several that hold the same words are one
            end = partner[index]
            opened = source[unit.start : run[index].end]
            closed = source[run[end].start : run[_last_closing(run, end, partner, unit)].end]
            tags.append(Tag(opened, closed))
            numbers[end] = len(tags)
            made.append(f"<{len(tags)}>")
        elif index in numbers:
            made.append(f"</{numbers[index]}>")
        index += 1
    return "".join(made)


def _last_closing(run: list[Unit], end: int, partner: dict[int, int], first: Unit) -> int:
    """The last of the tags in a row that close what was opened with ``first``."""
    while run[partner[end]] is not first:
        end += 1
    return end


def _with_element(segment: Segment, source: str, before: Unit | None, after: Unit) -> Segment:
    """With the element, where that is a paragraph that holds nothing else."""
    if before is None or before.name != "p" or after.name != "/p":
        return segment
    around = source[before.end : segment.start] + source[segment.end : after.start]
    if LETTER.search(re.sub(r"<[^>]*>", "", around)):
        return segment
    return Segment(
        segment.start,
        segment.end,
        segment.text,
        segment.tags,
        segment.heading,
        element=(before.start, after.end),
    )


def write(segment: Segment, document: str, text: str, language: str = "") -> tuple[int, int, str]:
    """The span that a translation takes, and what stands there then.

    With ``language`` (a code) the original stays and the translation follows: in a paragraph of its own where
    the original has one, else on a line of its own.
    """
    made = put(text, segment.tags, _escaped)
    if not language:
        return segment.start, segment.end, made
    original = document[segment.start : segment.end]
    made = _IDS.sub("", _PICTURES.sub("", made))  # what may stand in a page once only
    said = f'lang="{language}" xml:lang="{language}"'
    if segment.element is None:
        return segment.start, segment.end, f"{original}<br/><span {said}>{made}</span>"
    start, end = segment.element
    whole = document[start:end]
    opened = _IDS.sub("", _LANGUAGE.sub("", whole[: whole.index(">") + 1]))
    return start, end, f"{whole}\n{opened[:-1].rstrip()} {said}>{made}</p>"


def _escaped(text: str) -> str:
    return html.escape(text, quote=False)
