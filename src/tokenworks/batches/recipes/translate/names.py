"""Names and terms that must come out the same each time: given in a file, or seen in the text."""

from __future__ import annotations

import csv
import io
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tokenworks.batches.recipes.translate.decoding import decoded
from tokenworks.batches.recipes.translate.languages import base
from tokenworks.errors import BadRequest

MOST = 300  # names that are watched, the commonest first
OFTEN = 3  # times that a name occurs at least
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_TITLE = r"(?:Mr|Mrs|Ms|Dr|St|Mme|M)\."
_CAPITAL = r"[A-Z\u00c0-\u00de][^\W\d_]+"
_NAME = re.compile(rf"(?<![\w.])(?:{_TITLE}\s)?(?!{_TITLE}){_CAPITAL}(?:[ ](?!{_TITLE}){_CAPITAL})*")
_BEGINS = re.compile(r"(?:^|[.!?:;…]['\"”’»)]*\s+|[\"“‘'«(—–-]\s*|\n)$")
_NOUNS_TOO = frozenset(("de", "lb"))  # written with a capital


def given(file: str) -> dict[str, str]:
    """Terms of a CSV (two columns) or TOML file (``"term" = "translation"``). Raises ``BadRequest``."""
    if not file:
        return {}
    try:
        text = decoded(Path(file).read_bytes())
        if file.lower().endswith(".toml"):
            found = tomllib.loads(text)
            table = found.get("terms", found)
            rows: Iterable[Sequence[str]] = [
                (key, value) for key, value in table.items() if isinstance(value, str)
            ]
        else:
            sample = text[:2000]
            mark = max(",;\t", key=sample.count)
            rows = list(csv.reader(io.StringIO(text), delimiter=mark))
    except (OSError, BadRequest, tomllib.TOMLDecodeError, csv.Error) as error:
        raise BadRequest(
            f"the glossary {file} can't be read ({error}): give a CSV of two columns or a TOML file"
        ) from error
    terms = {
        row[0].strip(): row[1].strip() for row in rows if len(row) >= 2 and row[0].strip() and row[1].strip()
    }
    if not terms:
        raise BadRequest(
            f"the glossary {file} has no terms: each line of a CSV is a term and its translation"
        )
    return terms


def seen(paragraphs: Sequence[str], language: str) -> list[str]:
    """Names that occur often, the commonest first: words with a capital where no sentence begins.

    Only of languages in which such a word is a name.
    """
    if base(language) in _NOUNS_TOO:
        return []
    found: Counter[str] = Counter()
    small = Counter(word for text in paragraphs for word in _WORD.findall(text) if word.islower())
    for text in paragraphs:
        for match in _NAME.finditer(text):
            name = match.group()
            if _BEGINS.search(text, max(0, match.start() - 6), match.start()) and "." not in name:
                name = name.partition(" ")[2]  # every first word has a capital
            if name:
                found[name] += 1
    names = [
        name
        for name, times in found.most_common(4 * MOST)
        if times >= OFTEN and len(name) > 2 and small[name.lower()] * 2 < times
    ]
    return names[:MOST]


def occurring(terms: Iterable[str], text: str) -> list[str]:
    """Those of ``terms`` that stand in ``text`` as words, the longest first."""
    found = [term for term in terms if term in text and re.search(rf"(?<!\w){re.escape(term)}(?!\w)", text)]
    wide = [term for term in terms if term in text and term not in found and not term.isascii()]
    return sorted([*found, *wide], key=lambda term: (-len(term), term))


def told(lines: str, asked: Iterable[str], translation: str) -> dict[str, str]:
    """How names came out, of lines "name = translation"; only those that were asked for and are true."""
    wanted = set(asked)
    found = {}
    for line in lines.splitlines():
        name, mark, came = line.strip(" -*•\t").partition("=")
        name, came = name.strip(' "“”'), came.strip(' "“”.')
        if mark and name in wanted and 0 < len(came) <= 80 and came in translation:
            found[name] = came
    return found


def unlike(answers: Iterable[Mapping[str, str]]) -> dict[str, dict[str, int]]:
    """Names that came out in more than one way, with how often each."""
    ways: dict[str, Counter[str]] = {}
    for answer in answers:
        for name, came in answer.items():
            ways.setdefault(name, Counter())[came] += 1
    return {name: dict(found.most_common()) for name, found in sorted(ways.items()) if len(found) > 1}
