"""The week that the press wrote about, imported and told again to the figure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from fresh_store import fresh_store

from tokenworks.api.app import build
from tokenworks.catalog.load import load
from tokenworks.cli import main
from tokenworks.config.settings import RankingsSettings, Settings
from tokenworks.plans.keys import KeyBook

FILE = Path(__file__).parents[2] / "examples" / "article-week.csv"
T = 10**12
WEEK = "2026-W08"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home into which the week was imported."""
    folder = tmp_path_factory.mktemp("article")
    runner = CliRunner()
    assert runner.invoke(main, ["init", "--home", str(folder)]).exit_code == 0
    done = runner.invoke(main, ["rankings", "import", str(FILE), "--home", str(folder)])
    assert (done.exit_code, done.stdout.split(":")[0]) == (0, "article-week")
    return folder


def told(home: Path, *words: str) -> Any:
    command = ["rankings", "--home", str(home), "--source", "article-week", "--json", *words]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


async def asked(home: Path, path: str, **params: str) -> Any:
    """The same over HTTP, without a key."""
    store = fresh_store(f"sqlite:///{home / 'tokenworks.db'}")
    settings = Settings(home=home, source=None, pepper=b"p" * 32, rankings=RankingsSettings(public=True))
    app = build(settings, load(settings), store, KeyBook(store, b"p" * 32))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answer = await client.get(f"/v1/rankings/{path}", params={"source": "article-week", **params})
    store.close()
    assert answer.status_code == 200, answer.text
    return answer.json()


def percent(fraction: float) -> int:
    return round(100 * fraction)


def check_models(found: Any) -> None:
    assert (found["period"], found["complete"], found["source"]) == (WEEK, True, "article-week")
    rows = {row["model"]: row for row in found["rows"]}
    assert len(rows) == 10 and sum(row["tokens"] for row in found["rows"]) == found["total"]["tokens"]
    assert found["total"]["tokens"] * 10 == 87 * T
    assert [row["rank"] for row in found["rows"]] == list(range(1, 11))
    first, second, third, _, fifth = found["rows"][:5]
    assert (first["model"], first["tokens"] * 100) == ("minimax/minimax-m2.5", 245 * T)
    assert (percent(first["change"]), first["rank_change"] > 0, first["filled"]) == (197, True, False)
    assert (second["model"], second["tokens"] * 100) == ("moonshotai/kimi-k2.5", 121 * T)
    assert (percent(second["change"]), second["change"], second["filled"]) == (
        -20,
        pytest.approx(-0.2),
        False,
    )
    assert (third["model"], percent(third["change"]), third["filled"]) == ("z-ai/glm-5", 158, True)
    assert fifth["model"] == "deepseek/deepseek-v3.2"
    chinese = [row for row in found["rows"] if row["country"] == "CN"]
    assert sum(row["tokens"] for row in chinese) * 10 == 53 * T
    assert [row["rank"] for row in chinese] == [1, 2, 3, 5]
    five = sum(row["tokens"] for row in found["rows"][:5])
    assert f"{100 * sum(row['tokens'] for row in chinese) / five:.1f}" == "85.7"
    assert "filled" in found["note"]


def check_countries(found: Any) -> None:
    first, second = found["rows"]
    assert (first["country"], first["tokens"] * 10, percent(first["share"])) == ("CN", 53 * T, 61)
    assert (second["country"], second["tokens"] * 10, percent(second["share"])) == ("US", 34 * T, 39)


def check_chart(drawn: Any) -> None:
    assert drawn["labels"] == ["2026-W07", WEEK]
    values = {each["name"]: each["values"] for each in drawn["series"]}
    assert values["CN"][1] * 10 == 53 * T and list(values) == ["CN", "US"]
    assert sum(each[1] for each in values.values()) * 10 == 87 * T


def test_on_the_command_line(home: Path) -> None:
    check_models(told(home, "--by", "model", "--week", WEEK))
    check_models(told(home))  # also the latest week, without saying so
    check_countries(told(home, "--by", "country", "--week", WEEK))
    table = CliRunner().invoke(main, ["rankings", "--home", str(home), "--source", "article-week"]).stdout
    first, second, third = (line.split() for line in table.replace("\xa0", "").splitlines()[1:4])
    assert (first[5], first[7], second[5], second[7], third[-2]) == (
        "2.45T",
        "+197%",
        "1.21T",
        "−20%",
        "+158%",
    )
    assert "8.70T tokens" in table


async def test_over_http(home: Path) -> None:
    check_models(await asked(home, "model", at=WEEK))
    check_countries(await asked(home, "country"))
    check_chart(await asked(home, "country/chart", at=WEEK))
    top = await asked(home, "model", top="1")
    assert [row["model"] for row in top["rows"]] == ["minimax/minimax-m2.5", "others"]
    assert top["rows"][1]["tokens"] * 100 == (870 - 245) * T


def test_in_the_report(home: Path, tmp_path: Path) -> None:
    page = tmp_path / "week.html"
    command = ["rankings", "report", "--home", str(home), "--source", "article-week", "--html", str(page)]
    assert CliRunner().invoke(main, command).exit_code == 0
    text = page.read_text().replace("\xa0", " ")
    for figure in ("8.7T", "5.3T", "61 %", "2.45T", "+197 %", "1.21T", "−20 %", "+158 %"):
        assert figure in text, figure


def test_beside_it_our_own_traffic_is_empty(home: Path) -> None:
    done = CliRunner().invoke(main, ["rankings", "--home", str(home), "--json"])
    assert json.loads(done.stdout)["rows"] == []
