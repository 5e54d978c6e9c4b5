"""``tokenworks energy plan``."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tokenworks.cli import main


def plan(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["energy", "plan", "--home", str(home), *arguments])


def test_json_holds_what_was_asked_and_what_comes_out(tmp_path: Path) -> None:
    found = json.loads(
        plan(
            tmp_path,
            *("gpt-oss-120b", "--on", "h200", "--concurrency", "32", "--input", "2000", "--cached", "1500"),
            *("--output", "300", "--own", "--region", "texas", "--pue", "1.1", "--json"),
        ).output
    )
    asked = found["case"]
    assert (asked["input_tokens"], asked["cached_tokens"], asked["concurrency"]) == (2000, 1500, 32)
    assert (asked["usd_per_kwh"], asked["pue"], found["region"]["id"]) == (0.0725, 1.1, "US-TX")
    assert found["hardware"] == "h200-sxm" and found["devices"] >= 1
    assert 0 < found["money"]["cached_usd"] < found["money"]["output_usd"]
    assert 0 < found["money"]["power_share"] < 0.5


def test_people_get_a_sheet(tmp_path: Path) -> None:
    shown = plan(tmp_path, "gpt-oss-20b", "--on", "L40S")
    assert shown.exit_code == 0 and "time per output token" in shown.output
    assert "United States: 9.1 ¢/kWh" in shown.output


def test_a_model_s_own_configuration(tmp_path: Path, data: Path) -> None:
    file = next(iter(sorted((data / "economics" / "model_configs").rglob("*.json"))))
    by_option = json.loads(
        plan(tmp_path, "--config", str(file), "--on", "B200", "--wide", "--json").output or "{}"
    )
    if not by_option:  # dense ones have no pool
        by_option = json.loads(plan(tmp_path, "--config", str(file), "--on", "B200", "--json").output)
    assert by_option["total_parameters"] > 1e9


def test_own_prices_of_power_are_used(tmp_path: Path) -> None:
    row = '[US-TX]\nprice = { usd_per_kwh = 0.5, source = "contract", date = "2026-10" }\n'
    (tmp_path / "grid.toml").write_text(row)
    found = json.loads(plan(tmp_path, "gpt-oss-20b", "--on", "L40S", "--region", "TX", "--json").output)
    assert found["case"]["usd_per_kwh"] == 0.5 and found["region"]["price_source"] == "contract"
    given = plan(tmp_path, "gpt-oss-20b", "--on", "L40S", "--region", "TX", "--power-price", "0", "--json")
    assert json.loads(given.output)["case"]["usd_per_kwh"] == 0


def test_a_measured_machine_can_be_planned_for(tmp_path: Path) -> None:
    (tmp_path / "hardware").mkdir()
    (tmp_path / "hardware" / "lab-cpu.toml").write_text(
        'title = "Some Processor"\nkind = "cpu"\nmemory_gb = 64.0\nbandwidth_tbps = 0.08\nbf16_tflops = 1.5\n'
        "tdp_w = 200.0\nwhole = true\n"
    )
    options = ("--on", "lab-cpu", "--weights", "q4_k", "--concurrency", "1", "--capex", "3000", "--own")
    found = json.loads(plan(tmp_path, "llama-3.1-8b", *options, "--json").output)
    assert found["title"] == "Some Processor" and 0.01 < found["speed"]["tpot_s"] < 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("kimi-k25", "--on", "H200"), "unknown model 'kimi-k25': use kimi-k2"),
        (("gpt-oss-20b", "--on", "Hx00"), "unknown hardware 'Hx00': use "),
        (("kimi-k2.5", "--on", "L40S"), "does not fit in"),
        (
            ("gpt-oss-20b", "--on", "H200", "--power-price", "-0.1"),
            "power price is -0.1: it must be 0 or more",
        ),
        (("gpt-oss-20b", "--on", "H200", "--rent", "-2"), "rent is -2: it must be 0 or more"),
        (("gpt-oss-20b", "--on", "H200", "--tp", "3", "--devices", "8"), "use tp 8"),
        (("gpt-oss-20b", "--on", "H200", "--pue", "0.5"), "pue is 0.5"),
        (("gpt-oss-20b", "--on", "H200", "--utilisation", "60"), "utilisation is 60"),
        (("gpt-oss-20b", "--on", "H200", "--weights", "fp3"), "unknown precision 'fp3'"),
        (("gpt-oss-20b", "--on", "H200", "--kv", "fp3"), "unknown number format 'fp3'"),
        (
            ("gpt-oss-20b", "--on", "H200", "--region", "Texs"),
            'no region is called "Texs"; did you mean US-TX',
        ),
        (("gpt-oss-20b", "--on", "H200", "--cached", "9999"), "at least one must be new"),
        (("gpt-oss-20b", "--on", "H200", "--backend", "x"), 'no constants were fitted for backend "x"; use '),
        (("gpt-oss-20b", "--on", "H200", "--concurrency", "nan"), "concurrency is nan"),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    refused = plan(tmp_path, *arguments)
    assert refused.exit_code in (1, 2) and refused.output.count("\n") == 1, refused.output
    assert refused.output.startswith("tokenworks: ") and message in refused.output
