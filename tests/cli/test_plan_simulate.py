"""``tokenworks plan simulate`` from files to tables, JSON, CSV and pictures."""

import csv
import io
import json
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
from click.testing import CliRunner, Result

from tokenworks.cli import main
from tokenworks.cli.plan_simulate import simulate
from tokenworks.errors import ConfigError
from tokenworks.ledger.limit_rows import PlanRow
from tokenworks.ledger.record import Record
from tokenworks.ledger.sqlite import SqliteStore
from tokenworks.plans.sound import plan_from

ROOT = Path(__file__).parents[2]
PLAN = {
    "name": "flat",
    "price_usd": 20,
    "windows": [{"credits": 3, "window": "day"}],
    "classes": [{"name": "all", "models": ["*"], "input_mtok": 2, "output_mtok": 10}],
}
CONFIG = """
[providers.acme]
wire = "openai_chat"
base_url = "https://acme.example/v1"
api_key = "k"
[[providers.acme.models]]
id = "acme/large"
input_mtok = 2.0
output_mtok = 10.0
[[providers.acme.models]]
id = "acme/small"
input_mtok = 0.5
output_mtok = 2.0
"""
DAYS = 30
TRACE = "time_s,subscriber,model,input_tokens,output_tokens\n" + "".join(
    f"{day * 86400 + hour * 3600},{who},acme/large,{tokens},1000\n"
    for day in range(DAYS)
    for who, hours, tokens in (("ann", (9,), 10_000), ("bot", range(0, 24, 2), 900_000))
    for hour in hours
)
MONEY = {"type": "number"}
COUNT = {"type": "integer", "minimum": 0}
SUMS = {
    **dict.fromkeys(("requests", "included", "deferred", "cheaper", "paid", "refused", "waiting"), COUNT),
    **dict.fromkeys(("revenue_usd", "overflow_usd", "cost_usd", "margin_usd", "wanted_usd"), MONEY),
    "not_included": COUNT,
    "times_used_up": COUNT,
    "credits": MONEY,
}


def closed(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def listed(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item}


TOTALS = {"subscribers": COUNT, "losing": COUNT, "losing_share": MONEY, **SUMS}
ANSWER = closed(
    knob={"enum": ["windows", "weights", "price"]},
    target={"enum": ["margin", "losers"]},
    status={"enum": ["found", "always", "never"]},
    detail={"type": "string"},
    scale={"type": ["number", "null"]},
    price_usd={"type": ["number", "null"]},
    **{"class": {"type": ["string", "null"]}},
)
ANSWER["properties"] |= {"windows": {"type": "array"}, "classes": {"type": "array"}}
SCHEMA = closed(
    plan={"type": "object"},
    source=closed(
        note={"type": "string"},
        synthetic={"type": "boolean"},
        days=MONEY,
        requests=COUNT,
        left_out={"type": "string"},
    ),
    totals=closed(**TOTALS),
    margin_usd=closed(**dict.fromkeys(("p0", "p5", "p25", "p50", "p75", "p95", "p100"), MONEY)),
    kinds=listed(closed(kind={"type": "string"}, **TOTALS)),
    windows=listed(closed(window={"type": "string"}, credits=MONEY, times_used_up=COUNT, subscribers=COUNT)),
    break_even=listed(ANSWER),
    curve=listed(closed(scale=MONEY, margin_usd=MONEY, losing_share=MONEY)),
    subscribers=listed(closed(subscriber={"type": "string"}, kind={"type": "string"}, **SUMS)),
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "tokenworks.toml").write_text(CONFIG)
    (tmp_path / "plan.json").write_text(json.dumps(PLAN))
    (tmp_path / "trace.csv").write_text(TRACE)
    return tmp_path


def run(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(simulate, ["--home", str(home), *arguments])


def replayed(home: Path, *arguments: str) -> dict[str, Any]:
    result = run(home, *arguments, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    jsonschema.validate(found, SCHEMA)
    return found


def test_a_trace_that_names_its_subscribers(home: Path) -> None:
    found = replayed(home, str(home / "plan.json"), "--trace", str(home / "trace.csv"))
    ann, bot = sorted(found["subscribers"], key=lambda each: str(each["subscriber"]))
    assert ann["cost_usd"] == pytest.approx(DAYS * 0.03, abs=1e-9)
    assert (ann["included"], bot["included"], bot["refused"]) == (30, 30, 330)
    assert bot["margin_usd"] == pytest.approx(20 - DAYS * 1.81, abs=1e-9)
    assert found["totals"]["losing_share"] == 0.5
    assert not found["source"]["synthetic"]
    price = next(
        each for each in found["break_even"] if each["knob"] == "price" and each["target"] == "margin"
    )
    assert price["price_usd"] == 27.6  # (0.90 + 54.30) / 2


def test_the_table_the_csv_and_the_plot(home: Path) -> None:
    plan, trace = str(home / "plan.json"), str(home / "trace.csv")
    shown = run(home, plan, "--trace", trace)
    assert shown.exit_code == 0, shown.output
    for text in (
        "2 subscribers as the trace names them, over 30 days; 390 requests.",
        "concurrency, allowed clients and fair use are not replayed",
        "who loses most:\n",
        "what breaks even:\n",
        "$27.60 a month",
    ):
        assert text in shown.stdout, text
    (bot,) = [line.split() for line in shown.stdout.splitlines() if line.startswith("bot")]
    assert bot == ["bot", "360", "$20.00", "$54.30", "-$34.30", "$651.60", "30"]
    rows = list(csv.DictReader(io.StringIO(run(home, plan, "--trace", trace, "--csv").stdout)))
    assert [row["subscriber"] for row in rows] == ["bot", "ann"]
    assert float(rows[0]["margin_usd"]) == pytest.approx(-34.3)
    pytest.importorskip("matplotlib")
    picture = home / "plan.svg"
    assert run(home, plan, "--trace", trace, "--plot", str(picture), "--no-break-even").exit_code == 0
    assert ElementTree.parse(picture).getroot().tag.endswith("svg")


def test_a_demonstration_says_that_it_is_invented(home: Path) -> None:
    trace = home / "bare.csv"
    trace.write_text(
        "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03,4808,10\n2023-11-16 18:17:04,90,900\n"
    )
    arguments = [
        str(home / "plan.json"),
        "--trace",
        str(trace),
        "--model",
        "acme/large=1",
        "--model",
        "acme/small=3",
    ]
    arguments += ["--subscribers", "20", "--agents", "0.1", "--days", "3", "--per-day", "2"]
    found = replayed(home, *arguments)
    assert found["source"]["synthetic"]
    assert found["source"]["note"].startswith("Synthetic: ")
    assert [(each["kind"], each["subscribers"]) for each in found["kinds"]] == [("agent", 2), ("person", 18)]
    assert found["totals"]["revenue_usd"] == pytest.approx(20 * 2.0)
    shown = run(home, *arguments)
    assert (
        "Synthetic: the sizes of requests are real, but they were dealt to 18 invented people" in shown.stdout
    )
    assert replayed(home, *arguments) == found


def test_the_real_traces_end_to_end(home: Path, data: Path) -> None:
    folder = data / "traces"
    found = replayed(
        home, str(home / "plan.json"), "--trace", str(folder / "conversation_trace.jsonl"),
        "--agent-trace", str(folder / "AzureLLMInferenceTrace_code.csv"), "--model", "acme/large",
        "--subscribers", "40", "--per-day", "3", "--days", "10",
    )  # fmt: skip
    agents, people = found["kinds"]
    assert agents["losing"] == 2
    assert agents["wanted_usd"] > people["wanted_usd"]
    assert found["totals"]["requests"] > 5_000


def test_the_ledger(home: Path) -> None:
    assert CliRunner().invoke(main, ["init", "--home", str(home)]).exit_code == 0
    now_us = time.time_ns() // 1000
    store = SqliteStore(str(home / "tokenworks.db"))
    key = store.keys()[0]
    ages_us = (86_400_000_000 * 40, 3_000_000, 2_000_000, 1_000_000)
    records = [
        Record(
            id=f"gen-{(now_us - age_us) // 1_000_000}-{age_us}",
            time_us=now_us - age_us,
            key_id=key.id,
            model="acme/large",
            uncached_input_tokens=1_000_000,
            output_tokens=1,
            cost_nano_usd=2_500_000_000,
        )
        for age_us in ages_us
    ]
    store.append("j", 1, records)
    store.put_plan(PlanRow("stored", json.dumps(PLAN), now_us, now_us))
    store.close()
    for plan in (str(home / "plan.json"), "stored"):
        found = replayed(home, plan, "--ledger")
        (row,) = found["subscribers"]
        assert (row["subscriber"], row["requests"], row["included"]) == (key.name, 3, 1)
        assert row["cost_usd"] == 2.5  # as recorded
    assert replayed(home, "stored", "--ledger", "--price", "list")["totals"]["cost_usd"] == 2.00001
    assert replayed(home, "stored", "--ledger", "--days", "60")["totals"]["requests"] == 4


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["PLAN"], "give either --ledger or --trace FILE"),
        (["PLAN", "--ledger", "--trace", "TRACE"], "give either --ledger or --trace FILE"),
        (["PLAN", "--trace", "TRACE", "--csv", "--json"], "give either --csv or --json"),
        (["PLAN", "--trace", "TRACE", "--model", "a=b"], "write MODEL or MODEL=SHARE"),
        (["PLAN", "--trace", "TRACE", "--agent-trace", "TRACE"], "name no subscribers"),
        (["nobody", "--trace", "TRACE"], "no plan is called nobody"),
        (["BROKEN", "--trace", "TRACE"], "broken.json: window 'fortnight'"),
        (["PLAN", "--trace", "TRACE", "--plot", "plan.pdf"], "a plot is .png or .svg"),
        (["PLAN", "--trace", "TRACE", "--provider", "beta"], "no price of acme/large at beta is known"),
    ],
)
def test_mistakes_are_one_line_that_says_what_to_do(home: Path, arguments: list[str], complaint: str) -> None:
    (home / "broken.json").write_text(
        json.dumps({**PLAN, "windows": [{"credits": 1, "window": "fortnight"}]})
    )
    names = {"PLAN": home / "plan.json", "TRACE": home / "trace.csv", "BROKEN": home / "broken.json"}
    result = run(home, *(str(names.get(each, each)) for each in arguments))
    assert result.exit_code != 0
    said = str(result.exception) if isinstance(result.exception, ConfigError) else result.output
    assert complaint in said
    assert "\n" not in said or isinstance(result.exception, SystemExit)


def test_the_examples_are_plans() -> None:
    files = sorted((ROOT / "examples" / "plans").glob("*.json"))
    assert [file.stem for file in files] == ["agent-100", "chat-20", "pay-as-you-go"]
    for file in files:
        assert plan_from(json.loads(file.read_bytes())).name == file.stem
