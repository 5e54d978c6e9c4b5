"""``tokenworks energy compare``: models, devices and regions beside each other; and who sells under cost."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tokenworks.cli.energy.amounts import count, digits, dollars, seconds
from tokenworks.cli.energy.case import case, case_options, is_model, model_of, region_of, title_of
from tokenworks.cli.home import Place, placed
from tokenworks.cli.table import print_json, print_table

if TYPE_CHECKING:
    from tokenworks.config.settings import Settings
    from tokenworks.energy.comparison import Compared, Market

_COLUMNS = (
    *("model", "hardware", "region", "devices", "prefill_devices", "running", "ttft_s", "tpot_s"),
    *("output_tps_device", "server_w", "j_per_input", "j_per_output", "g_per_m_output", "usd_per_kwh"),
    *("input_usd", "cached_usd", "output_usd", "power_share", "low", "high", "problem"),
)
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@placed
@click.argument("models", metavar="[MODEL]...", nargs=-1)
@click.option("--on", "hardware", multiple=True, metavar="DEVICE", help="Repeatable [H200, B200].")
@click.option(
    "--region", "regions", multiple=True, metavar="REGION", help="Repeatable: see energy grid [US]."
)
@case_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--csv", "csv_file", type=_FILE, help="Write the table to FILE.csv too.")
@click.option("--plot", type=_FILE, help="Draw it to FILE.png or FILE.svg too.")
def compare(
    place: Place,
    models: tuple[str, ...],
    hardware: tuple[str, ...],
    regions: tuple[str, ...],
    as_json: bool,
    csv_file: Path | None,
    plot: Path | None,
    **options: Any,
) -> None:
    """Compare models on devices in regions: what tokens cost, and what sellers ask for them.

    What sellers ask is the catalogue's, key or none. It is held against the cheapest of the deployments here,
    for a request of these lengths.

    \b
    Examples:
      tokenworks energy compare kimi-k2.5 gpt-oss-120b
      tokenworks energy compare glm-5 --weights fp8 --on H200 --on B200 --own --region TX --region DE
      tokenworks energy compare gpt-oss-120b --on B200 --concurrency 512 --csv costs.csv --plot costs.png
    """
    from tokenworks.cli import plots
    from tokenworks.energy import comparison
    from tokenworks.energy.posted import posted

    if plot is not None:
        plots.check(plot)  # before the work
    place, names = _models(place, models)
    settings = place.settings()
    where = [region_of(settings, name) for name in regions] or [region_of(settings, None)]
    found = comparison.compare(
        names,
        list(dict.fromkeys(hardware)) or ["H200", "B200"],
        list({each.id: each for each in where}.values()),
        lambda model, device, region: case(model, device, region, options),
        settings.home,
    )
    sold = {name: posted(comparison.names_of(name), settings) for name in names}
    markets = [made for name in names if (made := comparison.market(name, found, sold[name])) is not None]
    if csv_file is not None:
        _write_csv(found, csv_file)
    if plot is not None:
        from tokenworks.cli.energy import picture

        picture.draw(found, markets, plot)
    if as_json:
        print_json(_as_dict(found, markets))
        return
    _show(found, markets, settings, rented=not options["own"])
    for file in (csv_file, plot):
        if file is not None:
            click.echo(f"wrote {file}")


def _models(place: Place, models: tuple[str, ...]) -> tuple[Place, list[str]]:
    """All models; one of ``--config`` comes last."""
    names = list(dict.fromkeys(models))
    if names and not (place.file is not None and is_model(place.file)):
        return place, names
    left, from_file = model_of(place, None)
    return left, [*names, from_file]


def _as_dict(found: list[Compared], markets: list[Market]) -> dict[str, Any]:
    import msgspec

    from tokenworks.energy.comparison import as_row
    from tokenworks.energy.verdict import summary

    sellers = [
        {
            **msgspec.to_builtins(each),
            "request_usd": each.cost.request_usd,
            "summary": summary(title_of(each.model), each.verdicts) if each.verdicts else "",
        }
        for each in markets
    ]
    return {"cases": [as_row(each) for each in found], "markets": sellers}


def _write_csv(found: list[Compared], file: Path) -> None:
    from tokenworks.energy.comparison import as_row

    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, _COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(as_row(each) for each in found)


def _show(found: list[Compared], markets: list[Market], settings: Settings, *, rented: bool) -> None:
    from tokenworks.energy.verdict import summary

    columns = ("model", "on", "power in", "at a time", "first", "each", "tokens/s", "W", "J/out", "g/M out")
    money = ("$/M in", "cached", "out", "error band", "power")
    print_table((*columns, *money), [_row(each) for each in found], empty="")
    for problem in dict.fromkeys(each.problem for each in found if each.problem):
        click.echo(f"note: {problem}")
    regions = {each.region.id: each.region for each in found}
    if rented and len(regions) > 1:
        click.echo("note: a rent holds the power, so regions change no price here, only carbon; add --own")
    for region in regions.values():
        if region.note:
            click.echo(f"note: {region.id}: {region.note}")
    for each in markets:
        title = title_of(each.model)
        click.echo()
        if not each.sold:
            click.echo(f"Nobody in the catalogue sells {title}.")
            continue
        _sellers(each)
        click.echo(summary(title, each.verdicts))


def _row(each: Compared) -> tuple[Any, ...]:
    head = (title_of(each.model),)
    made = each.plan
    if made is None:
        return (*head, each.hardware, each.region.id, *("" for _ in range(11)), "can't be")
    pool = f"{made.prefill_devices} + " if made.prefill_devices else ""
    money, power, speed = made.money, made.power, made.speed
    return (
        *head,
        f"{pool}{made.devices} x {made.hardware}",
        each.region.id,
        digits(speed.running),
        seconds(speed.ttft_s),
        seconds(speed.tpot_s),
        count(speed.output_tps),
        f"{power.server_w:,.0f}",
        digits(power.j_per_output),
        count(power.g_per_m_output),
        *(dollars(price) for price in (money.input_usd, money.cached_usd, money.output_usd)),
        f"{made.band.low:.2f} to {made.band.high:.2f}",
        f"{money.power_share:.1%}",
    )


def _sellers(each: Market) -> None:
    words = {"under": "under cost", "unclear": "within the error", "over": "over cost"}
    cost = each.cost
    rows: list[tuple[str, ...]] = [
        (
            sold.provider,
            sold.upstream_id,
            *(dollars(price) for price in (sold.input_mtok, sold.cached_mtok, sold.output_mtok)),
            dollars(verdict.posted_usd * 1000),
            f"{digits(verdict.ratio)} x",
            words[verdict.kind],
            sold.checked,
        )
        for sold, verdict in zip(each.sold, each.verdicts, strict=True)
    ]
    ours = (dollars(price) for price in (cost.input_usd, cost.cached_usd, cost.output_usd))
    rows.append(("computed cost", cost.name, *ours, dollars(cost.request_usd * 1000), "1 x", "", ""))
    name = each.sold[0].model
    columns = (
        f"who sells {name}",
        "as",
        "$/M in",
        "cached",
        "out",
        "1,000 requests",
        "of the cost",
        "",
        "checked",
    )
    print_table(columns, rows, empty="")
