"""Paragraphs of Markdown: its signs at the beginning of lines, code and addresses stay as they are."""

from __future__ import annotations

import re

from tokenworks.batches.recipes.translate.segment import LETTER, Document, Segment, Tag, protected, put

FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
LEAD = re.compile(  # quotes, lists, tasks, headings, footnotes: whatever stands before the words of a block
    r"(?:[ \t]*(?:>|[-*+](?=[ \t])|\d{1,9}[.)](?=[ \t])|\[[ xX]\](?=[ \t])|\#{1,6}(?=[ \t])"
    r"|\[\^[^\]\s]{1,100}\]:))*[ \t]*"
)
QUOTE = re.compile(r"[ \t]*(?:>[ \t]*)*")
DEFINITION = re.compile(r" {0,3}\[(?!\^)([^\]]+)\]:\s*\S+")
RULE = re.compile(r"[ \t>]*(?:[-=*_:|+][ \t]*)+")
ATX_END = re.compile(r"[ \t]+#+[ \t]*$")
SETEXT = re.compile(r" {0,3}(?:=+|-+)[ \t]*$")
BREAK = re.compile(r"(?: {2,}|\\)(?:\r\n|\n|\r)[ \t]*(?:>[ \t]*)*")
INLINE = re.compile(
    r"""(?P<code>(?<!`)(?P<ticks>`++).+?(?<!`)(?P=ticks)(?!`))
      | (?P<whole>!\[[^\]]{0,1000}\](?:\([^()\s]*(?:\([^()]*\)[^()]*)*(?:\s+"[^"]*")?\)|\[[^\]]*\])
          | \[\^[^\]\s]{1,100}\] | <[A-Za-z][\w+.-]*:[^\s>]*> | <[^\s@<>]+@[^\s<>]+> | <!--.*?-->
          | </?[A-Za-z][^<>]*> | \$\$.+?\$\$ | https?://[^\s)>\]]+)
      | \[(?P<label>(?:[^\[\]]|\[[^\[\]]*\])+)\]
          (?P<target>\((?:[^()\s]|\([^()]*\))*(?:\s+(?:"[^"]*"|'[^']*'))?\)
          | \[[^\[\]]*\])
    """,
    re.VERBOSE | re.DOTALL,
)
STARTS_BLOCK = re.compile(r"(?:\d{1,9}[.)]|[-+*#>]|#{1,6})(?=\s)")


def read(source: str) -> Document:
    """The paragraphs, headings, items and cells of ``source``, in order."""
    found: list[Segment] = []
    together: list[tuple[int, int]] = []  # lines of the paragraph so far, without what leads them
    fence, before_blank, front = "", True, source.startswith(("---\n", "---\r\n"))
    at = 0
    for number, line in enumerate(source.splitlines(keepends=True)):
        start, at = at, at + len(line)
        bare = line.rstrip("\r\n")
        if front and number:
            front = bare.strip() not in ("---", "...")
            continue
        fenced = FENCE.match(QUOTE.sub("", bare, count=1))
        if fence:
            if fenced and fenced.group(1).startswith(fence) and not bare.strip(" >\t`~"):
                fence = ""
            continue
        untouched = (
            fenced or front or DEFINITION.match(bare) or (before_blank and _indented(bare, found, source))
        )
        if untouched or not LETTER.search(bare):
            below = SETEXT.match(bare)
            found += _paragraph(source, together, 0 if not below else 1 if "=" in bare else 2)
            together = []
            fence = fenced.group(1) if fenced else ""
        elif "|" in bare and (bare.lstrip(" >").startswith("|") or _rule_below(source, at)):
            found += [*_paragraph(source, together), *_cells(source, start, bare)]
            together = []
        else:
            _line(source, start, bare, together, found)
        before_blank = bool(not bare.strip(" >\t") or (before_blank and untouched))
    return Document(source, (*found, *_paragraph(source, together)))


def write(segment: Segment, text: str) -> str:
    """A translated paragraph. Where its beginning would make a list or heading of it, that is escaped."""
    made = put(text, segment.tags, str)
    if STARTS_BLOCK.match(made) and not segment.text.startswith(made[:2]):
        sign = re.match(r"\d*", made)
        digits = sign.end() if sign else 0
        made = f"{made[:digits]}\\{made[digits:]}"
    return made


def _indented(bare: str, found: list[Segment], source: str) -> bool:
    """Code by its indent; within a list the indent only says where it belongs."""
    if not bare.startswith(("    ", "\t")):
        return False
    if not found:
        return True
    line_start = source.rfind("\n", 0, found[-1].start) + 1
    lead = source[line_start : found[-1].start]
    if not re.search(r"[-*+]|\d[.)]|:", lead) and not lead.startswith("  "):
        return True
    lead = re.sub(r"\[[ xX]\][ \t]+$", "", lead)
    indent = len(bare.expandtabs(4)) - len(bare.expandtabs(4).lstrip())
    return indent >= len(lead.expandtabs(4)) + 4  # of the item's own words


def _rule_below(source: str, at: int) -> bool:
    below = source[at : source.find("\n", at) if source.find("\n", at) >= 0 else len(source)]
    return "-" in below and "|" in below and RULE.fullmatch(below.strip()) is not None


def _line(source: str, start: int, bare: str, together: list[tuple[int, int]], found: list[Segment]) -> None:
    """Joins a line to the paragraph before it, or begins another."""
    lead = LEAD.match(bare)
    length = lead.end() if lead else 0
    quote = QUOTE.match(bare)
    quoted = bool(together) and ">" in source[source.rfind("\n", 0, together[0][0]) + 1 : together[0][0]]
    into = quote is not None and ">" in quote.group() and not quoted
    opens = length > (quote.end() if quote else 0) or not together or into
    if opens:
        found += _paragraph(source, together)
        together.clear()
    else:
        length = quote.end() if quote else 0
    heading = re.search(r"#{1,6}[ \t]*$", bare[:length]) if opens else None
    end = len(bare.rstrip())
    if heading and (closed := ATX_END.search(bare)):
        end = closed.start()
    together.append((start + length, start + end))
    if heading:
        found += _paragraph(source, together, len(heading.group().strip()))
        together.clear()


def _cells(source: str, start: int, bare: str) -> list[Segment]:
    found, at = [], 0
    for match in re.finditer(r"(?:\\\||`[^`]*`|[^|])+", bare):
        cell = match.group()
        at = match.start() + len(cell) - len(cell.lstrip(" \t>"))
        found += _paragraph(source, [(start + at, start + match.start() + len(cell.rstrip()))])
    return found


def _paragraph(source: str, spans: list[tuple[int, int]], level: int = 0) -> list[Segment]:
    if not spans:
        return []
    start, end = spans[0][0], spans[-1][1]
    tags: list[Tag] = []
    pieces = [source[low:high] for low, high in spans]
    if len(spans) > 1:  # a break that was meant stays one
        pieces = [
            piece + (brk.group() if (brk := BREAK.match(source, high)) else " ")
            if not piece.endswith("\\")
            else piece[:-1] + "\\" + source[high : spans[index + 1][0]]
            for index, ((_, high), piece) in enumerate(zip(spans, pieces, strict=True))
            if index + 1 < len(spans)
        ] + [pieces[-1]]
    text = _inline("".join(pieces), tags)
    if not LETTER.search(re.sub(r"<\d+/>", "", text)):
        return []
    return [Segment(start, end, text.strip(), tuple(tags), level if level <= 2 else 0)]


def _inline(text: str, tags: list[Tag]) -> str:
    """``text`` with code, addresses, images, links and meant breaks under numbers."""
    made: list[str] = []
    at = 0
    for match in INLINE.finditer(text):
        made.append(_words(text[at : match.start()], tags))
        if match["label"] is None:
            tags.append(Tag(match.group()))
            made.append(f"<{len(tags)}/>")
        else:
            tags.append(Tag("[", f"]{match['target']}"))
            number = len(tags)
            made.append(f"<{number}>{_inline(match['label'], tags)}</{number}>")
        at = match.end()
    return "".join([*made, _words(text[at:], tags)])


def _words(text: str, tags: list[Tag]) -> str:
    made: list[str] = []
    at = 0
    for match in BREAK.finditer(text):
        made.append(protected(text[at : match.start()], tags))
        tags.append(Tag(match.group()))
        made.append(f"<{len(tags)}/>")
        at = match.end()
    made.append(protected(text[at:], tags))
    return re.sub(r"\s+", " ", "".join(made))
