"""Many plans beside each other, and sellers against the cheapest of them."""

import pytest

from tokenworks.energy import comparison
from tokenworks.energy.case import Case
from tokenworks.energy.grid import Region, region
from tokenworks.energy.posted import Posted
from tokenworks.errors import BadRequest

TEXAS, MONGOLIA = region("TX"), region("CN-NM")


def case(model: str, device: str, where: Region) -> Case:
    return Case(
        model=model,
        hardware=device,
        own=True,
        usd_per_kwh=where.usd_per_kwh,
        g_per_kwh=where.g_per_kwh,
        input_tokens=2000,
        cached_tokens=500,
        output_tokens=300,
    )


def compared(*models: str, on: tuple[str, ...] = ("H200",)) -> list[comparison.Compared]:
    return comparison.compare(models, on, [TEXAS, MONGOLIA], case)


def test_every_model_on_every_device_in_every_region() -> None:
    found = compared("gpt-oss-20b", "gpt-oss-120b", on=("H200", "B200"))
    assert [(each.model, each.hardware, each.region.id) for each in found[:5]] == [
        ("gpt-oss-20b", "H200", "US-TX"),
        ("gpt-oss-20b", "H200", "CN-NM"),
        ("gpt-oss-20b", "B200", "US-TX"),
        ("gpt-oss-20b", "B200", "CN-NM"),
        ("gpt-oss-120b", "H200", "US-TX"),
    ]
    assert len(found) == 8 and all(each.plan is not None for each in found)


def test_cheaper_power_is_a_cheaper_token_and_dirtier_power_more_carbon() -> None:
    texas, mongolia = (each.plan for each in compared("gpt-oss-120b"))
    assert texas is not None and mongolia is not None
    assert mongolia.money.output_usd < texas.money.output_usd
    assert mongolia.power.g_per_m_output / texas.power.g_per_m_output == pytest.approx(648 / 350)
    assert texas.speed == mongolia.speed and texas.sensitivity == ()


def test_what_does_not_fit_is_a_row_and_what_nobody_knows_is_an_error() -> None:
    found = compared("kimi-k2.5", "gpt-oss-20b", on=("L40S",))
    assert found[0].plan is None and "does not fit" in found[0].problem and found[2].plan is not None
    assert comparison.as_row(found[0]) == {
        "model": "kimi-k2.5",
        "hardware": "L40S",
        "region": "US-TX",
        "problem": found[0].problem,
    }
    with pytest.raises(BadRequest, match="does not fit"):
        compared("kimi-k2.5", on=("L40S",))
    with pytest.raises(BadRequest, match="unknown model 'kimmi'"):
        compared("gpt-oss-20b", "kimmi")
    with pytest.raises(BadRequest, match="unknown hardware 'H2000'"):
        compared("gpt-oss-20b", on=("H200", "H2000"))


def test_a_row_is_flat_and_says_its_units() -> None:
    (each, _) = compared("gpt-oss-120b")
    row = comparison.as_row(each)
    assert each.plan is not None
    assert row["output_usd"] == each.plan.money.output_usd and row["usd_per_kwh"] == 0.0725
    assert (row["low"], row["high"], row["problem"]) == (each.plan.band.low, each.plan.band.high, "")
    assert not [name for name, value in row.items() if isinstance(value, dict | list | tuple)]


def test_sellers_are_held_against_the_cheapest_deployment_for_the_same_request() -> None:
    found = compared("gpt-oss-120b", on=("H200", "B200"))
    costs = [comparison.cost_of(each.plan, each.region) for each in found if each.plan is not None]
    least = min(costs, key=lambda each: each.request_usd)
    plan = next(each.plan for each in found if each.plan is not None)
    assert least.request_usd <= plan.money.request_usd
    assert costs[0].request_usd == pytest.approx(plan.money.request_usd, rel=1e-6)
    dumping = Posted("openai/gpt-oss-120b", "shop", "x", 1e-6, 1e-6, 1e-6)
    dear = Posted("openai/gpt-oss-120b", "mall", "x", 10, 10, 10)
    made = comparison.market("gpt-oss-120b", found, [dumping, dear])
    assert made is not None and made.cost == least
    assert [each.kind for each in made.verdicts] == ["under", "over"]
    assert made.verdicts[0].deployment == least.name and "CN-NM" in least.name


def test_no_deployment_is_no_market() -> None:
    found = compared("kimi-k2.5", "gpt-oss-20b", on=("L40S",))
    assert comparison.market("kimi-k2.5", found, []) is None
    made = comparison.market("gpt-oss-20b", found, [])
    assert made is not None and made.verdicts == ()


def test_the_catalogue_is_asked_by_the_given_name_first() -> None:
    assert comparison.names_of("moonshotai/kimi-k2.6")[:2] == ["moonshotai/kimi-k2.6", "kimi-k2.6"]
    assert comparison.names_of("llama-3.3-70b")[:2] == ["llama-3.3-70b", "llama-3.3-70b-instruct"]
    assert comparison.names_of("my/config.json") == ["my/config.json"]
