"""Paragraphs of plain text: blank lines between them, or a line each; chapters by their headings."""

from __future__ import annotations

import re
import textwrap
import unicodedata

from tokenworks.batches.recipes.translate.segment import LETTER, Document, Segment, Tag, protected, put

HEADING = re.compile(
    r"""(?:chapter|chapitre|kapitel|cap[ií]tulo|capitolo|hoofdstuk|rozdział|глава|часть|part|book|volume|act|
        section|teil|buch|partie|livre|parte|libro)\s+(?:the\s+)?[\divxlcdm]{1,9}\b.{0,80}
      | (?:chapter|part|book)\s+(?:the\s+)?(?:one|two|three|four|five|six|seven|eight|nine|ten|\w+teen|twenty|
        thirty|forty|fifty|last|first|second|third|fourth|fifth)\b.{0,80}
      | (?:prologue|epilogue|preface|introduction|foreword|afterword|prolog|epilog|vorwort|nachwort|prólogo|
        epílogo|préface)[.:]?
      | 第\s*[\d〇零一二三四五六七八九十百千两]{1,7}\s*[章回节節卷部幕集].{0,40}
      | (?:序章|楔子|序言|前言|尾声|尾聲|后记|後記)
    """,
    re.IGNORECASE | re.VERBOSE,
)
LINE = re.compile(r"[^\r\n]+")
NARROWEST, WIDEST = 50, 110  # columns of a paragraph that somebody wrapped
FULL = 0.6  # of the widest line, that every other line of such a paragraph has but the last
# The frame around a text of that library: a licence in English, of which nothing may be changed.
_BEGINS = re.compile(r"^\*{3} ?START OF (?:THE|THIS) PROJECT GUTENBERG[^\n]*\n", re.MULTILINE)
_ENDS = re.compile(r"^\*{3} ?END OF (?:THE|THIS) PROJECT GUTENBERG", re.MULTILINE)


def read(source: str) -> Document:
    """The paragraphs of ``source``. Lines that were wrapped are one paragraph, lines of verse one each."""
    begins, ends = _BEGINS.search(source), _ENDS.search(source)
    low = begins.end() if begins else 0
    high = ends.start() if ends and ends.start() > low else len(source)
    found: list[Segment] = []
    together: list[tuple[int, int]] = []
    last = low
    for match in LINE.finditer(source, low, high):
        line = match.group()
        if not line.strip() or _blank_between(source, last, match.start()):
            found += _paragraphs(source, together)
            together = []
        if line.strip():
            lead = len(line) - len(line.lstrip())
            together.append((match.start() + lead, match.start() + len(line.rstrip())))
        last = match.end()
    return Document(source, (*found, *_paragraphs(source, together)))


def write(segment: Segment, text: str, newline: str) -> str:
    """A translated paragraph, wrapped where its original was."""
    whole = put(text, segment.tags, str)
    return newline.join(lines(whole, segment.wrap)) if segment.wrap else whole


def columns(text: str) -> int:
    """How wide ``text`` is; ideographs are two columns each."""
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)


def lines(text: str, width: int) -> list[str]:
    """``text`` in lines of that many columns at most; between ideographs a line may end anywhere."""
    if columns(text) == len(text):
        return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [text]
    made, line, wide = [], "", 0
    for sign in text:
        step = columns(sign)
        if wide + step > width and sign not in "，。、！？；：”’」』）,.!?":
            made.append(line)
            line, wide = "", 0
        line, wide = line + sign, wide + step
    return [part.strip() for part in [*made, line] if part.strip()]


def _blank_between(source: str, start: int, end: int) -> bool:
    between = source[start:end]
    return between.replace("\r\n", "\n").replace("\r", "\n").count("\n") > 1


def _paragraphs(source: str, spans: list[tuple[int, int]]) -> list[Segment]:
    if not spans:
        return []
    wide = [columns(source[start:end]) for start, end in spans]
    width = max(wide)
    wrapped = len(spans) > 1 and NARROWEST <= width <= WIDEST and min(wide[:-1]) >= FULL * width
    pieces = [(spans[0][0], spans[-1][1])] if wrapped else spans
    found = []
    for start, end in pieces:
        text = " ".join(source[start:end].split())
        if LETTER.search(text):
            tags: list[Tag] = []
            said = protected(text, tags)
            found.append(Segment(start, end, said, tuple(tags), heading(text), width if wrapped else 0))
    return found


def heading(text: str) -> int:
    """1 where a chapter begins with this line, else 0."""
    return 1 if len(text) <= 120 and HEADING.fullmatch(text) else 0
