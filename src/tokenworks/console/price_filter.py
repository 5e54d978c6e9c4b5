"""Which endpoints the list of prices shows, in which order, and which page of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from tokenworks.console.ordering import Sheet
from tokenworks.console.price_list import Listed
from tokenworks.console.price_use import Speed, Use, Used

PAGE = 50
MAX_TEXT = 200
DEFAULT_SORT = "-tokens"  # what is used stands first, then what can be called
MODALITIES = ("text", "image", "file", "audio", "video")


class Line(msgspec.Struct, frozen=True):
    """One endpoint with what is known of it."""

    listed: Listed
    use: Use
    speed: Speed


Value = str | float | None
# Column → what it is sorted by; None comes last in either order.
COLUMNS: Mapping[str, Callable[[Line], Value]] = {
    "model": lambda line: line.listed.model.id.lower(),
    "author": lambda line: line.listed.model.author.lower(),
    "context": lambda line: line.listed.endpoint.context_length,
    "provider": lambda line: line.listed.title.lower(),
    "input": lambda line: price.input_mtok if (price := line.listed.price) else None,
    "cached": lambda line: price.cache_read_mtok if (price := line.listed.price) else None,
    "output": lambda line: price.output_mtok if (price := line.listed.price) else None,
    "ttft": lambda line: line.speed.ttft_s,
    "rate": lambda line: line.speed.tokens_per_s,
    "uptime": lambda line: line.speed.uptime,
    "tokens": lambda line: line.use.tokens or None,
    "paid": lambda line: line.use.paid_mtok,
}


class Wanted(msgspec.Struct, frozen=True):
    """What was asked for; empty: everything."""

    q: str = ""
    mine: bool = False
    author: str = ""
    provider: str = ""  # its name
    modality: str = ""
    tools: bool = False
    max_price: float | None = None  # $ per million of input
    sort: str = DEFAULT_SORT  # a column; with "-" before it the largest first
    page: int = 1

    @property
    def narrowed(self) -> bool:
        """Whether anything is left out."""
        return bool(self.q or self.author or self.provider or self.modality or self.tools) or (
            self.max_price is not None or self.mine
        )


class Page(msgspec.Struct, frozen=True):
    """A part of the list."""

    lines: Sequence[Line]
    sheet: Sheet


def read(query: Mapping[str, str]) -> Wanted:
    """What a URL's ``query`` asks for; what can't be read is left out."""
    sort = query.get("sort", "")
    whole = query.get("page", "")
    modality = query.get("modality", "")
    return Wanted(
        q=query.get("q", "").strip()[:MAX_TEXT],
        mine=bool(query.get("mine")),
        author=query.get("author", "").strip()[:MAX_TEXT],
        provider=query.get("provider", "").strip()[:MAX_TEXT],
        modality=modality if modality in MODALITIES else "",
        tools=bool(query.get("tools")),
        max_price=_price(query.get("max_price", "")),
        sort=sort if sort.removeprefix("-") in COLUMNS else DEFAULT_SORT,
        page=max(int(whole), 1) if whole.isascii() and whole.isdigit() and len(whole) < 7 else 1,
    )


def select(rows: Sequence[Listed], wanted: Wanted) -> list[Listed]:
    """The rows that ``wanted`` lets in."""
    return [row for row in rows if _fits(row, wanted)]


def page(rows: Sequence[Listed], used: Used, wanted: Wanted) -> Page:
    """``rows`` in order, and the page of them that is asked for; the last one where there are fewer."""
    lines = [Line(row, used.use_of(row.endpoint), used.speed_of(row.endpoint)) for row in rows]
    key = COLUMNS[wanted.sort.removeprefix("-")]
    lines.sort(key=_usual)
    known = [line for line in lines if key(line) is not None]
    known.sort(key=lambda line: _ranked(key(line)), reverse=wanted.sort.startswith("-"))
    lines = [*known, *(line for line in lines if key(line) is None)]
    sheet = Sheet(len(lines), wanted.page, PAGE)
    return Page(lines[sheet.span], sheet)


def _usual(line: Line) -> tuple[bool, str, str]:
    """The order of those that a column does not tell apart."""
    return not line.listed.mine, line.listed.model.id.lower(), line.listed.title.lower()


def _ranked(value: Value) -> tuple[float, str]:
    """A column holds either numbers or texts."""
    return (0.0, value) if isinstance(value, str) else (value or 0.0, "")


def _fits(row: Listed, wanted: Wanted) -> bool:
    model, endpoint = row.model, row.endpoint
    part = wanted.q.lower()
    if part and not any(
        part in text.lower() for text in (model.id, model.name, row.title, endpoint.upstream_id)
    ):
        return False
    if (wanted.mine and not row.mine) or (wanted.tools and not row.tools):
        return False
    if wanted.author and model.author != wanted.author:
        return False
    if wanted.provider and endpoint.provider != wanted.provider:
        return False
    if wanted.modality and wanted.modality not in endpoint.input_modalities:
        return False
    if wanted.max_price is not None:
        return row.price is not None and row.price.input_mtok <= wanted.max_price
    return True


def _price(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < 1e9 else None
