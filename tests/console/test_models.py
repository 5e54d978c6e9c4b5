"""The list of prices, and the page of one model."""

from __future__ import annotations

import html
import json
import re
import time
from typing import Any

import pytest

from tokenworks.config.settings import ProviderModelSettings, ProviderSettings, RoutingSettings
from tokenworks.console import price_filter
from tokenworks.ledger.record import Record
from tokenworks.routing.health import Health

NOW_US = 1_790_000_000_000_000
HOSTILE = "acme/<script>alert(1)</script>"
ROW = re.compile(r'<tr>\s*<th scope="row"><a href="/console/models/([^"]+)">')


def priced(name: str, price: float, **more: Any) -> ProviderModelSettings:
    """A model at so many dollars of input."""
    return ProviderModelSettings(
        id=name, context_length=1000, input_mtok=price, output_mtok=4 * price, **more
    )


MODELS = (
    priced("acme/cheap", 0.1, cache_read_mtok=0.01),
    priced("acme/dear", 9.0, input_modalities=("text", "image"), supported_parameters=("tools",)),
    priced(HOSTILE, 1.0),
)


def provider(title: str, models: tuple[ProviderModelSettings, ...]) -> ProviderSettings:
    return ProviderSettings(
        wire="openai_chat", base_url="http://127.0.0.1:9/v1", title=title, allow_private=True, models=models
    )


@pytest.fixture
async def site(opened: Any) -> Any:
    """Signed in at a works with two providers."""
    browser = opened(
        now_us=lambda: NOW_US,
        health=Health(RoutingSettings()),
        providers={
            "acme": provider("Acme & Sons", MODELS),
            "beta": provider("Beta", (priced("acme/cheap", 0.2),)),
        },
        secrets={"acme": "sk-a", "beta": "sk-b"},
    )
    assert (await browser.sign_in()).status_code == 303
    return browser


async def shown(browser: Any, path: str = "") -> str:
    answer = await browser.get(f"/console/models{path}")
    assert answer.status_code == 200, answer.text
    text: str = answer.text
    return text


async def names(browser: Any, query: str) -> list[str]:
    return ROW.findall(await shown(browser, query))


def record(number: int, **more: Any) -> Record:
    time_us = NOW_US - 1_000_000 * number
    given: dict[str, Any] = {"model": "acme/cheap", "provider": "acme", "outcome": "ok", "app": "app"}
    given |= {"stream": True, "latency_us": 2_500_000, "ttft_us": 500_000, "output_tokens": 200}
    given |= {"uncached_input_tokens": 800, "cost_nano_usd": 160_000, "key_id": "k_1"}
    return Record(f"gen-{time_us // 1_000_000}-{number:06x}", time_us, **(given | more))


async def test_nobody_reads_prices_without_signing_in(opened: Any) -> None:
    browser = opened()
    for path in ("models", "models/acme/cheap"):
        assert (await browser.get(f"/console/{path}")).status_code == 303


async def test_without_a_provider_all_prices_are_shown_and_the_next_step(browser: Any) -> None:
    text = await shown(browser)
    assert "tokenworks provider key add" in text and "needs a key" in text
    assert len(ROW.findall(text)) == price_filter.PAGE


async def test_columns_sort_and_what_is_unknown_comes_last(site: Any) -> None:
    site.store.append("w", 1, [record(1), record(2, provider="beta", cost_nano_usd=1_000_000)])
    mine = "?mine=1&sort="
    found = [name for name in await names(site, f"{mine}model") if "script" not in name]
    assert found == ["acme/cheap", "acme/cheap", "acme/dear"]
    assert (await names(site, f"{mine}input"))[-1] == (await names(site, f"{mine}-input"))[0] == "acme/dear"
    text = await shown(site, f"{mine}-paid")
    order = re.findall(r"Acme &amp; Sons|Beta", text.partition("<tbody>")[2])
    assert order[:2] == ["Beta", "Acme &amp; Sons"]
    assert re.search(r'aria-sort="descending"><a[^>]*sort=paid', text)
    for column in price_filter.COLUMNS:
        for sign in ("", "-"):
            lines = await names(site, f"{mine}{sign}{column}")
            assert len(lines) == 4, column
    up, down = [await names(site, f"{mine}{sort}") for sort in ("rate", "-rate")]
    assert up[:2] == down[:2] == ["acme/cheap"] * 2  # measured; what was not follows in one order
    assert up[2:] == down[2:]


async def test_filters_narrow(site: Any) -> None:
    assert len(await names(site, "?mine=1")) == 4
    assert await names(site, "?mine=1&q=DEAR") == ["acme/dear"]
    assert await names(site, "?mine=1&tools=1") == ["acme/dear"]
    assert await names(site, "?mine=1&modality=image") == ["acme/dear"]
    assert await names(site, "?provider=beta") == ["acme/cheap"]
    assert await names(site, "?author=acme&max_price=0.15") == ["acme/cheap"]
    text = await shown(site, "?q=nothing-is-called-so")
    assert "No endpoint fits." in text
    assert len(await names(site, "?sort=colour&page=x&max_price=nan&modality=smell")) == price_filter.PAGE


async def test_a_thousand_endpoints_are_paged_and_quick(opened: Any) -> None:
    many = tuple(priced(f"acme/m{number:04d}", number + 1) for number in range(1100))
    browser = opened(providers={"acme": provider("Acme", many)}, secrets={"acme": "sk"})
    await browser.sign_in()
    assert await names(browser, "?provider=acme")  # made once
    began = time.monotonic()
    found = await names(browser, "?provider=acme&sort=-input")
    assert time.monotonic() - began < 0.3
    assert found == [f"acme/m{number:04d}" for number in range(1099, 1049, -1)]
    text = await shown(browser, "?provider=acme&sort=-input&page=22")
    assert ROW.findall(text)[-1] == "acme/m0000" and "page 22 of 22" in text and 'rel="next"' not in text
    assert "page=21" in html.unescape(text)
    assert ROW.findall(await shown(browser, "?provider=acme&sort=-input&page=99")) == ROW.findall(text)


async def test_names_of_models_are_inert(site: Any) -> None:
    site.store.append("w", 1, [record(1, model=HOSTILE, app=HOSTILE)])
    pages = [await shown(site, "?mine=1"), await shown(site, f"/{HOSTILE}")]
    pages.append((await site.get("/console/models/<script>alert(1)</script>")).text)
    for text in pages:
        assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in pages[0]


async def test_endpoints_stand_side_by_side(site: Any) -> None:
    key_id, _ = site.new_key("ops")
    site.store.append("w", 1, [record(1, key_id=key_id), record(2, app="", key_id="gone")])
    text = await shown(site, "/acme/cheap")
    for words in ("Acme &amp; Sons", "Beta", "$0.10", "$0.01", "$0.40", "$0.20", "2K", "ops", "$0.16"):
        assert words in text, words
    data = json.loads(html.unescape(re.search(r'id="prices-data">(.*?)</script>', text)[1]))  # type: ignore[index]
    assert data["labels"] == ["Acme & Sons", "Beta"]
    assert [one["values"] for one in data["series"]] == [[0.1, 0.2], [0.4, 0.8]]
    assert "curl http://tw/v1/chat/completions" in html.unescape(text)
    assert "model=acme/cheap&amp;app=app" in text and f"key={key_id}" in text


async def test_a_model_that_nobody_knows_is_404(site: Any) -> None:
    answer = await site.get("/console/models/nobody/nothing")
    assert answer.status_code == 404 and "nobody/nothing" in answer.text


async def test_what_is_measured_now_goes_before_the_ledger(site: Any) -> None:
    site.store.append("w", 1, [record(1)])
    assert "100 tok/s" not in (text := await shown(site, "/acme/cheap")) and "tok/s" in text
    endpoint = next(e for e in site.site.catalog.endpoints["acme/cheap"] if e.provider == "acme")
    vitals = site.site.health.of(endpoint)
    for _ in range(3):
        vitals.first_token(0.05, time.monotonic())
        vitals.succeeded(1.0, 1000, time.monotonic())
    text = await shown(site, "/acme/cheap")
    assert "50 ms" in text or "49 ms" in text or "51 ms" in text or "52 ms" in text or "48 ms" in text


async def test_it_is_said_in_chinese_too(site: Any) -> None:
    site.store.append("w", 1, [record(1)])
    zh = {"accept-language": "zh"}
    assert "模型与价格" in (await site.get("/console/models", headers=zh)).text
    assert "端点对比" in (await site.get("/console/models/acme/cheap", headers=zh)).text
