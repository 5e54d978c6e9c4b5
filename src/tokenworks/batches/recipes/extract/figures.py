"""Numbers as statements print them: signs, scales, currencies and the years of their columns."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

SCALES = {"one": 1, "thousand": 10**3, "million": 10**6, "billion": 10**9}
DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
_MINUS = "[-\u2010\u2011\u2012\u2013\u2212]"  # right before its number; longer dashes stand for nothing
_MONEY = r"(?:US\$|C\$|HK\$|[$€£¥])"
# (1,234.5) or -1,234.5 or 1,234; a dash alone stands for nothing
_FIGURE = re.compile(
    rf"(?<![\w.,/])(?P<open>\(\s*)?{_MONEY}?\s*(?P<open2>\(\s*)?(?P<minus>{_MINUS})?{_MONEY}?(?(minus)|\s*)"
    rf"(?P<digits>\d{{1,3}}(?:,\d{{3}})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)(?![\w/]|[.,]\d)\s*"
    rf"(?P<percent>%)?\s*(?P<close>\))?(?P<percent2>\s?%)?"
    rf"|(?<=\s)(?P<nil>{_MONEY}?\s*[{DASHES}-])(?=\s|$|\))"
)
_FOOTNOTE = re.compile(r"\(\d{1,2}\)|\([a-z]\)|\*+", re.IGNORECASE)
_BETWEEN = re.compile(rf"(?:\s|{_MONEY}|[)%|]|\(\d\)|\([a-z]\)|\*)*")
_SCALE = re.compile(
    r"""(?:\b(?:in|of|us\$|usd|eur|gbp|rmb|cny|jpy|yen|euros?|dollars)|[$€£¥(])\s*(?:us\s*)?(?:[$€£¥]\s*)?
    (?:(?:u\.s\.\s*)?(?:dollars|euros?|yen|rmb)\s*(?:in\s*)?)?
    (?P<word>thousand|million|billion)s?\b|\(?[$€£¥]?\s*(?P<zeros>000)['’]?s?\s*(?:omitted)?\)|(?P<short>[€£$]\s?m)\b""",
    re.IGNORECASE | re.VERBOSE,
)
_YEAR = re.compile(r"(?<![\d,.$])(?:FY\s?)?((?:19|20)\d\d)(?![\d,.]\d|\d|%)")
_HEADING_WORDS = re.compile(
    r"""\b(?:for|the|and|of|to|in|at|as|from|period|through|(?:fiscal\s)?years?|fiscal|ended|ending|weeks?|months?|three|six
    |nine|twelve|fifty-two|fifty-three|note|notes|change|percent|quarters?|usd|eur|gbp|rmb|us|\(?unaudited\)?|audited|fy
    |jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?
    |nov(?:ember)?|dec(?:ember)?|millions?|thousands?|billions?)\b""",
    re.IGNORECASE | re.VERBOSE,
)
_CURRENCIES = (
    ("HKD", re.compile(r"HK\$|Hong Kong dollars?", re.IGNORECASE)),
    ("CAD", re.compile(r"\bC\$|Canadian dollars?", re.IGNORECASE)),
    ("AUD", re.compile(r"\bA\$|Australian dollars?", re.IGNORECASE)),
    ("CNY", re.compile(r"\bRMB\b|\bCNY\b|renminbi", re.IGNORECASE)),
    ("JPY", re.compile(r"\bJPY\b|\byen\b", re.IGNORECASE)),
    ("EUR", re.compile(r"€|\bEUR\b|\beuros?\b", re.IGNORECASE)),
    ("GBP", re.compile(r"£|\bGBP\b", re.IGNORECASE)),
    ("USD", re.compile(r"\$|\bUSD\b|U\.S\. dollars?", re.IGNORECASE)),
)
SHORT = 120  # characters; a longer row is prose
_SHARES = re.compile(r"\bshares?\b", re.IGNORECASE)
_AMOUNTS = re.compile(r"[$€£¥]|\bdollars?\b|\bamounts?\b", re.IGNORECASE)
_ZEROS = re.compile(r"[$€£¥]?\s*\b000\b['’]?s?")
_BRACKETS = re.compile(r"\([^()]*\)")
NEAR = 3  # rows over which the years of one head may be spread
STRAY = 1  # words of a head that are none of its usual ones


class Figure(NamedTuple):
    """One number of a row; ``value`` in the scale as printed, 0 where a dash stands for nothing."""

    text: str
    value: Decimal
    start: int
    end: int
    percent: bool
    nil: bool


def figures(row: str) -> list[Figure]:
    """The numbers of ``row`` from left to right."""
    return [_figure(match) for match in _FIGURE.finditer(row)]


def _figure(match: re.Match[str]) -> Figure:
    if match["nil"]:
        return Figure(match["nil"].strip(), Decimal(0), match.start("nil"), match.end("nil"), False, True)
    value = Decimal(match["digits"].replace(",", ""))
    closed = bool(match["close"] and (match["open"] or match["open2"]))
    negative = bool(match["minus"]) or closed
    text = match.group()
    if match["close"] and not closed:  # of a bracket that opened earlier
        text = text[: match.start("close") - match.start()]
    percent = bool(match["percent"] or match["percent2"])
    return Figure(
        text.strip(), -value if negative else value, match.start(), match.start() + len(text), percent, False
    )


def columns(row: str) -> tuple[str, list[Figure]]:
    """(label, figures) of a row of a table: those that stand one after the other at its end."""
    found = figures(row)
    run: list[Figure] = []
    end = len(row)
    for figure in reversed(found):
        if not _BETWEEN.fullmatch(row[figure.end : end]):
            break
        run.append(figure)
        end = figure.start
    run.reverse()
    return (row[: run[0].start] if run else row), run


def parted(row: str) -> list[str]:
    """``row`` in the rows it was joined of: cut where letters follow on two or more figures."""
    found = figures(row)
    parts, start, run = [], 0, 0
    for one, following in itertools.pairwise(found):
        run += 1
        if re.search(r"[^\W\d]{2}", row[one.end : following.start]):
            if run >= 2:
                parts.append(row[start : one.end])
                start = one.end
            run = 0
    return [*parts, row[start:]]


def plain(label: str) -> str:
    """A label as it is compared: small letters, without footnotes, money signs and a colon at its end."""
    text = _FOOTNOTE.sub(" ", label.replace("’", "'").casefold())
    for dash in DASHES:
        text = text.replace(dash, "-")
    text = re.sub(r"[$€£¥|]|\.{3,}", " ", text)
    return " ".join(text.split()).strip(" :.,-_")


def scale_of(rows: Sequence[str]) -> str:
    """The first scale that ``rows`` state for money ("million"); empty where they state none."""
    for row in rows:
        for match in _SCALE.finditer(row):
            clause = re.split(r"[,;]|\bexcept\b", row[: match.end()])[-1]
            if _SHARES.search(clause) and not _AMOUNTS.search(clause):
                continue
            if match["word"]:
                return match["word"].casefold()
            return "thousand" if match["zeros"] else "million"
    return ""


def stated_scale(row: str) -> str:
    """The scale that a head, a short line or a bracket states; not that of an amount in prose."""
    bare = _ZEROS.sub("", row)
    if len(row) <= SHORT and (not figures(bare) or is_head(bare)):
        return scale_of([row])
    return scale_of([inside for inside in _BRACKETS.findall(row) if not figures(_ZEROS.sub("", inside))])


def currency_of(text: str) -> str:
    """ISO 4217 code of the one currency that ``text`` shows; empty for none. A bare $ is USD."""
    return next((code for code, sign in _CURRENCIES if sign.search(text)), "")


def years_in(text: str) -> list[int]:
    """Years of the text in order."""
    return [int(year) for year in _YEAR.findall(text)]


def is_head(row: str) -> bool:
    """Does this row name the years of columns, and hardly anything else?"""
    if not years_in(row):
        return False
    rest = _HEADING_WORDS.sub(" ", _YEAR.sub(" ", row))
    left = re.sub(r"\b\d{1,2}\b|[^\w]", " ", rest).split()
    return len(left) <= STRAY


def head_years(rows: Sequence[str], at: int) -> list[int]:
    """Years of the columns of row ``at``, in order, of the head nearest above it; empty for none."""
    for i in range(at - 1, -1, -1):
        if not is_head(rows[i]):
            continue
        found = years_in(rows[i])
        if len(found) > 1:
            return found
        first = i
        while first > max(i - NEAR * 2, 0) and is_head(rows[first - 1]):
            first -= 1
        spread = [year for row in rows[first : i + 1] for year in years_in(row)]
        return spread
    return []
