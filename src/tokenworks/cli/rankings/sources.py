"""``tokenworks rankings sources``: what was imported."""

from __future__ import annotations

from datetime import date, timedelta

import click

from tokenworks.cli.home import Place, opened_store, placed
from tokenworks.cli.table import print_json, print_table

COLUMNS = ("source", "first", "last", "rows")
EMPTY = "nothing was imported yet; tokenworks rankings import FILE does it"


@click.command()
@placed
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def sources(place: Place, as_json: bool) -> None:
    """List outside sources, and of which days they told.

    \b
    Examples:
      tokenworks rankings sources
      tokenworks rankings sources --json
    """
    with opened_store(place.existing()) as store:
        rows = [
            (each.source, day_of(each.first_day), day_of(each.last_day), each.rows)
            for each in store.outside_sources()
        ]
    if as_json:
        print_json({"sources": [dict(zip(COLUMNS, row, strict=True)) for row in rows]})
        return
    print_table(COLUMNS, rows, empty=EMPTY)


def day_of(day: int) -> str:
    """The date of a day since 1970."""
    return (date(1970, 1, 1) + timedelta(days=day)).isoformat()
