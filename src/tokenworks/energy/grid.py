"""What a kilowatt-hour costs and emits, per region: ``grid.toml`` and the user's own rows over it.

A region without a price or a carbon intensity of its own takes that of the region it lies within, and says
whose it is. Every number carries its source and the date it is of.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from tokenworks.errors import ConfigError

FILE_NAME = "grid.toml"  # in the home folder: the user's rows
DEAREST_USD_PER_KWH = 5.0  # nobody pays more: such a number is in another unit
DIRTIEST_G_PER_KWH = 3000.0  # lignite, burnt badly, is half of that

_SHIPPED = Path(__file__).parent / FILE_NAME
_ID = re.compile(r"[A-Z][A-Z0-9]*(-[A-Z0-9]+)*")
_DATE = re.compile(r"\d{4}(-\d\d(-\d\d)?)?")


class Figure(msgspec.Struct, frozen=True):
    """A number about a region: whose it is, where it was read and what time it is of."""

    value: float  # $ per kWh, or g CO2 per kWh
    of: str  # id of the region that states it
    source: str
    date: str  # "2025", "2025-11" or "2025-11-04"


class Region(msgspec.Struct, frozen=True):
    """A region where power is bought: price, carbon intensity, and where both are from."""

    id: str  # "CN-NM"
    name: str
    within: str  # id of the larger region; empty for the largest
    price: Figure  # $ per kWh, as industry pays
    carbon: Figure  # g CO2 per kWh over a year
    note: str = ""
    aliases: tuple[str, ...] = ()
    own: bool = False  # from the user's file, at least in part

    @property
    def usd_per_kwh(self) -> float:
        """The price of a kWh."""
        return self.price.value

    @property
    def g_per_kwh(self) -> float:
        """Grams of CO2 per kWh."""
        return self.carbon.value


class _Price(msgspec.Struct, forbid_unknown_fields=True):
    usd_per_kwh: float
    source: str
    date: str


class _Carbon(msgspec.Struct, forbid_unknown_fields=True):
    g_per_kwh: float
    source: str
    date: str


class _Row(msgspec.Struct, forbid_unknown_fields=True):
    """A region as it is written: in full, or what a user's row changes of one."""

    name: str = ""
    within: str = ""
    aliases: tuple[str, ...] = ()
    price: _Price | None = None
    carbon: _Carbon | None = None
    note: str = ""


def regions(home: Path | None = None) -> dict[str, Region]:
    """Id → region, in the order of the files; with the rows of ``home``/grid.toml where there is such a file.

    Raises ``ConfigError`` naming the file and the row of what can't be used.
    """
    rows = dict(_shipped())
    own: set[str] = set()
    file = home / FILE_NAME if home is not None else None
    if file is not None and file.exists():
        for name, row in _read(file).items():
            rows[name] = _over(rows.get(name), row)
            own.add(name)
    return {name: _region(name, rows, own, file or _SHIPPED) for name in rows}


def region(name: str, home: Path | None = None) -> Region:
    """The region of this id, name or alias, in any case; prefixes such as that of US states may be left out.

    Raises ``ConfigError`` that names near ones.
    """
    known = regions(home)
    wanted = " ".join(name.replace("_", " ").casefold().split())
    exact = {each.casefold(): found for each, found in known.items()}
    named = {word.casefold(): found for found in known.values() for word in (found.name, *found.aliases)}
    short = {each.partition("-")[2].casefold(): found for each, found in known.items() if "-" in each}
    for index in (exact, named, short):
        if wanted in index:
            return index[wanted]
    near = difflib.get_close_matches(wanted, [*exact, *named, *short], n=3, cutoff=0.6)
    found = dict.fromkeys({**short, **named, **exact}[each].id for each in near)
    hint = f"did you mean {' or '.join(found)}?" if found else "list them with: tokenworks energy grid"
    raise ConfigError(f'no region is called "{name}"; {hint}')


def as_dict(each: Region) -> dict[str, Any]:
    """What ``--json`` shows of a region."""
    return {
        "id": each.id,
        "name": each.name,
        "within": each.within or None,
        "usd_per_kwh": each.usd_per_kwh,
        "price_of": each.price.of,
        "price_source": each.price.source,
        "price_date": each.price.date,
        "g_per_kwh": each.g_per_kwh,
        "carbon_of": each.carbon.of,
        "carbon_source": each.carbon.source,
        "carbon_date": each.carbon.date,
        "note": each.note,
        "own": each.own,
    }


@cache
def _shipped() -> Mapping[str, _Row]:
    return _read(_SHIPPED)


def _read(file: Path) -> dict[str, _Row]:
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: {error}") from error
    sources = content.pop("sources", {})
    if not isinstance(sources, dict) or not all(isinstance(each, str) for each in sources.values()):
        raise ConfigError(f'{file}: [sources] must hold lines such as meter = "our contract of 2026"')
    return {name: _row(file, name, value, sources) for name, value in content.items()}


def _row(file: Path, name: str, value: object, sources: Mapping[str, str]) -> _Row:
    where = f"{file}: [{name}]"
    if not _ID.fullmatch(name):
        raise ConfigError(f"{where}: an id is of capitals, digits and dashes, as in US-TX or MY-HALL")
    try:
        row = msgspec.convert(value, _Row)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {error}") from error
    for figure, unit, most, key in (
        (row.price, "dollars", DEAREST_USD_PER_KWH, "usd_per_kwh"),
        (row.carbon, "grams", DIRTIEST_G_PER_KWH, "g_per_kwh"),
    ):
        if figure is None:
            continue
        number = getattr(figure, key)
        if not 0 <= number <= most:  # also refuses what is no number
            raise ConfigError(f"{where}: {key} is {number:g}; give {unit} per kWh, from 0 to {most:g}")
        if not _DATE.fullmatch(figure.date):
            raise ConfigError(f'{where}: date must be such as "2026", "2026-11" or "2026-11-26"')
        if not figure.source.strip():
            raise ConfigError(f"{where}: source is empty; say where {key} is from")
        figure.source = sources.get(figure.source, figure.source)
    return row


def _over(row: _Row | None, change: _Row) -> _Row:
    """``row`` with what ``change`` states. A note on the number that is replaced goes with it."""
    if row is None:
        return change
    return _Row(
        name=change.name or row.name,
        within=change.within or row.within,
        aliases=(*row.aliases, *change.aliases),
        price=change.price or row.price,
        carbon=change.carbon or row.carbon,
        note=change.note or ("" if change.price else row.note),
    )


def _region(name: str, rows: Mapping[str, _Row], own: set[str], file: Path) -> Region:
    row = rows[name]
    line = _line_up(name, rows, file)
    price = next(((each, p) for each in line if (p := rows[each].price)), None)
    carbon = next(((each, c) for each in line if (c := rows[each].carbon)), None)
    if price is None or carbon is None:
        missing = "price = { usd_per_kwh" if price is None else "carbon = { g_per_kwh"
        raise ConfigError(
            f'{file}: [{name}]: add {missing} = ..., source = "...", date = "..." }}, '
            'or within = "US" or another region that has one'
        )
    return Region(
        id=name,
        name=row.name or name,
        within=row.within,
        price=Figure(price[1].usd_per_kwh, price[0], price[1].source, price[1].date),
        carbon=Figure(carbon[1].g_per_kwh, carbon[0], carbon[1].source, carbon[1].date),
        note=row.note,
        aliases=row.aliases,
        own=bool(own.intersection((name, price[0], carbon[0]))),
    )


def _line_up(name: str, rows: Mapping[str, _Row], file: Path) -> list[str]:
    """``name`` and the regions it lies within, the largest last."""
    line = [name]
    while within := rows[line[-1]].within:
        if within not in rows:
            raise ConfigError(f'{file}: [{line[-1]}]: within = "{within}" is no region')
        if within in line:
            raise ConfigError(f"{file}: [{name}]: lies within itself, by way of {within}")
        line.append(within)
    return line
