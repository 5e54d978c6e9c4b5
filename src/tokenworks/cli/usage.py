"""``tokenworks usage``: what was used, and what it cost."""

from __future__ import annotations

import click

from tokenworks.cli.home import Place, no_server, opened_store, placed
from tokenworks.cli.table import print_json, print_table, usd

BY = ("model", "key", "app", "provider", "day")


@click.command()
@placed
@click.option("--by", type=click.Choice(BY), default="model", show_default=True, help="One row for each.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def usage(place: Place, by: str, as_json: bool) -> None:
    """Show requests, tokens and cost; true within a second of the last answer.

    \b
    Examples:
      tokenworks usage
      tokenworks usage --by key --json
    """
    from tokenworks.ledger import usage as ledger
    from tokenworks.ledger.drainer import Drainer

    settings = place.existing()
    with opened_store(settings) as store:
        with no_server(settings.home) as idle:
            pass
        if idle:  # what a killed server had no time to move
            Drainer(settings.journal_dir, store).recover()
        report = ledger.report(store, by)
    if as_json:
        print_json(report)
        return
    columns = (by, "requests", "errors", "input", "cached", "output", "reasoning", "cost")
    rows = [
        (
            row[by] or "-",
            row["requests"],
            row["errors"],
            row["input_tokens"],
            row["cache_read_tokens"],
            row["output_tokens"],
            row["reasoning_tokens"],
            usd(row["cost_usd"]),
        )
        for row in report["rows"]
    ]
    print_table(columns, rows, empty="nothing was used yet; tokenworks chat sends a first request")
    if rows:
        click.echo(
            f"{report['requests']:,} requests, {report['input_tokens']:,} tokens in, "
            f"{report['output_tokens']:,} out, {usd(report['cost_usd'])}"
        )
    if report["auto"]["requests"]:
        auto = report["auto"]
        click.echo(
            f"auto: {auto['requests']:,} requests for {usd(auto['cost_usd'])}, always the strong model "
            f"{usd(auto['always_strong_usd'])}: saved {usd(report['saved_usd'])}"
        )
