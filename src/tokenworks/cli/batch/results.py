"""``tokenworks batch results``: the files that a batch has made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tokenworks.cli.home import Place, opened_store, placed
from tokenworks.cli.table import plain, print_json

if TYPE_CHECKING:
    from tokenworks.ledger.batched import BatchRow
    from tokenworks.ledger.store import Store

FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command()
@placed
@click.argument("batch_id", metavar="ID")
@click.option("--out", type=FOLDER, help="Folder to write to [RECIPE-ID in the current one].")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def results(place: Place, batch_id: str, out: Path | None, as_json: bool) -> None:
    """Write the files that a batch has made into a folder.

    \b
    Examples:
      tokenworks batch results batch_6f1c2a
      tokenworks batch results batch_6f1c2a --out german
    """
    from tokenworks.cli.batch.card import found
    from tokenworks.errors import NotFound

    with opened_store(place.existing()) as store:
        row = found(store, batch_id)
        files = written(store, row, out)
    if not files:
        raise NotFound(f"{row.id} is {row.status} and has made no files yet; tokenworks batch watch {row.id}")
    if as_json:
        print_json({"id": row.id, "files": files})
    else:
        tell(files)


def written(store: Store, row: BatchRow, out: Path | None) -> list[dict[str, Any]]:
    """Write what the batch has made; path, media type and note of each file. Makes no empty folder."""
    from tokenworks.batches.outputs import outputs, write

    files = outputs(store, row)
    if not files:
        return []
    folder = out or Path(f"{row.kind}-{row.id.removeprefix('batch_')[:8]}")
    paths = write(store, files, folder)
    return [
        {"file": str(path), "kind": file.kind, "bytes": file.bytes, "note": file.note}
        for path, file in zip(paths, files, strict=True)
    ]


def tell(files: list[dict[str, Any]]) -> None:
    """A line for each."""
    for file in files:
        note = f"  ({plain(file['note'])})" if file["note"] else ""
        click.echo(f"{plain(file['file'])}  {file['bytes']:,} bytes{note}")
