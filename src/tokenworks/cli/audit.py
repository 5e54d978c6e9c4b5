"""``tokenworks audit``: who changed what."""

from __future__ import annotations

import json
import time
from typing import Any

import click

from tokenworks.cli.home import Place, opened_store, placed
from tokenworks.cli.span import Span
from tokenworks.cli.table import print_json, print_table


@click.command()
@placed
@click.option("--since", type=Span(), metavar="7d", help="Of so long back from now [ever].")
@click.option("--target", default="", metavar="ID", help="What was done to this key, limit, team or plan.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="The latest so many.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def audit(place: Place, since: float | None, target: str, limit: int, as_json: bool) -> None:
    """Show who changed keys, limits, teams, plans, stops and actions, the latest first. No secret is in it.

    Who is the id of a key, cli:USER for a command, or tokenworks for what it did by itself.

    \b
    Examples:
      tokenworks audit --since 7d
      tokenworks audit --target k_3f9a --json
    """
    from tokenworks.plans.standing import moment

    now_us = time.time_ns() // 1000
    since_us = None if since is None else now_us - int(since * 1_000_000)
    with opened_store(place.existing()) as store:
        rows = store.audit(since_us, None, target, limit)
    told: list[dict[str, Any]] = [
        {
            "time": moment(row.time_us),
            "actor": row.actor,
            "action": row.action,
            "target": row.target,
            "detail": json.loads(row.detail) if row.detail else None,
        }
        for row in rows
    ]
    if as_json:
        print_json({"entries": told})
        return
    cells = [
        [each["time"], each["actor"], each["action"], each["target"], row.detail]
        for each, row in zip(told, rows, strict=True)
    ]
    print_table(("time", "actor", "action", "target", "detail"), cells, empty="nothing was changed")
