"""Is HTML or XML well formed? HTML as people write it: tags that may be left open are."""

from __future__ import annotations

import re
from xml.parsers import expat

_VOID_TAGS = "area base br col embed hr img input link meta param source track wbr"
_OPEN_TAGS = "html head body p li dt dd rt rp optgroup option colgroup caption thead tbody tfoot tr td th"
_VOID, _OPEN = frozenset(_VOID_TAGS.split()), frozenset(_OPEN_TAGS.split())


# Linear in the length of the text, which the parser of the standard library isn't for broken tags.
_TAG = re.compile(
    r"""<!--.*?(?:-->|\Z)|<(?P<end>/?)(?P<name>[a-z][a-z0-9:-]*)(?P<rest>(?:[^<>"']|"[^"]*"|'[^']*')*)>""",
    re.IGNORECASE | re.DOTALL,
)
_RAW = frozenset(("script", "style", "textarea", "title"))  # no tags inside


def html_fault(code: str) -> str:
    """The first tag without its partner, with its line; empty where all have theirs."""
    stack: list[tuple[str, int]] = []
    seen, at = False, 0
    while tag := _TAG.search(code, at):
        at = tag.end()
        if tag["name"] is None:
            continue
        seen = True
        name = tag["name"].lower()
        if name in _VOID or (not tag["end"] and tag["rest"].endswith("/")):
            continue
        if tag["end"]:
            if wrong := _closed(stack, name, code, tag.start()):
                return wrong
            continue
        stack.append((name, tag.start()))
        if name in _RAW:
            end = re.compile(rf"</{name}(?![a-z0-9:-])", re.IGNORECASE).search(code, at)
            at = end.start() if end else len(code)
    if not seen:
        return "there is no tag in it"
    left = next((one for one in reversed(stack) if one[0] not in _OPEN), None)
    return f"<{left[0]}> in line {_line(code, left[1])} is never closed" if left else ""


def _closed(stack: list[tuple[str, int]], name: str, code: str, where: int) -> str:
    """Takes from ``stack`` what ``</name>`` closes; says so where it closes nothing."""
    at = len(stack)
    while at and stack[at - 1][0] != name and stack[at - 1][0] in _OPEN:
        at -= 1
    if at and stack[at - 1][0] == name:
        del stack[at - 1 :]
    elif name not in _OPEN:
        left = f", <{stack[-1][0]}> of line {_line(code, stack[-1][1])} is open" if stack else ""
        return f"</{name}> in line {_line(code, where)} without <{name}>{left}"
    return ""


def _line(code: str, at: int) -> int:
    return code.count("\n", 0, at) + 1


def xml_fault(code: str) -> str:
    """What a parser of XML says; empty where nothing is wrong. Nothing outside the text is read."""
    try:
        expat.ParserCreate().Parse(code.encode("utf-8", "replace"), True)
    except expat.ExpatError as error:
        return f"{expat.ErrorString(error.code)} in line {error.lineno}"
    return ""
