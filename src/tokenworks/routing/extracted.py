"""The final answer that a text comes to: "#### 42", \\boxed{…}, "the answer is (C)", or its last line."""

from __future__ import annotations

import re
import unicodedata

TAIL = 4000  # characters from the end that are searched
LONGEST = 200  # characters; what is longer is prose, no final answer
HASHES = re.compile(r"^#{4}[ \t]*(\S[^\n]*)$", re.MULTILINE)
SAID = re.compile(
    r"(?:final\s+answer|answer|result|solution)\s*(?:is|are|:|=)+\s*(?:\n\s*)?(?P<en>[^\n]+)"
    r"|(?:答案|结果|最终答案|结论)\s*(?:是|为|：|:)+\s*(?P<zh>[^\n。]+)"
    r"|(?:antwort|ergebnis|réponse|respuesta)\s*(?:ist|lautet|est|es|:)+\s*(?P<other>[^\n]+)",
    re.IGNORECASE,
)
OPTION = re.compile(r"^[(\[]?([A-Z])(?:[)\].:]|$)(?:\s|$|.*)", re.DOTALL)
BARE_OPTION = re.compile(r"^(?:option\s+|choice\s+)?[(\[]?([A-J])[)\]]?[.:]?(?:\s|$)", re.IGNORECASE)
NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?|[-+]?\.\d+")
WRAPS = (("**", "**"), ("__", "__"), ("`", "`"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]"), ('"', '"'))
TEXT = re.compile(r"\\(?:text|mathrm|mathbf|textbf|operatorname)\s*\{([^{}]*)\}")
FRACTION = re.compile(r"\\[dt]?frac\s*\{([^{}]+)\}\s*\{([^{}]+)\}")
UNITS = re.compile(r"(?<=\d)\s*(?:dollars?|euros?|percent|degrees?|units?|%|°)\s*$", re.IGNORECASE)


def final(text: str) -> str | None:
    """The answer as it stands there, without its wrapping; None where the text comes to none.

    A mark decides before a sentence, a sentence before a last line that is short.
    """
    tail = text[-TAIL:].strip()
    if not tail:
        return None
    marked = boxed(tail)
    if marked is None and (hashes := HASHES.findall(tail)):
        marked = hashes[-1]
    if marked is None and (said := list(SAID.finditer(tail))):
        marked = next(filter(None, said[-1].groups()))
    if marked is None:
        last = tail.splitlines()[-1]
        marked = (
            last
            if not last.startswith("```")
            and len(last) <= (LONGEST // 2 if len(tail.splitlines()) > 1 else 40)
            else None
        )
    if marked is None or len(marked) > LONGEST:
        return None
    return unwrapped(marked) or None


def boxed(text: str) -> str | None:
    """What stands in the last \\boxed{…}, with its braces balanced."""
    start = max(text.rfind("\\boxed{"), text.rfind("\\fbox{"))
    if start < 0:
        return None
    begin = text.index("{", start) + 1
    depth = 1
    for at in range(begin, len(text)):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if depth == 0:
            return text[begin:at]
    return None


def unwrapped(answer: str) -> str:
    """Without marks of Markdown and LaTeX around it, and without its full stop."""
    answer = answer.strip()
    while True:
        before = answer
        answer = answer.strip().rstrip(".。;,").lstrip(":：").strip()
        for left, right in WRAPS:
            if answer.startswith(left) and answer.endswith(right) and len(answer) > len(left) + len(right):
                answer = answer[len(left) : -len(right)].strip()
        if answer.count("**") == 1:  # "**Answer: 42**", of which the beginning is gone
            answer = answer.replace("**", "")
        if answer == before:
            return answer


def canonical(answer: str) -> str:
    """One spelling for answers that are the same: numbers as numbers, options as letters, else plain text."""
    plain = unicodedata.normalize("NFKC", unwrapped(answer))
    plain = TEXT.sub(r"\1", plain).replace("\\left", "").replace("\\right", "").replace("\\!", "")
    plain = FRACTION.sub(r"(\1)/(\2)", plain)
    number = numeric(plain)
    if number is not None:
        return f"{number:.10g}"
    option = OPTION.match(plain) or BARE_OPTION.match(plain)
    if option and (len(plain) <= 3 or plain[1:2] in ").:" or plain[:1] in "(["):
        return option[1].upper()
    return re.sub(r"[\s$\\{}]+", "", plain).casefold()


def numeric(answer: str) -> float | None:
    """The number that ``answer`` is, with a currency or a unit at most; None for anything else."""
    bare = UNITS.sub("", answer.strip().lstrip("$€£¥").strip())
    if NUMBER.fullmatch(bare):
        return float(bare.replace(",", ""))
    over = re.fullmatch(r"\(?([-+]?\d+)\)?\s*/\s*\(?(\d+)\)?", bare)
    if over and int(over[2]):
        return int(over[1]) / int(over[2])
    return None
