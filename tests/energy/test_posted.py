"""What sellers ask: the catalogue's prices, key or none, the user's own offers among them."""

from pathlib import Path

import pytest

from tokenworks.config.settings import EngineSettings, ProviderModelSettings, ProviderSettings, Settings
from tokenworks.energy.posted import Posted, posted


def settings(**more: object) -> Settings:
    return Settings(home=Path("/nowhere"), source=None, **more)  # type: ignore[arg-type]


def test_sellers_need_no_key() -> None:
    found = posted(["gpt-oss-120b"], settings())
    assert len(found) > 1 and {each.model for each in found} == {"openai/gpt-oss-120b"}
    assert [each.input_mtok * 3 + each.output_mtok for each in found] == sorted(
        each.input_mtok * 3 + each.output_mtok for each in found
    )
    for each in found:
        assert each.input_mtok > 0 and each.source and each.checked.startswith("20")


def test_the_first_name_that_is_sold_counts() -> None:
    found = posted(["nobody-sells-this", "glm-5", "gpt-oss-120b"], settings())
    assert {each.model for each in found} == {"z-ai/glm-5"}
    assert posted(["nobody-sells-this"], settings()) == []


def test_own_offers_count_and_what_bills_nothing_does_not() -> None:
    listed = ProviderModelSettings(id="openai/gpt-oss-120b", input_mtok=0.01, output_mtok=0.02)
    shop = ProviderSettings(
        wire="openai_chat", base_url="https://shop.example/v1", models=(listed,), auth="none", country="US"
    )
    free = ProviderSettings(
        wire="openai_chat",
        base_url="https://free.example/v1",
        models=(ProviderModelSettings(id="openai/gpt-oss-120b", input_mtok=0.0, output_mtok=0.0),),
        auth="none",
        country="US",
    )
    engine = EngineSettings(model="openai/gpt-oss-120b", path=Path("/m.gguf"), context_length=8192)
    found = posted(
        ["gpt-oss-120b"], settings(providers={"shop": shop, "free": free}, engines={"mine": engine})
    )
    assert (found[0].provider, found[0].input_mtok, found[0].output_mtok) == ("shop", 0.01, 0.02)
    assert found[0].cached_mtok == 0.01  # charged like other input, where nothing else is said
    assert all(each.input_mtok > 0 for each in found)


def test_a_request_is_billed_by_its_three_classes() -> None:
    one = Posted("a/b", "shop", "b", input_mtok=1.0, cached_mtok=0.1, output_mtok=4.0)
    assert one.request_usd(1_000_000, 2_000_000, 500_000) == pytest.approx(1.0 + 0.2 + 2.0)
