"""``tokenworks energy grid``: what a kilowatt-hour costs and emits, per region."""

from __future__ import annotations

from typing import Any

import click

from tokenworks.cli.home import Place, placed
from tokenworks.cli.table import print_json, print_table


@click.command()
@placed
@click.argument("names", metavar="[REGION]...", nargs=-1)
@click.option("--sort", type=click.Choice(("area", "price", "carbon")), default="area", show_default=True)
@click.option("--sources", is_flag=True, help="Show where each number is from.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def grid(place: Place, names: tuple[str, ...], sort: str, sources: bool, as_json: bool) -> None:
    """Show power price and carbon intensity per region, with dates; of all or of some.

    HOME/grid.toml changes and adds rows. Each number has its source and date:

    \b
      [US-TX]
      price = { usd_per_kwh = 0.051, source = "our contract", date = "2026-10" }

    \b
    Examples:
      tokenworks energy grid
      tokenworks energy grid texas virginia "inner mongolia" --sources
      tokenworks energy grid --sort price --json
    """
    from tokenworks.energy.grid import FILE_NAME, as_dict, region, regions

    home = place.folder
    found = [region(name, home) for name in names] if names else list(regions(home).values())
    if sort == "price":
        found.sort(key=lambda each: each.usd_per_kwh)
    elif sort == "carbon":
        found.sort(key=lambda each: each.g_per_kwh)
    rows = [as_dict(each) for each in found]
    if as_json:
        print_json({"regions": rows})
        return
    columns = ("region", "", "¢/kWh", "of", "g CO2/kWh", "of", "note")
    print_table(columns, [_row(each) for each in rows], empty="")
    if sources:
        click.echo()
        said = [(each["id"], each["price_source"], each["carbon_source"]) for each in rows]
        print_table(("region", "source of the price", "source of the carbon intensity"), said, empty="")
    if not any(each["own"] for each in rows):
        click.echo(f"\nYour own prices go into {home / FILE_NAME}; see: tokenworks energy grid --help")


def _row(each: dict[str, Any]) -> tuple[Any, ...]:
    mark = " (yours)" if each["own"] else ""
    return (
        each["id"],
        each["name"] + mark,
        round(each["usd_per_kwh"] * 100, 2),
        _of(each["id"], each["price_of"], each["price_date"]),
        round(each["g_per_kwh"]),
        _of(each["id"], each["carbon_of"], each["carbon_date"]),
        each["note"],
    )


def _of(region: str, whose: str, date: str) -> str:
    """The date; with the larger region where the number is that one's."""
    return date if whose == region else f"{date}, {whose}"
