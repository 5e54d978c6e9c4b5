"""A plan as people read it."""

import re

import pytest

from tokenworks.cli.energy import sheet
from tokenworks.energy.case import Case
from tokenworks.energy.grid import region
from tokenworks.energy.outcome import Plan
from tokenworks.energy.planner import plan
from tokenworks.energy.step_time import Row, constants

TEXAS = region("TX")
CASE = Case(model="kimi-k2.5", hardware="H200", devices=8, usd_per_kwh=0.0725, g_per_kwh=350)


@pytest.fixture(scope="module")
def made() -> Plan:
    return plan(CASE)


def shown(made: Plan, capsys: pytest.CaptureFixture[str]) -> str:
    sheet.show(made, TEXAS)
    return capsys.readouterr().out


def test_everything_that_was_promised(made: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(made, capsys)
    for word in (
        *(
            "kimi-k2.5",
            "8 x NVIDIA H200 SXM, rented",
            "tensor parallel 8",
            "Texas: 7.25 ¢/kWh, 350 g CO2/kWh",
        ),
        *("time to first token", "time per output token", "output tokens/s", "error band", "KV per token"),
        *(
            "70,272 bytes",
            "contexts of 2,048 tokens",
            "contexts of 1,048,576 tokens",
            "weights on each device",
        ),
        *("new input", "cached input", "output", "watts of a device", "kWh", "CO2 of a million"),
        *("$ per million tokens", "a device-hour of work", "one cent more a kWh", "inside the rent"),
        *("a decode step is", "the cost of a request is", "what if", "rent", "utilisation", "█"),
        *("eight of ten measured times", "price of power: EIA Electric Power Monthly"),
    ):
        assert word in text, word


def line(text: str, name: str) -> list[float]:
    (found,) = [each for each in text.splitlines() if each.startswith(name + "  ")]
    return [float(number.replace(",", "")) for number in re.findall(r"[\d,]*\.?\d+", found)]


def test_bands_are_those_of_the_times(made: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    text, band = shown(made, capsys), made.band
    assert band.low < band.high
    for name in ("time per output token", "a whole request"):
        value, low, high = line(text, name)[:3]
        assert (low / value, high / value) == pytest.approx((band.low, band.high), rel=0.01), name
    for name in ("output tokens/s", "prefill alone"):  # what takes longer is less a second
        value, low, high = line(text, name)[:3]
        assert (value / high, value / low) == pytest.approx((band.low, band.high), rel=0.01), name
    assert line(text, "output tokens/s")[0] == pytest.approx(made.speed.output_tps * 8, abs=0.51)
    assert line(text, "time per output token")[0] == pytest.approx(made.speed.tpot_s * 1e3, rel=0.01)


def test_times_to_a_first_token_have_an_error_of_their_own(
    made: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    row = constants(made.hardware, made.case.backend, True)
    assert isinstance(row, Row)
    error = row.ttft_abs_error
    assert f"half of the measured ones lie within {error:.0%}" in shown(made, capsys) and error > 0
    soc = plan(Case(model="llama-3.1-8b", hardware="m4-max", concurrency=1, own=True), sensitivity=False)
    assert "how far it is off is not known" in shown(soc, capsys)


def test_kilowatt_hours_and_grams_are_those_of_the_joules(
    made: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    energy = shown(made, capsys).split("energy, at the wall")[1].split("$ per million")[0]
    joules, kwh, grams = line(energy, "output")[:3]
    assert kwh == pytest.approx(joules / 3.6, rel=0.01) and grams == pytest.approx(kwh * 350, rel=0.01)


def test_a_price_that_was_given_is_nobody_else_s(capsys: pytest.CaptureFixture[str]) -> None:
    own = plan(Case(model="gpt-oss-20b", hardware="L40S", usd_per_kwh=0.2, own=True), sensitivity=False)
    text = shown(own, capsys)
    assert "price of power" not in text and "paid by the owner" in text and "what if" not in text
    assert "CO2 of a million" in text and "20 ¢/kWh" in text


def test_pools_say_what_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    pool = plan(
        Case(
            model="kimi-k2.5",
            hardware="H200",
            devices=96,
            wide=True,
            prefill_devices=-1,
            concurrency=96 * 64,
            input_tokens=2000,
            output_tokens=500,
        ),
        sensitivity=False,
    )
    text = shown(pool, capsys)
    assert f"{pool.prefill_devices} + 96 x NVIDIA H200 SXM" in text and pool.prefill_devices > 0
    assert "experts over all, attention data-parallel" in text


def test_json_is_the_whole_plan(made: Plan) -> None:
    found = sheet.as_dict(made, {"id": "US-TX"})
    assert found["money"]["output_usd"] == made.money.output_usd and found["region"] == {"id": "US-TX"}
    assert found["case"]["model"] == "kimi-k2.5" and len(found["sensitivity"]) == len(made.sensitivity) > 5


@pytest.mark.parametrize(
    ("share", "text"), [(0, ""), (1, "████████"), (0.5, "████"), (0.0625, "▌"), (2, "████████"), (-1, "")]
)
def test_bars(share: float, text: str) -> None:
    assert sheet.bar(share, 8) == text


def test_the_formats_are_named(made: Plan) -> None:
    assert sheet.precision_name(made).endswith("KV in bf16")
    assert "with int4 experts" in sheet.precision_name(made)
