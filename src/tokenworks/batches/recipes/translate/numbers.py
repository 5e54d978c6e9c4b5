"""Numbers of a paragraph, and which of them its translation lost."""

from __future__ import annotations

import re
import unicodedata

SPELT = 12  # up to here a number may come out as a word
_GROUPED = r"\d{1,3}(?:[.,'’\u00a0\u202f\u2009 ]\d{3}(?!\d))+"
_NUMBER = re.compile(rf"(?<!\d){_GROUPED}(?:[.,]\d+)?|\d++(?:[.,]\d++)?")
_WIDE_UNIT = re.compile(r"(?<![\d.])(\d++(?:\.\d++)?)\s*([百千万萬億亿兆조억만천백]{1,2})")
_UNITS = {  # how many zeros each is
    "百": 2, "千": 3, "万": 4, "萬": 4, "億": 8, "亿": 8, "兆": 12,
    "백": 2, "천": 3, "만": 4, "억": 8, "조": 12,
}  # fmt: skip
_HAN_NUMBER = re.compile(r"[〇零一二三四五六七八九十百千万萬亿億两]{1,40}")
_HAN = {sign: value for value, sign in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_HAN_SMALL = {"十": 10, "百": 100, "千": 1000}
_HAN_LARGE = {"万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8}


def lost(source: str, said: str) -> list[str]:
    """Numbers of ``source`` that ``said`` has not, as they stand there. 1,000 and 1.000 are the same."""
    there = _values(said)
    if not re.search(r"\d", source):
        return []
    missing = []
    for match in _NUMBER.finditer(_ascii(source)):
        number = match.group()
        digits = _digits(number)
        if (len(digits) < 3 and int(digits) <= SPELT) or digits in there:
            continue
        apart = [] if re.match(_GROUPED, number) else re.split(r"\D", number)
        if len(apart) > 1 and all(_digits(part) in there for part in apart):
            continue  # written apart: 12.45 as "12 o'clock 45", a date
        decade = len(digits) == 4 and source[match.end() : match.end() + 2].strip("’'")[:1] == "s"
        if decade and digits[2:] in there:
            continue
        missing.append(number)
    return missing


def _ascii(text: str) -> str:
    """Digits of other scripts as ours."""
    if text.isascii():
        return text
    return "".join(str(unicodedata.digit(s)) if not s.isascii() and s.isdecimal() else s for s in text)


def _digits(number: str) -> str:
    return re.sub(r"\D", "", number).lstrip("0") or "0"


def _values(text: str) -> set[str]:
    text = _ascii(text)
    found = {_digits(match.group()) for match in _NUMBER.finditer(text)}
    found |= {_digits(part) for part in re.findall(r"\d+", text)}
    for number, units in _WIDE_UNIT.findall(text):
        zeros = sum(_UNITS[unit] for unit in units)
        whole, _, rest = number.partition(".")
        if len(rest) <= zeros:
            found.add(_digits(whole + rest + "0" * (zeros - len(rest))))
    for match in _HAN_NUMBER.finditer(text):
        found.add(str(han_value(match.group())))
    return found


def han_value(text: str) -> int:
    """A number in ideographs: 一千二百 is 1200, 一八一三 is 1813."""
    if not any(sign in _HAN_SMALL or sign in _HAN_LARGE for sign in text):
        return int("".join(str(_HAN[sign]) for sign in text))
    total = part = digit = 0
    for sign in text:
        if sign in _HAN:
            digit = _HAN[sign]
        elif sign in _HAN_SMALL:
            part, digit = part + (digit or 1) * _HAN_SMALL[sign], 0
        else:
            total, part, digit = (total + part + digit or 1) * _HAN_LARGE[sign], 0, 0
    return total + part + digit
