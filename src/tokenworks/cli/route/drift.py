"""``tokenworks route drift``: does auto fare otherwise lately than it used to?"""

from __future__ import annotations

import time

import click

from tokenworks.cli.home import Place, opened_store, placed
from tokenworks.cli.table import print_json, print_table, usd

DAY_US = 86_400_000_000


@click.command()
@placed
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def drift(place: Place, as_json: bool) -> None:
    """Compare the last two days of requests for auto with the three weeks before.

    Compared are, for each type of work: how often answers agree, models refuse, checks fail, the strong model
    is needed, and what a request costs. A running server logs the same alarms and shows them in /metrics.

    \b
    Examples:
      tokenworks route drift
      tokenworks route drift --json
    """
    import msgspec

    from tokenworks.routing import drift as drifting

    now_us = time.time_ns() // 1000
    today = now_us // DAY_US
    since_us = (today - drifting.RECENT_DAYS - drifting.BASELINE_DAYS + 1) * DAY_US
    tallies: drifting.Tallies = {}
    last, decisions = None, 0
    with opened_store(place.existing()) as store:
        while page := store.decisions(since_us, now_us, last):
            drifting.tallied(page, tallies)
            last, decisions = page[-1], decisions + len(page)
    alarms = drifting.alarms(tallies.values(), today)
    if as_json:
        print_json({"decisions": decisions, "alarms": [msgspec.to_builtins(alarm) for alarm in alarms]})
        return
    rows = []
    for alarm in alarms:
        shown = [
            usd(value) if alarm.measure == drifting.COST else f"{value:.1%}"
            for value in (alarm.before, alarm.now)
        ]
        rows.append((alarm.task, alarm.measure.replace("_", " "), *shown, alarm.samples, f"{alarm.p:.1g}"))
    columns = ("task", "measure", "before", "now", "samples", "p")
    print_table(columns, rows, empty=f"nothing changed that {decisions:,} decisions would show")
