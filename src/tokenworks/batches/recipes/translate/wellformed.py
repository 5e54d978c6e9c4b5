"""Broken XHTML made well formed: tags closed, attributes quoted, signs that XML does not know replaced."""

from __future__ import annotations

import html
import re
from collections import Counter
from html.entities import html5
from xml.parsers import expat

from tokenworks.batches.recipes.translate.markup import ATTRIBUTE, VOID, Token, attributes, tokens

_NAME = re.compile(r"[A-Za-z_][\w.-]*(?::[A-Za-z_][\w.-]*)?")
_ENTITY = re.compile(r"&(?:#(\d{1,7});|#[xX]([0-9a-fA-F]{1,6});|([A-Za-z][A-Za-z0-9]*);?)?")
_OF_XML = frozenset(("amp", "lt", "gt", "quot", "apos"))
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ENCODING = re.compile(r"""(<\?xml[^>]*?\sencoding\s*=\s*)(["'])[^"']*\2""")
_NO_TEXT = re.compile(r"<!--.*?-->|<!\[CDATA\[.*?\]\]>|<\?.*?\?>", re.DOTALL)
_PROLOGUE = re.compile(r"<\?xml[^>]*>|<!doctype[^>]*>|</?(?:html|body)\b[^>]*>", re.IGNORECASE)
_SPACES = {
    "epub": "http://www.idpf.org/2007/ops",
    "xlink": "http://www.w3.org/1999/xlink",
    "svg": "http://www.w3.org/2000/svg",
    "m": "http://www.w3.org/1998/Math/MathML",
    "mml": "http://www.w3.org/1998/Math/MathML",
    "dc": "http://purl.org/dc/elements/1.1/",
    "opf": "http://www.idpf.org/2007/opf",
}
# What an element of the same name, or of these, that begins ends: nobody writes </p> before the next <p>.
_ENDS = {
    "li": {"li", "p"}, "dt": {"dt", "dd", "p"}, "dd": {"dt", "dd", "p"}, "tr": {"tr", "td", "th", "p"},
    "td": {"td", "th", "p"}, "th": {"td", "th", "p"}, "option": {"option"},
    **{name: {"p"} for name in ("p", "div", "ul", "ol", "table", "blockquote", "h1", "h2", "h3", "h4", "h5",
                                "h6", "section", "pre", "hr", "figure", "aside")},
}  # fmt: skip


def fault(source: str) -> str:
    """Why ``source`` is no well-formed XML, in one line; empty where it is."""
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.UseForeignDTD(True)  # then the names of signs that a document type would tell are no fault
    try:
        parser.Parse(_ENCODING.sub(r"\1\2utf-8\2", source, count=1).encode("utf-8", "surrogatepass"), True)
    except expat.ExpatError as error:
        return f"line {error.lineno}: {expat.ErrorString(error.code)}"
    known = (
        _OF_XML if "<!DOCTYPE" not in source[:2000] else {*_OF_XML, *(n[:-1] for n in html5 if n[-1] == ";")}
    )
    for name in set(re.findall(r"&([A-Za-z]\w*);", _NO_TEXT.sub("", source))):
        if name not in known:
            return f"it names a sign that XML does not know: &{name};"
    return ""


def repaired(source: str, *, page: bool = True) -> str:
    """The same document well formed. Nothing that people read is lost. ``page``: it is XHTML."""
    source = _ILLEGAL.sub("", source).lstrip()
    void = VOID if page else frozenset()
    told = tokens(source, void)
    if page and next((each.name for each in told if each.kind in ("start", "empty")), "") != "html":
        source = f"<html><head><title>-</title></head><body>{_PROLOGUE.sub('', source)}</body></html>"
        told = tokens(source, void)
    root = next((source[t.start : t.end] for t in told if t.kind in ("start", "empty")), "")
    own = {name[6:] for name, value in attributes(root).items() if name.startswith("xmlns:") and value}
    used = {name for name in _SPACES if re.search(rf"[\s</]{name}:", source)}
    known = own | used
    made: list[str] = []
    inside = _Inside(made)
    rooted = False
    for token in told:
        piece = source[token.start : token.end]
        if token.kind in ("start", "empty"):
            if rooted and not inside:
                continue  # a second root; what is in it goes to where the first has ended
            inside.before(token.name)
            made.append(_tag(piece, token, known, set() if rooted else used - own))
            rooted = True
            if token.kind == "start":
                inside.begin(token.name, _written(piece, known))
        elif token.kind == "end":
            inside.end(token.name)
        elif token.kind == "aside":
            made.append(_aside(piece, rooted))
        elif inside:
            made.append(_entities(piece).replace("<", "&lt;").replace("]]>", "]]&gt;"))
    inside.end_all()
    return "".join(made)


def _written(tag: str, known: set[str]) -> str:
    found = _NAME.match(tag, 1)
    name = found.group() if found else "span"
    prefix, mark, local = name.partition(":")
    return name if not mark or prefix in known else local


class _Inside:
    """Elements that are open, from the outermost in."""

    def __init__(self, made: list[str]) -> None:
        self._made = made
        self._open: list[tuple[str, str]] = []  # name in small letters, and as it was written
        self._names: Counter[str] = Counter()

    def __bool__(self) -> bool:
        return bool(self._open)

    def begin(self, name: str, written: str) -> None:
        self._open.append((name, written))
        self._names[name] += 1

    def before(self, name: str) -> None:
        """Ends what an element of that name ends by beginning."""
        ended = _ENDS.get(name, set())
        while len(self._open) > 1 and self._open[-1][0] in ended:
            self._pop()

    def end(self, name: str) -> None:
        """Ends the innermost element of that name and all within it; an end of nothing is dropped."""
        if name in ("html", "body") or not self._names[name]:
            return  # those two end where the document does: some have more behind them
        while self._pop() != name:
            pass

    def end_all(self) -> None:
        while self._open:
            self._pop()

    def _pop(self) -> str:
        name, written = self._open.pop()
        self._names[name] -= 1
        self._made.append(f"</{written}>")
        return name


def _tag(piece: str, token: Token, known: set[str], spaces: set[str]) -> str:
    """The tag with its attributes quoted, each once; ``spaces`` are prefixes that it must explain."""
    found = _NAME.match(piece, 1)
    name = _written(piece, known)
    told: dict[str, str] = {}
    body = piece[found.end() if found else 1 :].rstrip(">").rstrip("/")
    for each, double, single, bare in ATTRIBUTE.findall(body):
        prefix, mark, local = each.partition(":")
        value = _entities(double or single or bare).replace("<", "&lt;").replace('"', "&quot;")
        fits = not mark or prefix in ("xml", *known)
        explains = prefix == "xmlns" and mark and value and local not in ("xml", "xmlns")
        if _NAME.fullmatch(each) and (value if each == "xmlns" else fits or explains):
            told.setdefault(each, value or ("" if f"{each}=" in body else each))
    told |= {f"xmlns:{each}": _SPACES[each] for each in sorted(spaces)}
    if token.name == "html":
        told.setdefault("xmlns", "http://www.w3.org/1999/xhtml")
    words = "".join(f' {each}="{value}"' for each, value in told.items())
    return f"<{name}{words}/>" if token.kind == "empty" else f"<{name}{words}>"


def _aside(piece: str, rooted: bool) -> str:
    if piece.startswith("<!--"):
        inner = piece[4:].removesuffix("-->").replace("--", "- -")
        return f"<!--{inner}{' ' if inner.endswith('-') else ''}-->"
    if piece.startswith("<![CDATA["):
        inner = piece[9:].removesuffix("]]>")
        return html.escape(inner, quote=False) if rooted else ""
    if piece.startswith("<?xml") or (piece[:9].upper() == "<!DOCTYPE" and not rooted):
        return "" if rooted else _declaration(piece)
    return ""


def _declaration(piece: str) -> str:
    if piece.startswith("<?xml "):
        return '<?xml version="1.0" encoding="utf-8"?>'
    return "<!DOCTYPE html>" if re.match(r"<!doctype\s+html", piece, re.IGNORECASE) else ""


def _entities(text: str) -> str:
    """Names of signs that XML lacks become the signs, an ampersand that begins none is written out."""

    def sign(match: re.Match[str]) -> str:
        decimal, hexadecimal, name = match.groups()
        if decimal or hexadecimal:
            number = int(decimal) if decimal else int(hexadecimal, 16)
            legal = number in (9, 10, 13) or 32 <= number < 0xD800 or 0xE000 <= number < 0xFFFE
            return match.group() if legal or 0x10000 <= number < 0x110000 else ""
        if name in _OF_XML and match.group().endswith(";"):
            return match.group()
        known = html5.get(f"{name};") if name and match.group().endswith(";") else None
        return html.escape(known, quote=False) if known else "&amp;" + match.group()[1:]

    return _ENTITY.sub(sign, text)
