"""Filters, orders and pages of a list of models."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tokenworks.api import listing
from tokenworks.api.listing import Query, Row, arrange, page, select
from tokenworks.catalog.load import Catalog, load
from tokenworks.config.settings import EngineSettings, ProviderModelSettings, ProviderSettings, Settings
from tokenworks.errors import BadRequest
from tokenworks.schema import Endpoint, Model, Price

NOW = 1_790_000_000.0  # 2026-09-21


def seller(title: str, *models: ProviderModelSettings, **more: Any) -> ProviderSettings:
    return ProviderSettings(
        wire="openai_chat", base_url="https://x.example/v1", title=title, models=models, **more
    )


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """Two models of ours at two providers, one that runs here, and what a known provider sells."""
    fast = ProviderModelSettings(
        id="acme/fast",
        context_length=131072,
        input_mtok=0.1,
        output_mtok=0.4,
        supported_parameters=("tools", "seed"),
    )
    dear = ProviderModelSettings(
        id="acme/dear",
        context_length=8192,
        input_mtok=75.0,
        output_mtok=150.0,
        supported_parameters=("tools",),
    )
    again = ProviderModelSettings(
        id="acme/fast", context_length=4096, input_mtok=0.2, output_mtok=0.9, supported_parameters=("stop",)
    )
    settings = Settings(
        home=tmp_path_factory.mktemp("home"),
        source=None,
        providers={
            "acme": seller("Acme Inc", fast, dear),
            "beta": seller("Beta", again, zero_retention=True),
        },
        engines={"smol": EngineSettings(model="huggingfacetb/smollm2-135m-instruct", path="/m/smol.gguf")},
        secrets={"acme": "sk", "beta": "sk", "deepseek": "sk"},
    )
    return load(settings)


def ids(catalog: Catalog, **query: Any) -> list[str]:
    return [row.model.id for row in select(catalog, Query(**query), NOW)]


def ours(catalog: Catalog, **query: Any) -> set[str]:
    """Without those of the known provider."""
    return {each for each in ids(catalog, **query) if not each.startswith("deepseek/")}


def test_everything_by_id(catalog: Catalog) -> None:
    found = ids(catalog)
    assert found == sorted(catalog.endpoints)
    assert {"acme/fast", "acme/dear", "huggingfacetb/smollm2-135m-instruct"} < set(found)
    assert any(each.startswith("deepseek/") for each in found)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"q": "ACME"}, {"acme/fast", "acme/dear"}),
        ({"q": "smollm2 135"}, {"huggingfacetb/smollm2-135m-instruct"}),  # in the name
        ({"arch": "smol"}, {"huggingfacetb/smollm2-135m-instruct"}),
        ({"model_authors": "Acme, nobody"}, {"acme/fast", "acme/dear"}),
        ({"supported_parameters": "tools", "model_authors": "acme"}, {"acme/fast", "acme/dear"}),
        ({"supported_parameters": "tools,seed", "model_authors": "acme"}, {"acme/fast"}),
        ({"supported_parameters": "seed,stop", "model_authors": "acme"}, set()),  # no one endpoint has both
        ({"context": 100_000}, {"acme/fast"}),
        ({"context": 5000, "model_authors": "acme"}, {"acme/fast", "acme/dear"}),
        ({"min_price": 75}, {"acme/dear"}),
        ({"max_price": 0.1}, {"acme/fast", "huggingfacetb/smollm2-135m-instruct"}),
        ({"max_price": 0}, {"huggingfacetb/smollm2-135m-instruct"}),
        ({"min_output_price": 0.4, "max_output_price": 1}, {"acme/fast"}),
        ({"providers": "acme inc"}, {"acme/fast", "acme/dear"}),
        ({"providers": "beta"}, {"acme/fast"}),
        ({"providers": "local"}, {"huggingfacetb/smollm2-135m-instruct"}),
        ({"zdr": "true"}, {"acme/fast", "huggingfacetb/smollm2-135m-instruct"}),
        ({"input_modalities": "text", "model_authors": "acme"}, {"acme/fast", "acme/dear"}),
        ({"input_modalities": "text,image", "model_authors": "acme"}, set()),
        ({"output_modalities": "embeddings"}, set()),
        ({"output_modalities": "embeddings,text", "model_authors": "acme"}, {"acme/fast", "acme/dear"}),
        ({"output_modalities": "all", "model_authors": "acme"}, {"acme/fast", "acme/dear"}),
        ({"q": "", "providers": " , ", "model_authors": "acme"}, {"acme/fast", "acme/dear"}),
        ({"q": "\x00\ud7ff"}, set()),
    ],
)
def test_filters(catalog: Catalog, query: dict[str, Any], found: set[str]) -> None:
    assert ours(catalog, **query) == found


def test_ages_are_those_of_dated_models(catalog: Catalog) -> None:
    dated = {name for name in ids(catalog) if catalog.models[name].released}
    young = set(ids(catalog, max_age_days=400))
    old = set(ids(catalog, min_age_days=400))
    assert young | old == dated and not young & old
    assert "huggingfacetb/smollm2-135m-instruct" in old
    assert "acme/fast" not in young | old  # nobody knows


def row(name: str, price: float = 1.0, context: int = 1000, released: str = "") -> Row:
    model = Model(name, name, "a", "", context, released=released)
    return Row(model, (Endpoint(name, "p", name, Price("p", price, price), context),))


ROWS = [
    row("a", 3.0, 10, "2026-01-01"),
    row("b", 1.0, 30),
    row("c", 2.0, 20, "2026-05-01"),
    row("d", 1.0, 30),
]


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        (None, "abcd"),
        ("nonsense", "abcd"),
        ("newest", "cabd"),
        ("pricing-low-to-high", "bdca"),
        ("pricing-high-to-low", "acbd"),
        ("context-high-to-low", "bdca"),
        ("top-weekly", "cbad"),
        ("most-popular", "cbad"),
    ],
)
def test_orders(sort: str | None, order: str) -> None:
    assert "".join(each.model.id for each in arrange(ROWS, sort, {"c": 5, "b": 2})) == order


def test_without_a_limit_everything_is_one_page() -> None:
    many = [row(f"m/{number:04}") for number in range(1500)]
    whole = page(many, Query())
    assert (len(whole.rows), whole.total, whole.more, whole.next_offset) == (1500, 1500, False, None)
    part = page(many, Query(offset=1000))
    assert (len(part.rows), part.more, part.next_offset) == (500, False, None)
    assert len(page(many, Query(offset=0)).rows) == listing.DEFAULT_LIMIT


@given(st.integers(0, 30), st.integers(1, 12))
def test_pages_by_offset_are_the_whole_list(total: int, limit: int) -> None:
    many = [row(f"m/{number:02}") for number in range(total)]
    seen: list[Row] = []
    offset: int | None = 0
    while offset is not None:
        part = page(many, Query(offset=offset, limit=limit))
        assert part.more == (part.next_offset is not None)
        seen += part.rows
        offset = part.next_offset
    assert seen == many


@given(st.integers(1, 30), st.integers(1, 12))
def test_pages_by_cursor_are_the_whole_list_both_ways(total: int, limit: int) -> None:
    many = [row(f"m/{number:02}") for number in range(total)]
    seen = list(page(many, Query(limit=limit)).rows)
    while page(many, Query(limit=limit, after_id=seen[-1].model.id)).rows:
        seen += page(many, Query(limit=limit, after_id=seen[-1].model.id)).rows
    assert seen == many
    while (part := page(many, Query(limit=limit, before_id=seen[0].model.id))).rows:
        assert part.more == (part.rows[0] is not many[0])
        assert list(part.rows) == many[: many.index(seen[0])][-limit:]
        seen = list(part.rows)
    assert seen[0] is many[0]


@pytest.mark.parametrize("field", ["after_id", "before_id"])
def test_a_cursor_that_is_no_model_is_refused(field: str) -> None:
    with pytest.raises(BadRequest, match=field):
        page(ROWS, Query(**{field: "nobody"}))


@pytest.mark.parametrize(
    "wrong",
    [
        {"offset": -1},
        {"offset": 10**30},
        {"limit": 0},
        {"limit": 1001},
        {"context": 0},
        {"context": 2**63},
        {"min_price": -0.1},
        {"max_price": float("nan")},
        {"max_output_price": float("inf")},
        {"min_age_days": 10**9},
        {"q": "x" * 1001},
    ],
)
def test_numbers_are_bounded(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Query(**wrong)
