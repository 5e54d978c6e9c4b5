"""Secrets and personal data in text, replaced by placeholders: before anything is written down.

Found are API keys of known shapes, bearer tokens, JWTs, private key blocks, passwords (in URLs and where
they are set), e-mail addresses, telephone numbers, card numbers (ISO/IEC 7812, Luhn) and IBANs (ISO 13616).
Names and postal addresses are not. Every search takes time in proportion to the text, whatever stands in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

# Shapes that vendors document for their keys; each begins with a mark of its own.
_KEYS = re.compile(
    r"(?<![A-Za-z0-9_])(?:"
    r"sk-[A-Za-z0-9_-]{20,}+"
    r"|tw-[A-Za-z0-9_-]{43}"
    r"|(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}"
    r"|AIza[A-Za-z0-9_-]{35}"
    r"|ya29\.[A-Za-z0-9_-]{20,}+"
    r"|gh[pousr]_[A-Za-z0-9]{36,255}"
    r"|github_pat_[A-Za-z0-9_]{22,255}"
    r"|glpat-[A-Za-z0-9_-]{20,64}"
    r"|xox[abeprs]-[A-Za-z0-9-]{10,255}"
    r"|(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,128}"
    r"|whsec_[A-Za-z0-9+/=]{24,128}"
    r"|(?:npm|hf|gsk|pplx|fw|r8|dop_v1|shpat|lin_api)[_-][A-Za-z0-9]{30,128}"
    r"|[a-z]{2,4}-[A-Za-z0-9]{64,128}"
    r"|SG\.[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,64}"
    r"|pypi-[A-Za-z0-9_-]{50,255}"
    r"|[0-9]{8,10}:AA[A-Za-z0-9_-]{33}"
    r"|AGE-SECRET-KEY-1[A-Z0-9]{58}"
    r")(?![A-Za-z0-9_-])"
)
_JWT = re.compile(r"(?<![A-Za-z0-9_.-])eyJ[A-Za-z0-9_-]{10,}+(?:\.[A-Za-z0-9_-]*+){2,4}")
_BEARER = re.compile(
    r"(?i:(?<![a-z])(authorization\\?[\"']?\s{0,3}[:=]\s{0,3}\\?[\"']?)?\b(bearer|basic)[ \t]{1,3})"
    r"([A-Za-z0-9._~+/=-]{8,}+)"
)
_URL_PASSWORD = re.compile(
    r"(?<![A-Za-z0-9+.-])([A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s/:@\"'<>]{0,100}:)([^\s/@\"'<>]{1,200})(?=@)"
)
# A value that is set: quoted anywhere, or bare as in an environment file.
_SET = re.compile(
    r"(?i:((?:passwords?|passwd|passphrase|secret|secret[_-]?key|api[_-]?key|access[_-]?key|auth[_-]?token"
    r"|access[_-]?token|refresh[_-]?token|client[_-]?secret|account[_-]?key)"
    r"\\?[\"']?[ \t]{0,3}(?::|=>?)[ \t]{0,3}))"
    r"(?:\\?([\"'])([^\s\"'\\]{6,128})\\?\2|([^\s\"'\\,;(){}\[\]<>$]{6,128})(?=[\s,;]|$))"
)
_SET_WORDS = ("passw", "passphrase", "secret", "key", "token")  # one of them is in each of its names
_KEY_BLOCK = re.compile(r"-----BEGIN (?:[A-Z0-9]{1,16} ){0,4}PRIVATE KEY(?: BLOCK)?-----")
_KEY_BODY = re.compile(r"(?:[A-Za-z0-9+/=]{16,}|\\[nr]|\s)*+")
_EMAIL = re.compile(
    r"(?<![\w.%+-])([\w.%+-]{1,64})@((?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}[A-Za-z]{2,24})"
    r"(?![\w-])"
)
_DIGIT_RUN = re.compile(r"(?<![\w.+-])(?<!\d )\d(?:[ -]?\d){12,18}+(?!\d|[ -]\d|\.\d)(?![\w])")
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}+")
_PHONES = (
    # With its country's code: E.164, nine digits at least.
    re.compile(r"(?<![\w+])\+[1-9](?:[ ().-]{0,2}\d){8,14}+(?![\w])"),
    # As they are written in North America: (206) 555-0100, 206-555-0100, 206.555.0100.
    re.compile(r"(?<![\w.+-])(?:\([2-9]\d\d\) ?|[2-9]\d\d([-.]))[2-9]\d\d[-.]\d{4}(?![\w-]|\.\d)"),
    # With a leading 0 and something between its parts, as in most of Europe.
    re.compile(
        r"(?<![\w.+,:/-])(?<!\d )(?:\(0[1-9]\d{1,4}\)|0[1-9]\d{1,4})(?:/|[ -]{1,3})"
        r"\d{3,8}(?:[ -]\d{2,6}){0,3}+(?![\w:/-]|[.,]\d)"
    ),
    # In pairs, as in France.
    re.compile(r"(?<![\w.+,:/-])(?<!\d )0[1-9](?:([ .-])\d\d)(?:\1\d\d){3}(?![\w:/-]|[ .,-]\d)"),
)
_MANY_DIGITS = re.compile(r"\d(?:[ ()./-]{0,4}\d){5}")  # as in all numbers of accounts, cards and telephones
_IBAN_CHARS = {  # of the whole number, by country (SWIFT's IBAN registry)
    country: chars
    for chars, countries in {
        15: "NO", 16: "BE", 18: "DK FI FO GL NL SD", 19: "MK SI", 20: "AT BA EE KZ LT LU XK",
        21: "CH HR LI LV", 22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG", 25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HU LB NI PL SV", 29: "BR EG PS QA UA", 30: "JO KW MU", 31: "MT SC", 32: "LC",
        33: "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip
_NATIONAL_DIGITS = range(9, 13)
_ISSUERS = "23456"  # first digits of cards
PIECE = 16_384  # characters that are searched at once
_OWN = re.compile(r"\[[A-Z]+(?:_[A-Z]+)*_\d+\]")


class Redaction:
    """Redacts the texts of one capture: the same value gets the same placeholder in all of them."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], str] = {}
        self.counts: dict[str, int] = {}  # how many different values of each kind

    def redact(self, text: str) -> str:
        """``text`` with placeholders such as ``[EMAIL_1]``. Redacted again it stays as it is."""
        if "PRIVATE KEY" in text:
            text = self._key_blocks(text)
        if len(text) <= PIECE:
            return self._piece(text)
        return "".join([self._piece(each) for each in _pieces(text)])

    def _piece(self, text: str) -> str:
        low = text.lower()  # what most texts have nothing of is asked for first: that is cheap
        text = _KEYS.sub(self._whole("API_KEY"), text)
        if "eyJ" in text:
            text = _JWT.sub(self._whole("TOKEN"), text)
        if "bearer" in low or "basic" in low:
            text = _BEARER.sub(self._bearer, text)
        if "://" in text:
            text = _URL_PASSWORD.sub(lambda m: m[1] + self._put("PASSWORD", m[2]), text)
        if any(word in low for word in _SET_WORDS):
            text = _SET.sub(self._setting, text)
        if "@" in text:
            text = _EMAIL.sub(self._email, text)
        if _MANY_DIGITS.search(text) is not None:
            text = _IBAN.sub(self._iban, text)
            text = _DIGIT_RUN.sub(self._card, text)
            for pattern in _PHONES:
                text = pattern.sub(self._phone, text)
        return text

    def redact_json(self, value: Any) -> Any:
        """A JSON value with all its texts redacted, names of fields left as they are."""
        if isinstance(value, str):
            return self.redact(value)
        if isinstance(value, dict):
            return {name: self.redact_json(each) for name, each in value.items()}
        return [self.redact_json(each) for each in value] if isinstance(value, list) else value

    def _put(self, kind: str, value: str) -> str:
        if _OWN.fullmatch(value):
            return value
        found = self._known.get((kind, value))
        if found is None:
            number = self.counts[kind] = self.counts.get(kind, 0) + 1
            found = self._known[kind, value] = f"[{kind}_{number}]"
        return found

    def _whole(self, kind: str) -> Callable[[re.Match[str]], str]:
        return lambda found: self._put(kind, found[0])

    def _key_blocks(self, text: str) -> str:
        """Each from its first line to its last; of one that is cut off, what looks like a part of it."""
        parts, at, end = [], 0, 0
        while (begin := _KEY_BLOCK.search(text, at)) is not None:
            if end >= 0 and end < begin.end():
                end = text.find("-----END ", begin.end())
            close = text.find("-----", end + 9, end + 80) if end >= 0 else -1
            if close >= 0:
                stop = close + 5
            else:
                body = _KEY_BODY.match(text, begin.end())
                stop = body.end() if body is not None else begin.end()
            parts += [text[at : begin.start()], self._put("PRIVATE_KEY", text[begin.start() : stop])]
            at = stop
        return "".join((*parts, text[at:]))

    def _bearer(self, found: re.Match[str]) -> str:
        """Words follow ``bearer`` in prose: a token has digits, or stands in a header."""
        value = found[3]
        if not found[1] and (len(value) < 16 or not any(map(str.isdigit, value))):
            return found[0]
        return found[0][: found.start(3) - found.start()] + self._put("TOKEN", value)

    def _setting(self, found: re.Match[str]) -> str:
        bare = found[4]
        if bare is not None and not _looks_secret(bare):
            return found[0]
        group = 3 if bare is None else 4
        start, stop = found.start(group) - found.start(), found.end(group) - found.start()
        return found[0][:start] + self._put("PASSWORD", found[group]) + found[0][stop:]

    def _email(self, found: re.Match[str]) -> str:
        if found[1].lower() == "git":  # an address of repositories, not of a person
            return found[0]
        return self._put("EMAIL", found[0])

    def _iban(self, found: re.Match[str]) -> str:
        text = found[0]
        wanted = _IBAN_CHARS.get(text[:2])
        if wanted is None:
            return text
        chars, stop = 0, 0
        for stop, char in enumerate(text, start=1):  # noqa: B007 (where it ends is what is wanted)
            chars += char != " "
            if chars == wanted:
                break
        value = text[:stop].replace(" ", "")
        whole = chars == wanted and (stop == len(text) or text[stop] == " " or " " in text[:stop])
        if not whole or not _remainder_is_one(value):
            return text
        return self._put("IBAN", value) + text[stop:]

    def _card(self, found: re.Match[str]) -> str:
        digits = re.sub(r"\D", "", found[0])
        if digits[0] not in _ISSUERS or len(set(digits)) < 2 or not _luhn(digits):
            return found[0]
        return self._put("CARD", digits)

    def _phone(self, found: re.Match[str]) -> str:
        digits = re.sub(r"\D", "", found[0])
        if digits[0] == "0" and len(digits) not in _NATIONAL_DIGITS:
            return found[0]
        return self._put("PHONE", ("+" if found[0][0] == "+" else "") + digits)


def _pieces(text: str) -> Iterator[str]:
    """Whole lines, ``PIECE`` characters or more of them: one search at a time keeps other threads waiting."""
    start = 0
    while start < len(text):
        stop = text.find("\n", start + PIECE) + 1 or len(text)
        yield text[start:stop]
        start = stop


def _looks_secret(value: str) -> bool:
    """Not a word, a name of something or a call: a value with digits among letters."""
    return any(map(str.isdigit, value)) and any(map(str.isalpha, value))


def _luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        number = int(digit) << (place & 1)
        total += number - 9 if number > 9 else number
    return total % 10 == 0


def _remainder_is_one(iban: str) -> bool:
    return int("".join(str(int(char, 36)) for char in iban[4:] + iban[:4])) % 97 == 1
