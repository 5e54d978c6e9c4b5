"""Paragraphs into parts of a job: chapters are lanes, a part is as many whole paragraphs as fit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from tokenworks.batches.recipes.recipe import Part
from tokenworks.batches.recipes.sizes import tokens_of
from tokenworks.batches.recipes.translate.languages import NO_SPACES, base, expected, tokens
from tokenworks.batches.recipes.translate.segment import PLACE, Segment

LANE = 16  # parts of a lane at most: a book without chapters is cut as well
SHORT = 100  # tokens: a chapter that is shorter (a title page, "Part one") goes with the next
MARK = 4  # tokens of a paragraph's number
FIXED = 420  # tokens of the prompt around the paragraphs: rules, names, what came before
_SENTENCE = re.compile(r"""(?<=[.!?…])["'”’»)\]]*\s+|(?<=[。！？…])[」』”’）]*""")
_CLAUSE = re.compile(r"(?<=[,;:，；：、])\s*|\s+")


def parts(
    file: int, paragraphs: Sequence[tuple[int, Segment, bool]], chunk_tokens: int, languages: tuple[str, str]
) -> Iterator[Part]:
    """The parts of one file. Of each paragraph: its number, itself, and whether another document begins."""
    lane, part, at = 0, 0, 0
    for chapter in _chapters(paragraphs):
        lane, at = lane + 1, 0
        for items in _packed(chapter, chunk_tokens):
            if at == LANE:
                lane, at = lane + 1, 0
            part, at = part + 1, at + 1
            yield _part(file, lane, part, items, languages)


def _part(file: int, lane: int, part: int, items: list[dict[str, Any]], languages: tuple[str, str]) -> Part:
    size = sum(MARK + tokens_of(item["text"]) for item in items)
    return Part(
        id=f"{file:04}.{part:05}",
        lane=f"{file:04}.{lane:04}",
        data={"file": file, "items": items},
        input_tokens=FIXED + size,
        output_tokens=answer_tokens([item["text"] for item in items], *languages),
    )


def answer_tokens(texts: Sequence[str], source: str, target: str) -> int:
    """About how many tokens the translation of these paragraphs comes to."""
    characters = sum(expected(len(text), source, target) for text in texts)
    return round(MARK * len(texts) + tokens(characters, target))


def _chapters(paragraphs: Sequence[tuple[int, Segment, bool]]) -> Iterator[list[tuple[int, Segment]]]:
    chapter: list[tuple[int, Segment]] = []
    tokens = 0
    for number, segment, begins in paragraphs:
        if (segment.heading or begins) and tokens >= SHORT:
            yield chapter
            chapter, tokens = [], 0
        chapter.append((number, segment))
        tokens += tokens_of(segment.text)
    if chapter:
        yield chapter


def _packed(chapter: Sequence[tuple[int, Segment]], chunk_tokens: int) -> Iterator[list[dict[str, Any]]]:
    """As many paragraphs as fit; two pieces of one paragraph never stand together."""
    items: list[dict[str, Any]] = []
    tokens = 0
    for number, segment in chapter:
        pieces = cut(segment.text, chunk_tokens)
        for index, (text, joint) in enumerate(pieces):
            size = MARK + tokens_of(text)
            if items and (tokens + size > chunk_tokens or index):
                yield items
                items, tokens = [], 0
            item: dict[str, Any] = {"n": number, "text": text}
            if len(pieces) > 1:
                item |= {"piece": index, "joint": joint}
            items.append(item)
            tokens += size
    if items:
        yield items


def cut(text: str, most: int) -> list[tuple[str, str]]:
    """``text`` in pieces of ``most`` tokens, cut between sentences, else between clauses, outside markup.

    Each with what stood between it and the next.
    """
    if tokens_of(text) <= most:
        return [(text, "")]
    sentences = _split(text, _SENTENCE)
    small = [
        part
        for words, joint in sentences
        for part in (
            _with_last(_split(words, _CLAUSE), joint) if tokens_of(words) > most else [(words, joint)]
        )
    ]
    pieces: list[tuple[str, str]] = []
    held, between, tokens = "", "", 0
    for words, joint in small:
        size = tokens_of(words)
        if held and tokens + size > most:
            pieces.append((held, between))
            held, between, tokens = "", "", 0
        held, between, tokens = held + between + words, joint, tokens + size + 1
    pieces.append((held, ""))
    return pieces


def joined(pieces: Sequence[tuple[str, str]], target: str) -> str:
    """Translated pieces as one paragraph; languages without spaces get none between."""
    made = ""
    for text, joint in pieces:
        made += text + ("" if base(target) in NO_SPACES else joint or " ")
    return made.strip()


def _split(text: str, where: re.Pattern[str]) -> list[tuple[str, str]]:
    """Cut at every match that stands outside markup."""
    depths: list[tuple[int, int]] = []
    depth = 0
    for match in PLACE.finditer(text):
        depth += 0 if match[3] else -1 if match[1] else 1
        depths.append((match.end(), depth))
    found: list[tuple[str, str]] = []
    at, index, depth = 0, 0, 0
    for match in where.finditer(text):
        while index < len(depths) and depths[index][0] <= match.start():
            depth, index = depths[index][1], index + 1
        space = len(match.group()) - len(match.group().lstrip("\"'”’»)]」』）"))
        end = match.start() + space
        if depth == 0 and at < end < len(text):
            found.append((text[at:end], text[end : match.end()]))
            at = match.end()
    return [*found, (text[at:], "")]


def _with_last(pieces: list[tuple[str, str]], joint: str) -> list[tuple[str, str]]:
    return [*pieces[:-1], (pieces[-1][0], joint)]
