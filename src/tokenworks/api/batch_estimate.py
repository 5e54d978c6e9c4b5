"""What a recipe over files would come to, before it is started."""

from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from tokenworks.api.answer import INTEGER, NUMBER, OBJECT, STRING, holding, maybe
from tokenworks.api.batch_order import AUTO, Order, read_recipe
from tokenworks.api.file_card import file_name
from tokenworks.batches.estimate import Estimate, estimate, largest_tokens, off_peak_card
from tokenworks.batches.option_files import resolved
from tokenworks.batches.rates import chosen
from tokenworks.batches.splitting import split_apart
from tokenworks.catalog.resolve import Catalog
from tokenworks.config.settings import Settings
from tokenworks.errors import BadRequest, Unavailable
from tokenworks.ledger.batched import FileRow
from tokenworks.ledger.store import Store
from tokenworks.plans.keys import Key

RANGE = holding(low=maybe(NUMBER), high=maybe(NUMBER))
ESTIMATE = holding(
    object=STRING,
    recipe=STRING,
    parts=INTEGER,
    input_tokens=INTEGER,
    output_tokens=INTEGER,
    cost=RANGE,
    hours=RANGE,
    models=OBJECT,
    skipped={"type": "array", "items": OBJECT},
    off_peak=maybe(OBJECT),
)
_one = threading.Lock()  # each reads all its files: one at a time


def told(settings: Settings, catalog: Catalog, store: Store, who: Key, order: Order) -> dict[str, Any]:
    """Tokens, dollars and hours of the recipe that is ordered. Raises BadRequest, NotFound, Unavailable."""
    if order.recipe is None:
        raise BadRequest("an estimate is made of a recipe; leave estimate out")
    files, options = read_recipe(store, who, order)
    if not _one.acquire(blocking=False):
        raise Unavailable("another estimate is being made; try again shortly", retry_after_s=5)
    try:
        with tempfile.TemporaryDirectory() as folder:
            paths = [_written(store, row, Path(folder) / str(at)) for at, row in enumerate(files)]
            options = resolved(store, who.id, options, Path(folder) / "options")
            split = split_apart(order.recipe, paths, options)
    finally:
        _one.release()
    slots = {name: engine.slots for name, engine in settings.engines.items()}
    models = chosen(
        catalog,
        store,
        order.model or AUTO,
        strong=order.strong,
        auto=settings.routing.auto,
        largest_tokens=largest_tokens(split),
        slots=slots,
        now_us=time.time_ns() // 1000,
    )
    return _card(order.recipe, estimate(split, models))


def _written(store: Store, row: FileRow, folder: Path) -> Path:
    """The file on disk, in a folder of its own: two may have one name."""
    folder.mkdir()
    path = folder / file_name(row.name)
    with path.open("wb") as file:
        file.writelines(store.read_file(row.id))
    return path


def _card(recipe: str, found: Estimate) -> dict[str, Any]:
    return {
        "object": "batch.estimate",
        "recipe": recipe,
        "parts": found.parts,
        "lanes": found.lanes,
        "input_tokens": found.input_tokens,
        "output_tokens": found.output_tokens,
        "cost": {"low": found.low_usd, "high": found.high_usd},
        "hours": {"low": found.low_hours, "high": found.high_hours},
        "models": {"cheap": found.cheap, "dear": found.dear, "strong": found.strong},
        "measured": found.measured,
        "skipped": [{"file": each.file, "reason": each.reason} for each in found.skipped],
        "off_peak": off_peak_card(found),
    }
