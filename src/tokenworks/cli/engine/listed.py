"""``tokenworks engine list``: which engines there are."""

from __future__ import annotations

import click

from tokenworks.cli.home import Place, placed
from tokenworks.cli.table import print_json, print_table

NONE = "no engines yet; tokenworks model add smollm2, or tokenworks engine add NAME --url URL"


@click.command("list")
@placed
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def listed(place: Place, as_json: bool) -> None:
    """Show the engines: models that run here, and servers of your own.

    \b
    Examples:
      tokenworks engine list
      tokenworks engine list --json
    """
    from tokenworks.engines.exposition import title

    engines = sorted(place.settings().engines.items())
    if as_json:
        rows = [
            {
                "engine": name,
                "model": each.model,
                "runtime": each.runtime,
                "kind": (each.kind or None) if each.runs_elsewhere else each.runtime,
                "path": each.path or None,
                "url": each.url or None,
                "served_as": (each.served_as or each.model) if each.runs_elsewhere else None,
                "context_length": each.context_length or None,
                "slots": each.slots or None,
                "aliases": list(each.aliases),
            }
            for name, each in engines
        ]
        print_json({"engines": rows})
        return
    print_table(
        ("engine", "model", "kind", "context", "slots", "where"),
        [
            (
                name,
                each.model,
                title(each.kind) if each.runs_elsewhere else "here",
                each.context_length or None,
                each.slots or None,
                each.url or each.path,
            )
            for name, each in engines
        ],
        empty=NONE,
    )
