"""The body of ``POST /v1/batches``, in its three forms, and the batch that it orders.

A file of requests, requests in the body itself, or a recipe over files.
Requests in the body become such a file at once, so that all that follows is the same for both.
"""

from __future__ import annotations

import secrets
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from tokenworks.api.batch_card import INLINE, OUTPUT_EXPIRES
from tokenworks.api.file_card import BATCH, MAX_EXPIRES_S, MIN_EXPIRES_S, new_file
from tokenworks.api.files import find_file
from tokenworks.api.given import schema_of
from tokenworks.batches.control import RECIPE_US
from tokenworks.batches.cookbook import option, recipe
from tokenworks.batches.hours import checked, ordered
from tokenworks.batches.lines import ENDPOINTS, BadLine, read_line
from tokenworks.batches.option_files import resolved
from tokenworks.batches.validating import MAX_LINES
from tokenworks.catalog.resolve import Catalog
from tokenworks.errors import BadRequest, ConfigError
from tokenworks.ledger.batched import CHUNK, REQUESTS, VALIDATING, BatchRow, FileRow
from tokenworks.ledger.rollups import DAY_US
from tokenworks.ledger.store import Store
from tokenworks.plans.keys import Key
from tokenworks.schema import NANO_USD

AUTO = "auto"  # the model of a recipe where none is named
STRONGER = "stronger_model"  # in ``options`` of a recipe's batch: what ``batches/lanes.py`` asks in the end
MAX_FILES = 1000
MAX_OPTION = 100_000  # characters; a JSON schema is an option

Metadata = Annotated[
    dict[Annotated[str, msgspec.Meta(max_length=64)], Annotated[str, msgspec.Meta(max_length=512)]],
    msgspec.Meta(max_length=16),
]
Dollars = Annotated[float, msgspec.Meta(gt=0, le=1e9)]
Moment = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799)]  # seconds since 1970, to the year 9999
_encode = msgspec.json.Encoder().encode


class Expiry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When output files go."""

    anchor: Literal["created_at"]
    seconds: Annotated[int, msgspec.Meta(ge=MIN_EXPIRES_S, le=MAX_EXPIRES_S)]


class Preferences(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which providers may serve the requests of the body."""

    only: list[str] | None = None
    allow_fallbacks: bool | None = None


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One request of the body."""

    custom_id: str
    body: dict[str, msgspec.Raw]


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that may stand in the body. An unknown field is refused: a misspelt max_cost would cost money."""

    input_file_id: str | None = None
    requests: list[Item] | None = None
    recipe: str | None = None
    endpoint: str = ""
    model: str = ""
    completion_window: Literal["24h"] = "24h"
    metadata: Metadata | None = None
    output_expires_after: Expiry | None = None
    provider: Preferences | None = None
    callback_url: str | None = None
    input_files: list[str] | None = None
    options: dict[str, str | int | float | bool] | None = None
    strong: str = ""  # the model that is asked for what the other gets wrong
    estimate: bool = False
    max_cost: Dollars | None = None  # paused when they are spent
    not_before: Moment | None = None
    before: Moment | None = None  # what is not done by then expires
    off_peak: bool = False  # asked only while the model is at its cheapest, as far as ``before`` allows


SCHEMA = schema_of(Order)
BODY: dict[str, Any] = {"required": True, "content": {"application/json": {"schema": SCHEMA}}}
_decode = msgspec.json.Decoder(Order).decode


def read_order(body: bytes) -> Order:
    """What ``body`` orders. Raises BadRequest."""
    try:
        order = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"malformed body: {error}") from None
    forms = [name for name in ("input_file_id", "requests", "recipe") if getattr(order, name) is not None]
    if len(forms) != 1:
        raise BadRequest("send one of input_file_id (a file of requests), requests or recipe")
    if order.callback_url is not None:
        raise BadRequest("callback_url is not supported: this server calls no addresses that callers name")
    return order


def place(store: Store, who: Key, order: Order, catalog: Catalog | None = None) -> BatchRow:
    """Keep the batch that ``order`` wants. ``catalog`` tells when a model is cheap.

    Raises BadRequest or NotFound.
    """
    now_us = time.time_ns() // 1000
    checked((order.not_before or 0) * 1_000_000, _before_us(order), now_us)
    if order.recipe is not None:
        row = _of_recipe(store, who, order)
    elif order.requests is not None:
        row = _of_requests(store, who, order)
    else:
        row = _of_file(store, who, order)
    if order.off_peak:
        if catalog is None or not row.model:
            raise BadRequest("off_peak needs a model, and a file of requests names one in each line")
        options = {**msgspec.json.decode(row.options), **ordered(catalog, row.model)}
        row = msgspec.structs.replace(row, options=_encode(options))
    store.add_batch(row, actor=who.id)
    return row


def _before_us(order: Order) -> int | None:
    return None if order.before is None else order.before * 1_000_000


def _row(
    who: Key, order: Order, kind: str, files: list[str], options: dict[str, str], kept_us: int
) -> BatchRow:
    now_us = time.time_ns() // 1000
    if order.output_expires_after is not None:
        options = {**options, OUTPUT_EXPIRES: str(order.output_expires_after.seconds)}
    starts_us = max(now_us, (order.not_before or 0) * 1_000_000)
    return BatchRow(
        id=f"batch_{secrets.token_hex(12)}",
        key_id=who.id,
        kind=kind,
        status=VALIDATING,
        created_us=now_us,
        expires_us=_before_us(order) or starts_us + kept_us,
        endpoint=order.endpoint if kind == REQUESTS else "",
        model=order.model or ("" if kind == REQUESTS else AUTO),
        input_files=tuple(files),
        options=_encode(options),
        metadata=_encode(order.metadata or {}),
        not_before_us=(order.not_before or 0) * 1_000_000,
        not_after_us=_before_us(order),
        max_cost_nano_usd=None if order.max_cost is None else round(order.max_cost * NANO_USD),
        actor=who.id,
    )


def _refuse(order: Order, form: str, names: tuple[str, ...]) -> None:
    given = [name for name in names if getattr(order, name) not in (None, "", False)]
    if given:
        raise BadRequest(f"{given[0]} does not go with {form}; leave it out")


def _check_endpoint(order: Order) -> None:
    if order.endpoint not in ENDPOINTS:
        raise BadRequest(f"endpoint must be one of {', '.join(ENDPOINTS)}")


def _of_file(store: Store, who: Key, order: Order) -> BatchRow:
    _refuse(order, "input_file_id", ("input_files", "options", "estimate", "provider", "model", "strong"))
    _check_endpoint(order)
    file = find_file(store, who, order.input_file_id or "")
    if file.purpose != BATCH:
        raise BadRequest(f"{file.id} was uploaded as {file.purpose}; upload it with purpose=batch")
    return _row(who, order, REQUESTS, [file.id], {}, DAY_US)


def _of_recipe(store: Store, who: Key, order: Order) -> BatchRow:
    files, options = read_recipe(store, who, order)
    with tempfile.TemporaryDirectory() as folder:
        resolved(store, who.id, options, Path(folder))  # refuses now what would fail later
    if order.strong:
        options[STRONGER] = order.strong
    return _row(who, order, order.recipe or "", [file.id for file in files], options, RECIPE_US)


def read_recipe(store: Store, who: Key, order: Order) -> tuple[list[FileRow], dict[str, str]]:
    """The input files and options of a recipe. Raises BadRequest or NotFound."""
    _refuse(order, "recipe", ("endpoint", "provider"))
    try:
        made = recipe(order.recipe or "")
    except ConfigError as error:  # a library is missing here, which is not the caller's to mend
        raise BadRequest(error.message) from None
    options = {option(made, name): _word(value) for name, value in (order.options or {}).items()}
    if any(len(value) > MAX_OPTION for value in options.values()):
        raise BadRequest(f"options are {MAX_OPTION} characters at most, each")
    names = order.input_files or []
    if not 0 < len(names) <= MAX_FILES or len(set(names)) < len(names):
        raise BadRequest(f"input_files needs 1 to {MAX_FILES} ids of files, each once: POST /v1/files first")
    return [find_file(store, who, name) for name in names], options


def _word(value: str | int | float | bool) -> str:
    """As the command line has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


# --- requests in the body


def _of_requests(store: Store, who: Key, order: Order) -> BatchRow:
    _refuse(order, "requests", ("input_files", "options", "estimate", "strong"))
    _check_endpoint(order)
    requests = order.requests or []
    if not order.model:
        raise BadRequest("model is missing: all requests of the body go to one")
    if not 0 < len(requests) <= MAX_LINES:
        raise BadRequest(f"requests must be 1 to {MAX_LINES:,}")
    lines = list(_lines(order, requests))
    now_us = time.time_ns() // 1000
    file = new_file(who.id, "requests.jsonl", BATCH, now_us, size=sum(map(len, lines)))
    store.add_file(file)
    for seq, chunk in enumerate(_chunks(lines)):
        store.append_file(file.id, seq, chunk)
    store.finish_file(file.id, file.bytes)
    return _row(who, order, REQUESTS, [file.id], {INLINE: "true"}, DAY_US)


def _lines(order: Order, requests: list[Item]) -> Iterator[bytes]:
    """Each as a line of a file. Raises BadRequest for the first that is wrong: nothing is kept yet."""
    seen: dict[str, int] = {}
    model = _encode(order.model)
    extra: dict[str, Any] = {"model": order.model}
    if order.provider is not None:
        extra["provider"] = order.provider
    for at, item in enumerate(requests):
        where = f"requests[{at}]"
        if "model" in item.body and bytes(item.body["model"]) not in (model, b"null"):
            raise BadRequest(f"{where}.body.model is another than the batch's; one batch has one model")
        line = {"custom_id": item.custom_id, "method": "POST", "url": order.endpoint}
        text = _encode({**line, "body": {**item.body, **extra}})
        try:
            read_line(text, order.endpoint)
        except BadLine as error:
            raise BadRequest(f"{where}: {error}") from None
        earlier = seen.setdefault(item.custom_id, at)
        if earlier != at:
            raise BadRequest(f"{where}.custom_id is that of requests[{earlier}] too; each needs its own")
        yield text.replace(b"\n", b" ") + b"\n"


def _chunks(lines: list[bytes]) -> Iterator[bytes]:
    whole = b"".join(lines)
    for start in range(0, len(whole), CHUNK):
        yield whole[start : start + CHUNK]
