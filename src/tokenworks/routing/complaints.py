"""What a program's output complains of: how many failures, and which ones, in words that stay the same.

Two runs of one failure differ in line numbers, addresses, times and paths; these are taken out.
"""

from __future__ import annotations

import re

_CHARACTERS, _LINES = 3000, 60  # of the end of an output are read
_AROUND = 6  # telling lines before a summary that may be another one
_NAMING = 16  # telling lines that are looked through for names
_MARKS = 6  # at most, of one failure


def _apart(text: str) -> list[str]:
    return text.split("|")


# One of these is in every line that counts or names failures.
_WORDS = _apart(
    "fail|error|exception|fatal|panic|not ok|***|passed|passing|●|.go:|problem|test|interrupt|exit"
    "|timeout|warning"
    "|错误|エラー|fehler|ошибка|erreur|symbol"
)
# Summaries of test runners, builds and linters: what failed, counted.
_COUNTS = re.compile(
    r"\b(\d+) (?:failed|failures?|failing|errors?|problems?)\b|\b(?:failed|failures|errors)\s?[:=]\s*(\d+)",
)
_PASSED = re.compile(r"\d+ (?:passed|passing)|test result: ok|^OK\b")
# A line that names a failure: how it begins, or what is in it.
_VERDICT = re.compile(
    r"\s*(?:FAIL(?:ED|URE)?\b(?! \d*%)|--- FAIL|not ok\b|E {2,}\w|ERROR\b|error(?:\[\w+\])?:"
    r"|npm (?:ERR!|error)"
    r"|panic:|fatal(?: error)?:|● .+ › |Error: |\[ERROR\]|(?:错误|エラー|Fehler|Ошибка|Erreur|error)\s?[:：]"
    r"|\S+\.go:\d+:\d+: |\w+\.\w+:\d+ )",
    re.IGNORECASE,
)
_INSIDE = _apart(": error:|: fatal error:|): error |build fail|*** |cannot find symbol|... fail|错误：")
_HARMLESS = re.compile(
    r"\b(?:0|no) (?:errors?|failures?|failed|failing|problems?)\b|\bwarning\b|\bPASS(?:ED)?\b|\bok$", re.I
)
_EXCEPTION = re.compile(
    r"^(?:E {2,})?[A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt|Fault|DoesNotExist|Warning|Violation"
    r"|Timeout)\b"
)
_COMPLAINT = re.compile(
    r"^(?:/\S+/)?(?:(?:ba|z|da|k)?sh|make|gmake|fatal|error(?:\[\w+\])?|ERROR|FATAL(?: ERROR)?|E|panic"
    r"|npm ERR!|npm error"
    r"|Error|错误|致命错误|エラー|Fehler|Ошибка|Erreur|\[ERROR\]|curl|wget|ssh|docker|git|pip|cargo)"
    r"(?:\[\d+\])?(?:: (?:line \d+: )?|\s?[:：] ?|!? )(?!\d+$)\S"
    r"|segmentation fault(?: \(core dumped\))?$|core dumped\)$|^Killed$|command not found"
    r"|is not recognized as|unrecognized service|not been booted|BUILD FAILURE"
    r"|BUILD FAILED|timed out|permission denied|^(?:Failed to|Cannot|Can't|Could not|Couldn't|Unable to"
    r"|No such|Unknown) |失败[:：]|未识别|未找到|没有那个|^\w+Error: |no such file or directory",
    re.IGNORECASE | re.MULTILINE,
)
_TRACEBACK = "Traceback (most recent call last)"

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_TIME = re.compile(
    r"\b\d+(?:\.\d+)?\s?(?:ms|s|µs|ns|min|seconds?|minutes?)\b|\b\d\d:\d\d(?::\d\d)?(?:\.\d+)?\b"
)
_HEX = re.compile(r"\b0x[0-9a-f]+\b|\b(?=[0-9a-f]*\d)[0-9a-f]{6,}\b", re.IGNORECASE)
_URL = re.compile(r"\bhttps?://\S+")
_PATH = re.compile(r"(?:[\w.~-]*/)+([\w.-]*)")
_DIGITS = re.compile(r"\d+")
_PLACE = re.compile(r"^(?:-->\s*)?(\S+?\.\w+)(?:[:(]\d+(?:[:,]\d+)?\)?)+:?\s*(.*)$")
# What a message is about: guessing another name at the same place is the same failure.
_NAMED = re.compile(r"['\"`‘“].*|\w+(?:[._:]+\w+)+\(?\)?")
_TEST_ID = re.compile(
    r"(?:FAILED|FAIL:|ERROR|--- FAIL:|●)\s+([^\s(]+(?:\s›\s.+)?)|^(\S+) \(.+\) \.\.\. FAIL"
    r"|^\[ERROR\]\s+(\w+\.\w+):"
)


def telling_of(text: str) -> list[str]:
    """The lines at the end of ``text`` that may count or name failures: found by plain words, for speed."""
    low = text[-_CHARACTERS:].lower()
    words = [word for word in _WORDS if word in low]
    if not words:
        return []
    return [line for line in _end(text) if line and any(word in line.lower() for word in words)]


def failing_of(telling: list[str]) -> int | None:
    """How many tests or errors these lines count; 0: none, by their own words; None: they don't say."""
    worst: int | None = None
    verdicts, red, left = 0, False, len(telling)
    for line in reversed(telling):
        if left <= 0:
            break
        left -= 1
        low = line.lower()
        counts = []
        if "fail" in low or "error" in low or "problem" in low:
            counts = [int(found.group(1) or found.group(2)) for found in _COUNTS.finditer(low)]
        if counts or (("pass" in low or "ok" in low) and _PASSED.search(line)):
            worst = max(worst or 0, *counts, 0)
            left = min(left, _AROUND)
        if _verdict(line) and not _HARMLESS.search(line):
            verdicts += 1
            red = red or "FAIL" in line
    if worst:
        return worst
    return 0 if worst == 0 and not red else verdicts or worst


def _verdict(line: str) -> bool:
    if _VERDICT.match(line):
        return True
    low = line.lower()
    return any(words in low for words in _INSIDE)


def complaint(text: str) -> bool:
    """Whether a program's output ends in a complaint of its own, where no exit code is told."""
    end = text[-1500:].rstrip()
    at = end.rfind(_TRACEBACK)
    if at >= 0 and (at == 0 or end[at - 1] == "\n") and "\n  File " in end[at:]:
        return _EXCEPTION.match(end.rsplit("\n", 1)[-1]) is not None
    return _COMPLAINT.search("\n".join(end.split("\n")[-6:])) is not None


def marks_of(telling: list[str], text: str, program: str) -> frozenset[str]:
    """What tells this failure from others: names of tests, else places, exceptions and messages."""
    named = [found for line in telling[-_NAMING:] if (found := _TEST_ID.search(line))]
    tests = {_plain(next(filter(None, found.groups()))) for found in named}
    tests -= {"", "in"}
    if tests:
        return frozenset(f"test {one}" for one in sorted(tests)[:_MARKS])
    lines = [line for line in telling[-_NAMING:] if _verdict(line) or _EXCEPTION.match(line)]
    if not lines:
        lines = [line for line in _end(text) if line.strip()][-3:]
    return frozenset([mark for line in lines[-_MARKS:] if (mark := _mark(line))] or [f"silent {program}"])


def timeless(text: str) -> str:
    """``text`` without clock times and durations."""
    return _TIME.sub("", text)


def _end(text: str) -> list[str]:
    text = text[-_CHARACTERS:]
    if "\x1b" in text:
        text = _ANSI.sub("", text)
    return text.split("\n")[-_LINES:]


def _mark(line: str) -> str:
    """One line without what changes from run to run. Of a message about a place: the place and what it is."""
    line = line.strip()[:300]
    place = _PLACE.match(line)
    if place:
        words = [_plain(_NAMED.sub("_", word)) for word in place.group(2).split()[:4]]
        return " ".join((_plain(place.group(1)), *words))
    return _plain(line)


def _plain(text: str) -> str:
    text = text[:200]
    if "/" in text:
        text = _PATH.sub(r"\1", _URL.sub("url", text))
    return _DIGITS.sub("0", _HEX.sub("0", _TIME.sub("", text))).strip().lower()
