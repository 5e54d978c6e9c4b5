"""``tokenworks rankings report``: one week (day, month) as a page and a picture to share."""

from __future__ import annotations

from pathlib import Path

import click

from tokenworks.cli.home import Place, placed
from tokenworks.cli.table import print_json

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@placed
@click.option("--week", metavar="WEEK", help="2026-W08, or latest: the newest with anything in it [latest].")
@click.option("--day", metavar="DAY", help="Of a day: 2026-02-20, or latest.")
@click.option("--month", metavar="MONTH", help="Of a month: 2026-02, or latest.")
@click.option("--timezone", metavar="ZONE", help="Where it begins and ends [rankings.timezone].")
@click.option("--top", type=click.IntRange(1, 50), default=10, show_default=True, help="Models.")
@click.option("--no-private", is_flag=True, help="Leave private traffic out.")
@click.option("--source", default="", metavar="NAME", help="What this outside source told.")
@click.option("--html", "page", type=_FILE, help="The page [week-2026-W08.html, unless --png is given].")
@click.option("--png", "image", type=_FILE, help="The picture [week-2026-W08.png, unless --html is given].")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def report(
    place: Place,
    week: str | None,
    day: str | None,
    month: str | None,
    timezone: str | None,
    top: int,
    no_private: bool,
    source: str,
    page: Path | None,
    image: Path | None,
    as_json: bool,
) -> None:
    """Write a page that needs nothing but itself, and a picture, of one week's rankings.

    \b
    Examples:
      tokenworks rankings report --week 2026-W08
      tokenworks rankings report --source article --png week.png
    """
    from tokenworks.cli.rankings.desk import opened
    from tokenworks.rankings import picture
    from tokenworks.rankings import report as writing
    from tokenworks.rankings.week import gather

    given = {"week": week, "day": day, "month": month}
    named = [unit for unit, label in given.items() if label]
    if len(named) > 1:
        raise click.UsageError(f"give one of --{' and --'.join(named)}")
    unit = named[0] if named else "week"
    settings = place.existing()
    if image is not None:
        picture.check(image)  # before anything is read or written
    with opened(settings) as books:
        if source:
            books.known_source(source)
        when = books.period(given[unit] or "latest", unit, timezone or settings.rankings.timezone, source)
        told = gather(books, when, top=top, private=False if no_private else None, source=source)
    if page is None and image is None:
        page, image = Path(f"{unit}-{when.label}.html"), Path(f"{unit}-{when.label}.png")
        picture.check(image)
    if page is not None:
        page.write_text(writing.html(told), encoding="utf-8")
    if image is not None:
        picture.draw(told, image)
    files = {"html": str(page) if page else None, "png": str(image) if image else None}
    if as_json:
        print_json({"period": when.label, **files})
        return
    click.echo(f"{told.title}: {' and '.join(name for name in files.values() if name)}")
