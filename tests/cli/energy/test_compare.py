"""``tokenworks energy compare``: the table, the files beside it, and who sells under cost."""

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tokenworks.cli import main


def compare(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["energy", "compare", "--home", str(home), *arguments])


def test_a_table_and_a_verdict(tmp_path: Path) -> None:
    shown = compare(
        tmp_path, "gpt-oss-120b", "--on", "H200", "--on", "B200", "--region", "TX", "--region", "DE"
    )
    assert shown.exit_code == 0, shown.output
    for text in ("1 x h200-sxm", "1 x b200-sxm", "US-TX", "who sells openai/gpt-oss-120b", "computed cost"):
        assert text in shown.output, text
    assert "note: a rent holds the power" in shown.output
    last = shown.output.splitlines()[-1]
    assert "gpt-oss-120b" in last and ("under what it costs" in last or "about what" in last)


def test_owners_pay_for_power_where_they_are(tmp_path: Path) -> None:
    found = json.loads(
        compare(tmp_path, "gpt-oss-120b", "--own", "--region", "TX", "--region", "DE", "--json").output
    )
    by_region = {(each["hardware"], each["region"]): each["output_usd"] for each in found["cases"]}
    assert by_region["H200", "US-TX"] < by_region["H200", "DE"]
    assert set(by_region) == {(device, where) for device in ("H200", "B200") for where in ("US-TX", "DE")}
    (market,) = found["markets"]
    assert market["summary"] and len(market["sold"]) == len(market["verdicts"]) > 1
    assert all(each["source"] and each["checked"] for each in market["sold"])


def test_sellers_are_judged_by_the_user_s_own_offers_too(tmp_path: Path) -> None:
    (tmp_path / "tokenworks.toml").write_text(
        '[providers.shop]\nbase_url = "https://shop.example/v1"\nwire = "openai_chat"\nauth = "none"\n'
        '[[providers.shop.models]]\nid = "openai/gpt-oss-120b"\n'
        "input_mtok = 0.000001\noutput_mtok = 0.000001\n"
    )
    shown = compare(tmp_path, "gpt-oss-120b", "--on", "H200")
    assert "shop sells gpt-oss-120b under what it costs on 1 x NVIDIA H200 SXM in US" in shown.output
    assert "under cost" in shown.output


def test_a_model_that_nobody_sells(tmp_path: Path) -> None:
    assert (
        "Nobody in the catalogue sells mixtral-8x7b."
        in compare(tmp_path, "mixtral-8x7b", "--on", "H100").output
    )


def test_csv_and_plot(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    table, picture = tmp_path / "costs.csv", tmp_path / "costs.svg"
    shown = compare(
        tmp_path,
        *("gpt-oss-20b", "kimi-k2.5", "--on", "L40S", "--on", "H200"),
        *("--csv", str(table), "--plot", str(picture)),
    )
    assert shown.output.splitlines()[-2:] == [f"wrote {table}", f"wrote {picture}"]
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["model"], row["hardware"]) for row in rows] == [
        ("gpt-oss-20b", "L40S"),
        ("gpt-oss-20b", "H200"),
        ("kimi-k2.5", "L40S"),
        ("kimi-k2.5", "H200"),
    ]
    assert (
        float(rows[0]["output_usd"]) > 0
        and rows[2]["output_usd"] == ""
        and "does not fit" in rows[2]["problem"]
    )
    assert "does not fit" in shown.output and "can't be" in shown.output
    assert "8 x h200-sxm, US" in picture.read_text()


def test_a_model_s_own_configuration_comes_last(tmp_path: Path, data: Path) -> None:
    file = data / "economics" / "model_configs"
    config = next(each for each in sorted(file.rglob("*.json")) if "8b" in str(each).lower())
    found = json.loads(
        compare(tmp_path, "gpt-oss-20b", "--config", str(config), "--on", "H100", "--json").output
    )
    assert [each["model"] for each in found["cases"]] == ["gpt-oss-20b", str(config)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gpt-oss-20b", "--on", "Hx00"), "unknown hardware 'Hx00'"),
        (("gpt-oss-20x", "--on", "H200"), "unknown model 'gpt-oss-20x'"),
        (("kimi-k2.5", "--on", "L40S"), "does not fit"),
        (("gpt-oss-20b", "--region", "atlantis"), 'no region is called "atlantis"'),
        (("gpt-oss-20b", "--plot", "costs.pdf"), "costs.pdf: a plot is .png or .svg"),
        (
            ("gpt-oss-20b", "--csv", "/no/such/folder/x.csv"),
            "/no/such/folder/x.csv: No such file or directory",
        ),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    refused = compare(tmp_path, *arguments)
    assert refused.exit_code in (1, 2) and refused.output.count("\n") == 1, refused.output
    assert message in refused.output


def test_a_model_has_to_be_named(tmp_path: Path) -> None:
    refused = compare(tmp_path)
    assert refused.exit_code == 2 and "give a MODEL" in refused.output
