"""``tokenworks batch run``: hand a recipe's job over, watch it, and get what it made."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tokenworks.cli.batch.results import FOLDER
from tokenworks.cli.batch.when import When
from tokenworks.cli.home import Place, no_server, opened_store, placed
from tokenworks.cli.table import plain, print_json

if TYPE_CHECKING:
    from tokenworks.batches.estimate import Estimate
    from tokenworks.batches.recipes.recipe import Recipe
    from tokenworks.cli.batch.order import Order
    from tokenworks.config.settings import Settings
    from tokenworks.ledger.batched import BatchRow
    from tokenworks.ledger.store import Store


ENGINE = "dbos"  # the library that workers keep jobs with


class _Run(click.Command):
    """Its help ends with what each recipe takes."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from tokenworks.batches.cookbook import recipes

        for found in recipes().values():
            with formatter.section(f"Recipe {found.name}: {found.summary} ({' '.join(found.suffixes)})"):
                formatter.write_dl(
                    [(f"--{name.replace('_', '-')}", text) for name, text in found.options.items()]
                )


@click.command(cls=_Run, context_settings={"ignore_unknown_options": True})
@placed
@click.argument("recipe")
@click.argument("words", metavar="FILES...", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "-o", "pairs", metavar="NAME=VALUE", multiple=True, help="An option of the recipe, as --NAME VALUE."
)
@click.option("--model", default="auto", show_default=True, help="Model to ask.")
@click.option("--strong", default="", metavar="MODEL", help="Model for what the other gets wrong.")
@click.option("--max-cost", type=click.FloatRange(min=0, min_open=True), metavar="USD", help="Pause there.")
@click.option("--after", type=When(), metavar="TIME", help="Begin then: 2026-11-27T08:00, or 8h from now.")
@click.option("--before", type=When(), metavar="TIME", help="What is not done by then expires.")
@click.option(
    "--off-peak", is_flag=True, help="Ask in the hours in which MODEL is cheapest, as --before allows."
)
@click.option("--key", metavar="KEY", help="Id or name of the key that pays [the first active admin key].")
@click.option("--out", type=FOLDER, help="Folder for what is made [RECIPE-ID in the current one].")
@click.option("--estimate", "only_estimate", is_flag=True, help="Say what it would come to, and end.")
@click.option("--yes", is_flag=True, help="Do not ask, whatever it costs [asked from $1 or 1M tokens on].")
@click.option("--detach", is_flag=True, help="Start it and end; the server works on it.")
@click.option(
    "--url", metavar="URL", help="Work here against the gateway at URL; no server runs on this home."
)
@click.option(
    "--pages-only", is_flag=True, help="extract: say which pages matter, and end; no model is asked."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def run(context: click.Context, /, place: Place, recipe: str, words: tuple[str, ...], **given: Any) -> None:
    """Run RECIPE over FILES (or folders) on the running server, and write what it makes into a folder.

    The recipe's own options are written as --NAME VALUE or -o NAME=VALUE; a file that is named
    there is sent along. Ctrl-C leaves the batch running on the server. Exit status: 1 where parts failed.

    \b
    Examples:
      tokenworks batch run translate book.epub --to de
      tokenworks batch run translate book.txt --to de --model auto --max-cost 5 --estimate
      tokenworks batch run translate book.epub --to de --model NAME --off-peak --before 2026-11-27T08:00
      tokenworks batch run extract reports/*.pdf --schema income-statement --out figures
      tokenworks batch run extract reports/*.pdf --pages-only --json
      tokenworks batch run map rows.csv --template "Translate to German: {text}" --detach
    """
    from tokenworks.batches import cookbook
    from tokenworks.cli.batch import order as ordering
    from tokenworks.cli.batch import words as written

    chosen = cookbook.recipe(recipe)
    names, options = written.sorted_out(words, given["pairs"])
    files = written.paths(chosen, names)
    if not files:
        raise click.UsageError(f"name files for {chosen.name}: {' '.join(chosen.suffixes)}")
    own = written.of_recipe(chosen, options)
    if given["pages_only"]:
        _pages(chosen, files, own, as_json=given["as_json"])
        return
    settings = place.existing()
    if not given["only_estimate"]:
        _reachable(settings, given["url"], detach=given["detach"])
    window = ordering.Window(given["after"] or 0, given["before"], given["off_peak"])
    order = ordering.Order(chosen, files, own, given["model"], given["strong"], window)
    with opened_store(settings) as store:
        ordering.check(order, settings, store)
        estimate = _estimated(order, settings, store)
        if given["only_estimate"]:
            _tell(order, estimate, as_json=given["as_json"])
            return
        payer = ordering.charged_to(store, given["key"])
        if not given["as_json"]:
            ordering.show(order, estimate, err=True)
        if not estimate.parts:
            raise click.UsageError(
                "none of the files can be used, as said above" if estimate.skipped else "no work in them"
            )
        sure = given["yes"] or not ordering.needs_yes(estimate, given["max_cost"])
        if not sure and not ordering.agreed(estimate):
            context.exit(1)
        cheap = ordering.cheap_hours(order, settings, store, estimate)
        row = _hand_in(store, order, payer.id, given["max_cost"], cheap)
        if given["detach"]:
            _started(row, as_json=given["as_json"])
            return
        row = _follow(context, settings, store, row, given["url"])
        context.exit(_finish(store, row, given["out"], as_json=given["as_json"]))


def _pages(recipe: Recipe, files: list[Path], options: dict[str, str], *, as_json: bool) -> None:
    if recipe.name != "extract":
        raise click.UsageError("--pages-only is for extract")
    from tokenworks.batches.recipes.extract import pages_only

    found = pages_only(files, options["schema"]) if "schema" in options else pages_only(files)
    if as_json:
        print_json(found)
        return
    for each in found["files"]:
        pages = ", ".join(map(str, each["pages"])) or "none found"
        click.echo(f"{plain(each['file'])}: {pages}")
    for each in found["skipped"]:
        click.echo(f"{plain(each['file'])}: skipped, {plain(each['reason'])}")


def _estimated(order: Order, settings: Settings, store: Store) -> Estimate:
    """With a sign of life at a terminal, for reading a pile of documents takes a while."""
    from rich.console import Console

    from tokenworks.cli.batch.order import estimated

    console = Console(stderr=True)
    if not console.is_terminal:
        return estimated(order, settings, store)
    with console.status(f"reading {len(order.files)} file(s)"):
        return estimated(order, settings, store)


def _tell(order: Order, estimate: Estimate, *, as_json: bool) -> None:
    from tokenworks.batches.estimate import card
    from tokenworks.cli.batch.order import show

    if as_json:
        print_json({"recipe": order.recipe.name, "files": len(order.files), **card(estimate)})
    else:
        show(order, estimate)


def _reachable(settings: Settings, url: str | None, *, detach: bool) -> None:
    """Raises ``ConfigError`` where nobody would do the work."""
    from tokenworks.cli.batch.worker import reach
    from tokenworks.errors import ConfigError

    if importlib.util.find_spec(ENGINE) is None:
        raise ConfigError("batches need their engine; run: pip install 'tokenworks[batch]'")
    with no_server(settings.home) as idle:
        pass
    if url is not None and detach:
        raise click.UsageError("--url works here, so it does not go with --detach")
    if idle and url is None and not detach:
        raise ConfigError(
            f"no server runs on {settings.home}; start it with: tokenworks serve --home {settings.home} "
            "(or give --url of another, or --detach to begin when one runs)"
        )
    if url is not None:
        reach(url)
    elif not idle and not settings.batches.enabled:
        click.echo(
            "[batches] enabled = false: the server starts no worker; start one with: tokenworks worker",
            err=True,
        )
    if idle and detach:
        click.echo("no server runs on this home: it begins with tokenworks serve", err=True)


def _hand_in(
    store: Store, order: Order, key_id: str, max_cost_usd: float | None, cheap: dict[str, str]
) -> BatchRow:
    from tokenworks.batches.intake import hand_in
    from tokenworks.cli.batch.card import NANO_USD
    from tokenworks.cli.who import actor

    return hand_in(
        store,
        key_id,
        order.recipe,
        order.files,
        order.options,
        model=order.model,
        strong=order.strong,
        max_cost_nano_usd=None if max_cost_usd is None else round(max_cost_usd * NANO_USD),
        not_before_us=order.window.after_us,
        before_us=order.window.before_us,
        off_peak=cheap,
        actor=actor(),
    )


def _started(row: BatchRow, *, as_json: bool) -> None:
    from tokenworks.cli.batch.card import card

    if as_json:
        print_json(card(row))
    else:
        click.echo(f"{row.id} started; look after it with: tokenworks batch watch {row.id}")


def _follow(
    context: click.Context, settings: Settings, store: Store, row: BatchRow, url: str | None
) -> BatchRow:
    from tokenworks.cli.batch.watch import followed
    from tokenworks.cli.batch.worker import working

    try:
        with working(settings, url) as alive:
            return followed(store, row.id, alive=alive)
    except KeyboardInterrupt:
        goes_on = "it goes on on the server" if url is None else "it waits for a worker"
        click.echo(
            f"{goes_on}; tokenworks batch watch {row.id} (or: tokenworks batch pause {row.id})", err=True
        )
        context.exit(130)


def _finish(store: Store, row: BatchRow, out: Path | None, *, as_json: bool) -> int:
    from tokenworks.batches.reason import flagged
    from tokenworks.cli.batch.card import card, say
    from tokenworks.cli.batch.results import tell, written
    from tokenworks.cli.batch.watch import status_of
    from tokenworks.ledger.batched import PAUSED

    files = written(store, row, out)
    if as_json:
        print_json({**card(row), "flagged": flagged(store, row), "outputs": files})
    else:
        tell(files)
        say(row, flagged(store, row))
        if row.status == PAUSED:
            click.echo(f"go on with: tokenworks batch resume {row.id}", err=True)
        elif row.failed:
            click.echo(
                f"what failed: tokenworks batch show {row.id}; again: tokenworks batch retry {row.id}",
                err=True,
            )
    return status_of(row)
