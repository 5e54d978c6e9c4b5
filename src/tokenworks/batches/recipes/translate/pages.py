"""What a page says of itself: its language and its encoding."""

from __future__ import annotations

import re

from tokenworks.batches.recipes.translate.languages import FROM_THE_RIGHT, base
from tokenworks.batches.recipes.translate.markup import tokens
from tokenworks.batches.recipes.translate.segment import replaced

_LANGUAGE = re.compile(r"""(\s)((?:xml:)?lang)\s*=\s*(?:"[^"]*"|'[^']*'|[^\s>/]+)""", re.IGNORECASE)
_DIRECTION = re.compile(r"""\sdir\s*=\s*(?:"[^"]*"|'[^']*'|[^\s>/]+)""", re.IGNORECASE)
_CHARSET = re.compile(r"""(charset\s*=\s*["']?)([\w.:-]+)""", re.IGNORECASE)
_ENCODING = re.compile(r"""(\sencoding\s*=\s*["'])([\w.:-]+)""", re.IGNORECASE)
HEAD = 16_384  # characters in which they stand


def with_language(source: str, language: str, *, xml: bool) -> str:
    """The page says that it is in ``language``."""
    for token in tokens(source[:HEAD]):
        if token.name == "html" and token.kind == "start":
            tag = source[token.start : token.end]
            if _LANGUAGE.search(tag):
                new = _LANGUAGE.sub(rf'\1\2="{language}"', tag)
            else:
                both = f' lang="{language}"' + (f' xml:lang="{language}"' if xml else "")
                new = f"{tag[:5]}{both}{tag[5:]}"
            return replaced(source, [(token.start, token.end, _directed(new, language))])
    return source


def _directed(tag: str, language: str) -> str:
    """Says where lines begin, where that is the right, or was."""
    right = base(language) in FROM_THE_RIGHT
    if _DIRECTION.search(tag):
        return _DIRECTION.sub(f' dir="{"rtl" if right else "ltr"}"', tag)
    return f'{tag[:5]} dir="rtl"{tag[5:]}' if right else tag


def in_utf8(source: str) -> str:
    """The page says that it is in UTF-8, where it says anything."""
    spans = []
    for token in tokens(source[:HEAD]):
        piece = source[token.start : token.end]
        where = _CHARSET if token.name == "meta" else _ENCODING if piece.startswith("<?xml ") else None
        if where is not None and (found := where.search(piece)):
            spans.append((token.start + found.start(2), token.start + found.end(2), "utf-8"))
    same = [span for span in spans if source[span[0] : span[1]].lower() != "utf-8"]
    return replaced(source, same)
