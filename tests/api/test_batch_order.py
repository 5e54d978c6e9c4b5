"""Orders: what each form takes, and the batch that comes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tokenworks.api import batch_order
from tokenworks.api.batch_card import card
from tokenworks.api.batch_order import place, read_order
from tokenworks.batches import lanes
from tokenworks.batches.hours import off_peak_hours
from tokenworks.catalog.tariff import Tariff
from tokenworks.errors import BadRequest
from tokenworks.ledger.batched import CHUNK
from tokenworks.plans.keys import Key
from tokenworks.schema import Price

Called = Callable[..., Any]
CHAT = "/v1/chat/completions"
WHO = Key("k_1", "me", "member")


def order(**fields: Any) -> Any:
    return read_order(json.dumps(fields).encode())


def test_the_engine_reads_the_same_options() -> None:
    assert batch_order.STRONGER == lanes.STRONGER


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("input_files", ["file-1"]),
        ("options", {"to": "zh"}),
        ("estimate", True),
        ("provider", {}),
        ("model", "m"),
        ("strong", "m"),
    ],
)
def test_what_goes_with_no_file_of_requests(called: Called, name: str, value: Any) -> None:
    with pytest.raises(BadRequest, match=f"{name} does not go with input_file_id"):
        place(called().store, WHO, order(input_file_id="file-1", endpoint=CHAT, **{name: value}))


def test_times_and_money(called: Called) -> None:
    body = [{"custom_id": "a", "body": {"input": "x"}}]
    whole = {"requests": body, "model": "m", "endpoint": "/v1/embeddings", "max_cost": 0.1}
    row = place(called().store, WHO, order(**whole, not_before=9_000_000_000))
    assert (row.not_before_us, row.not_after_us) == (9_000_000_000_000_000, None)
    assert row.expires_us == row.not_before_us + 86_400_000_000  # its day begins when it may
    row = place(called().store, WHO, order(**whole, before=9_000_000_000))
    assert row.expires_us == row.not_after_us == 9_000_000_000_000_000
    for before, wrong in ((1, "is over"), (8_000_000_000, "no later than its beginning")):
        with pytest.raises(BadRequest, match=wrong):
            place(called().store, WHO, order(**whole, not_before=9_000_000_000, before=before))
    assert (row.max_cost_nano_usd, row.model, row.actor) == (100_000_000, "m", "k_1")


def test_cheap_hours_are_kept_with_it(called: Called) -> None:
    class Catalog:
        def tariff(self, name: str) -> Tariff | None:
            price = Price(id="p", input_mtok=1, output_mtok=1)
            return Tariff(name, ((60, 120),), price, price) if name == "owl" else None

    body = [{"custom_id": "a", "body": {"input": "x"}}]
    whole = {"requests": body, "endpoint": "/v1/embeddings", "off_peak": True}
    row = place(called().store, WHO, order(**whole, model="owl"), Catalog())  # type: ignore[arg-type]
    assert off_peak_hours(row) == "01:00-02:00 UTC" and card(row)["off_peak"] == "01:00-02:00 UTC"
    assert json.loads(row.options)["inline"] == "true"
    with pytest.raises(BadRequest, match="ox costs the same all day"):
        place(called().store, WHO, order(**whole, model="ox"), Catalog())  # type: ignore[arg-type]
    with pytest.raises(BadRequest, match="off_peak needs a model"):
        place(called().store, WHO, order(**whole, model="owl"))


def test_many_requests_of_the_body_are_kept_in_chunks(called: Called) -> None:
    store = called().store
    requests = [{"custom_id": f"r{n}", "body": {"pad": "x" * 1000, "line": "a\nb"}} for n in range(3000)]
    row = place(store, WHO, order(requests=requests, model="m", endpoint=CHAT))
    (name,) = row.input_files
    chunks = list(store.read_file(name))
    assert max(map(len, chunks)) == CHUNK and len(chunks) > 2
    data = b"".join(chunks)
    assert len(data) == store.file(name).bytes
    lines = [json.loads(line) for line in data.splitlines()]
    assert [line["custom_id"] for line in lines] == [f"r{n}" for n in range(3000)]
    assert lines[7]["body"] == {"pad": "x" * 1000, "line": "a\nb", "model": "m"}


def test_a_body_may_name_the_model_again(called: Called) -> None:
    for model in ("m", None):
        requests = [{"custom_id": "a", "body": {"model": model}}]
        row = place(called().store, WHO, order(requests=requests, model="m", endpoint=CHAT))
        assert row.model == "m"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, "input_files needs 1 to 1000"),
        ({"input_files": []}, "input_files needs 1 to 1000"),
        ({"input_files": ["file-1", "file-1"]}, "input_files needs 1 to 1000"),
        ({"input_files": ["file-1"], "options": {"colour": "red"}}, "has no option 'colour'"),
        ({"input_files": ["file-1"], "options": {"to": "x" * 100_001}}, "100000 characters at most"),
    ],
)
def test_recipes_that_are_ordered_wrongly(called: Called, fields: dict[str, Any], told: str) -> None:
    with pytest.raises(BadRequest, match=told):
        place(called().store, WHO, order(recipe="translate", **fields))
