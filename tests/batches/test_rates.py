"""Prices out of the catalogue, speeds out of the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fresh_store import fresh_store

from tokenworks.batches.rates import DAY_US, GUESSED_RATE, GUESSED_RATE_HERE, SPREAD, Speed, chosen
from tokenworks.catalog.load import Catalog, load
from tokenworks.config.auto import AutoSettings
from tokenworks.config.settings import EngineSettings, ProviderModelSettings, ProviderSettings, Settings
from tokenworks.errors import UnknownModel
from tokenworks.ledger.record import Record
from tokenworks.ledger.store import Store

NOW_US = 20_000 * DAY_US


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = fresh_store(f"sqlite:///{tmp_path / 'tokenworks.db'}")
    yield store
    store.close()


def sold(name: str, context: int = 100_000, price: float | None = None) -> ProviderModelSettings:
    return ProviderModelSettings(id=name, context_length=context, input_mtok=price, output_mtok=price)


def catalog(tmp_path: Path, *models: ProviderModelSettings, **engines: EngineSettings) -> Catalog:
    provider = ProviderSettings(
        wire="openai_chat", base_url="http://127.0.0.1:1/v1", auth="none", allow_private=True, models=models
    )
    providers = {"acme": provider} if models else {}
    return load(Settings(home=tmp_path, source=None, pepper=b"p", providers=providers, engines=engines))


def answers(
    store: Store, model: str, seconds: float, count: int, first: int = 0, stream: bool = True
) -> None:
    """``count`` answers of 1,000 tokens in so many seconds each, after a wait of one second."""
    records = [
        Record(
            id=f"gen-{model}-{number}",
            time_us=NOW_US - 2 * DAY_US,
            outcome="ok",
            status=200,
            model=model,
            provider="acme",
            stream=stream,
            output_tokens=1000,
            ttft_us=1_000_000,
            latency_us=round((1 + seconds) * 1e6),
        )
        for number in range(first, first + count)
    ]
    store.append(f"w{first}{model}", 1, records)


def test_one_model_has_its_own_price_twice(tmp_path: Path, store: Store) -> None:
    found = chosen(catalog(tmp_path, sold("acme/a", price=2.0)), store, "acme/a", now_us=NOW_US)
    assert found.cheap == found.dear and found.strong is None
    assert found.cheap.model == "acme/a"
    assert found.cheap.low is not None and found.cheap.low.input_mtok == 2.0
    assert (found.cheap.speed.slow_rate, found.cheap.speed.fast_rate) == GUESSED_RATE
    assert not found.cheap.speed.measured


def test_auto_goes_from_the_cheapest_to_the_strong_one(tmp_path: Path, store: Store) -> None:
    books = catalog(
        tmp_path,
        *(sold("acme/tiny", 1000, 0.01), sold("acme/small", price=0.1), sold("acme/mid", price=1.0)),
        *(sold("acme/large", price=9.0), sold("acme/unknown")),
    )
    auto = AutoSettings(strong="acme/mid")
    found = chosen(books, store, "auto", auto=auto, largest_tokens=5000, now_us=NOW_US)
    assert (found.cheap.model, found.dear.model) == ("acme/small", "acme/mid")
    assert found.strong is not None and found.strong.model == "acme/mid"
    found = chosen(books, store, "auto", strong="acme/large", auto=auto, now_us=NOW_US)
    assert (found.cheap.model, found.dear.model) == ("acme/tiny", "acme/large")
    found = chosen(books, store, "auto", auto=AutoSettings(exclude=("*/tiny",)), now_us=NOW_US)
    assert found.cheap.model == "acme/small"
    with pytest.raises(UnknownModel, match="has room for this"):
        chosen(books, store, "auto", largest_tokens=10**9, now_us=NOW_US)


def test_a_price_that_is_not_known_is_none(tmp_path: Path, store: Store) -> None:
    found = chosen(catalog(tmp_path, sold("acme/unknown")), store, "acme/unknown", now_us=NOW_US)
    assert found.cheap.low is None and found.cheap.high is None


def test_speeds_are_those_of_the_ledger_once_it_has_some(tmp_path: Path, store: Store) -> None:
    books = catalog(tmp_path, sold("acme/a", price=1.0))
    answers(store, "acme/a", 10, 4)
    assert not chosen(books, store, "acme/a", now_us=NOW_US).cheap.speed.measured
    answers(store, "acme/a", 10, 4, first=4)
    answers(store, "acme/a", 100, 4, first=8)
    answers(store, "acme/other", 1, 50)
    speed = chosen(books, store, "acme/a", now_us=NOW_US).cheap.speed
    assert speed.measured
    assert speed.slow_rate == pytest.approx(10, rel=0.2)
    assert speed.fast_rate == pytest.approx(100, rel=0.2)
    assert speed.slow_ttft_s == pytest.approx(1, rel=0.2)
    assert not chosen(books, store, "acme/a", now_us=NOW_US + 60 * DAY_US).cheap.speed.measured


def test_without_streams_it_is_what_whole_answers_took(tmp_path: Path, store: Store) -> None:
    books = catalog(tmp_path, sold("acme/a", price=1.0))
    answers(store, "acme/a", 9, 6, stream=False)
    speed = chosen(books, store, "acme/a", now_us=NOW_US).cheap.speed
    assert speed == Speed(0, 0, pytest.approx(100 / SPREAD), pytest.approx(100 * SPREAD), True)


def test_a_model_that_runs_here_has_slots_and_costs_nothing(tmp_path: Path, store: Store) -> None:
    books = catalog(tmp_path, here=EngineSettings(model="me/little", path="x.gguf", slots=3))
    found = chosen(books, store, "me/little", slots={"here": 3}, now_us=NOW_US)
    assert found.cheap.slots == 3
    assert found.cheap.low is not None and found.cheap.low.output_mtok == 0
    assert found.cheap.speed.fast_rate == GUESSED_RATE_HERE[1]


def test_an_unknown_model_is_told_the_nearest(tmp_path: Path, store: Store) -> None:
    with pytest.raises(UnknownModel, match="'acm/b'; near to it: acme/a"):
        chosen(catalog(tmp_path, sold("acme/a", price=1.0)), store, "acm/b", now_us=NOW_US)
