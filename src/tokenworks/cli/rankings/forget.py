"""``tokenworks rankings forget``: drop what a source told."""

from __future__ import annotations

import click

from tokenworks.cli.home import Place, opened_store, placed
from tokenworks.cli.table import print_json
from tokenworks.cli.who import actor


@click.command()
@placed
@click.argument("source")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def forget(place: Place, source: str, as_json: bool) -> None:
    """Drop everything that was imported of SOURCE.

    \b
    Examples:
      tokenworks rankings forget article
    """
    from tokenworks.errors import NotFound

    with opened_store(place.existing()) as store:
        count = store.forget_outside(source, actor=actor())
    if not count:
        raise NotFound(f"nothing was imported as {source}; tokenworks rankings sources lists what was")
    if as_json:
        print_json({"source": source, "rows": count})
        return
    click.echo(f"{source}: {count:,} rows dropped")
