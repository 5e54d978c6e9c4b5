"""Hand in a recipe's job: its files go into the store, and a batch that waits for a worker."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from tokenworks.batches import option_files
from tokenworks.batches.control import RECIPE_US
from tokenworks.batches.hours import checked
from tokenworks.batches.lanes import STRONGER
from tokenworks.batches.recipes.recipe import Recipe
from tokenworks.errors import BadRequest
from tokenworks.ledger.batched import CHUNK, VALIDATING, BatchRow, FileRow
from tokenworks.ledger.store import Store

PURPOSE = "recipe"  # of files
MAX_FILES = 1000


def hand_in(
    store: Store,
    key_id: str,
    recipe: Recipe,
    files: Sequence[Path],
    options: Mapping[str, str],
    *,
    model: str = "auto",
    strong: str = "",
    max_cost_nano_usd: int | None = None,
    not_before_us: int = 0,
    before_us: int | None = None,
    off_peak: Mapping[str, str] | None = None,
    metadata: Mapping[str, str] | None = None,
    actor: str = "",
) -> BatchRow:
    """Copy ``files`` into the store and add the batch, which a worker begins within seconds.

    ``options`` are the recipe's words; one that names a file has it copied too, and its id in place of the
    path. ``strong`` is asked for what ``model`` gets wrong; empty: ``auto`` with more quality, where that
    is the model. The batch is charged to the key ``key_id``. It is not begun before ``not_before_us``,
    expires at ``before_us``, and asks in cheap hours only with ``off_peak``, of ``hours.ordered``. Files that
    were copied are dropped again where a later one can't be read. Raises ``BadRequest`` and ``OSError``.
    """
    if not 0 < len(files) <= MAX_FILES:
        raise BadRequest(f"{recipe.name} takes 1 to {MAX_FILES} files, not {len(files)}")
    now_us = time.time_ns() // 1000
    checked(not_before_us, before_us, now_us)
    kept: list[str] = []
    try:
        for path, name in zip(files, _names(files), strict=True):
            kept.append(f"file-{secrets.token_hex(12)}")
            _keep(store, FileRow(kept[-1], key_id, name, PURPOSE, 0, now_us), path)
        inputs, own = tuple(kept), dict(options)
        for option, paths in option_files.named(options).items():
            for path in paths:
                kept.append(f"file-{secrets.token_hex(12)}")
                _keep(store, FileRow(kept[-1], key_id, path.name, PURPOSE, 0, now_us), path)
            own[option] = ",".join(kept[-len(paths) :])
    except BaseException:
        for file_id in kept:
            store.remove_file(file_id, actor)
        raise
    row = BatchRow(
        id=f"batch_{secrets.token_hex(12)}",
        key_id=key_id,
        kind=recipe.name,
        status=VALIDATING,
        created_us=now_us,
        expires_us=before_us or max(now_us, not_before_us) + RECIPE_US,
        model=model,
        input_files=inputs,
        options=msgspec.json.encode(own | ({STRONGER: strong} if strong else {}) | dict(off_peak or {})),
        metadata=msgspec.json.encode(dict(metadata or {})),
        max_cost_nano_usd=max_cost_nano_usd,
        not_before_us=not_before_us,
        not_after_us=before_us,
        actor=actor,
    )
    store.add_batch(row, actor=actor)
    return row


def _keep(store: Store, row: FileRow, path: Path) -> None:
    with path.open("rb") as file:
        store.add_file(row)
        size = 0
        for seq, chunk in enumerate(iter(lambda: file.read(CHUNK), b"")):
            store.append_file(row.id, seq, chunk)
            size += len(chunk)
        store.finish_file(row.id, size)


def _names(files: Sequence[Path]) -> list[str]:
    """A name of its own for each, for their folders are not kept."""
    names: list[str] = []
    for path in files:
        name, parent = path.name, path.absolute().parent
        while name in names:
            name, parent = f"{parent.name or 'x'}-{name}", parent.parent
        names.append(name)
    return names
