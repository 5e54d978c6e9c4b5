"""What ``deploy/`` ships fits the server: every metric and label that the dashboard asks for is shown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tokenworks.app.metrics import Metrics
from tokenworks.config.settings import ServerSettings
from tokenworks.ledger import decided
from tokenworks.ledger.record import Record
from tokenworks.routing.drift import Alarm

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
METERED = {  # shown once the meter has looked, which takes a machine that can be read
    "tokenworks_engine_energy_joules_total",
    "tokenworks_machine_energy_joules_total",
    "tokenworks_machine_power_watts",
}
FROM_PROMETHEUS = {"instance", "job"}  # labels that a scrape adds
WORDS = {"sum", "by", "without", "rate", "increase", "topk", "histogram_quantile", "or", "and", "vector"}
MATCHER = re.compile(r'\s*([a-z_]+)\s*(?:=~|!~|!=|=)\s*"[^"]*"\s*')
SELECTOR = re.compile(r"([a-z_:][a-z0-9_:]*)\s*\{([^}]*)\}")


@pytest.fixture(scope="module")
def board() -> dict[str, Any]:
    found = json.loads((DEPLOY / "grafana" / "tokenworks.json").read_text())
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Name of every sample that can be shown → its labels."""
    metrics = Metrics(tmp_path_factory.mktemp("metrics") / "metrics.prom")
    decision = decided.encode(decided.Decided("math", "direct", "s", 1.0, 1, 2))
    metrics.observe(
        [Record("a", 1, model="m", provider="p", outcome="ok", ttft_us=9, reasons="p:429", decision=decision)]
    )
    metrics.refuse({401: 1})
    metrics.drifted([Alarm("math", "cost", 0.1, 0.4, 200, 0.001)])
    metrics.traced(1, 0)
    metrics.write(1)
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(metrics.path.read_text()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def panels(board: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for panel in board["panels"]:
        yield panel
        yield from panel.get("panels", ())


def expressions(board: dict[str, Any]) -> list[str]:
    return [target["expr"] for panel in panels(board) for target in panel.get("targets", ())]


def asked(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Each metric of a PromQL expression with the labels it is matched and grouped by."""
    grouped = {
        label.strip()
        for group in re.findall(r"\b(?:by|without)\s*\(([^)]*)\)", expression)
        for label in group.split(",")
    }
    bare = re.sub(r"\b(?:by|without)\s*\([^)]*\)", "", expression)
    for name, inside in SELECTOR.findall(bare):
        matchers = [MATCHER.fullmatch(each) for each in re.split(r",(?=[a-z_]+[=!])", inside)]
        assert all(matchers), expression
        yield name, grouped | {each[1] for each in matchers if each}
    rest = re.sub(r"\[[^\]]*\]|\"[^\"]*\"", "", SELECTOR.sub("", bare))
    for name in re.findall(r"[a-z_:][a-z0-9_:]*", rest):
        if name not in WORDS:
            yield name, grouped


def test_the_reader_of_expressions_finds_what_is_wrong() -> None:
    text = 'topk(3, sum by (le, x) (rate(some_bucket{a="1",b!~"c|d"}[$__rate_interval]))) / sum(other)'
    assert sorted(asked(text)) == [("other", {"le", "x"}), ("some_bucket", {"a", "b", "le", "x"})]


def test_every_metric_and_label_of_the_dashboard_is_one_that_the_server_shows(
    board: dict[str, Any], shown: dict[str, set[str]]
) -> None:
    found = expressions(board)
    assert len(found) > 25
    queries = [variable["definition"] for variable in board["templating"]["list"]]
    for expression in found:
        assert expression.count("(") == expression.count(")"), expression
        for name, labels in asked(expression):
            assert name in shown, f"{name} in {expression}"
            assert labels <= shown[name] | FROM_PROMETHEUS, expression
    for query in queries:
        name, label = re.findall(r"label_values\(([a-z_]+).*, ([a-z_]+)\)", query)[0]
        assert label in shown[name]
    told = {name for expression in found for name, _ in asked(expression)}
    counted = {name for name in shown if not name.endswith(("_sum", "_count", "_created"))}
    assert counted - told == {"tokenworks_auto_requests_total"}  # all else can be looked at


def test_the_dashboard_can_be_imported(board: dict[str, Any]) -> None:
    (given,) = board["__inputs"]
    assert (given["name"], given["pluginId"]) == ("DS_PROMETHEUS", "prometheus")
    assert board["id"] is None and board["schemaVersion"] >= 39
    ids = [panel["id"] for panel in panels(board)]
    assert len(ids) == len(set(ids)) and all(ids)
    kinds = {each["id"] for each in board["__requires"] if each["type"] == "panel"}
    assert {panel["type"] for panel in panels(board)} - {"row"} == kinds
    for panel in panels(board):
        assert panel["title"]
        if panel["type"] == "row":
            continue
        refs = [target["refId"] for target in panel["targets"]]
        assert refs and len(refs) == len(set(refs))
        for each in (panel, *panel["targets"]):
            assert each["datasource"] == {"type": "prometheus", "uid": "${DS_PROMETHEUS}"}
    names = {variable["name"] for variable in board["templating"]["list"]}
    assert names == {"model", "provider"}
    used = set(re.findall(r"\$([a-z]\w*)", " ".join(expressions(board))))
    assert used == names


def test_panels_do_not_cover_each_other(board: dict[str, Any]) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in board["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        for x in range(at["x"], at["x"] + at["w"]):
            for y in range(at["y"], at["y"] + at["h"]):
                assert (x, y) not in taken, f"{panel['title']} covers {taken[x, y]}"
                taken[x, y] = panel["title"]


def test_the_example_scrapes_the_servers_own_path_and_port() -> None:
    text = (DEPLOY / "prometheus" / "prometheus.yml").read_text()
    assert "metrics_path: /metrics\n" in text
    assert f'targets: ["127.0.0.1:{ServerSettings().port}"]' in text


def test_the_docs_name_every_metric(shown: dict[str, set[str]]) -> None:
    text = (ROOT / "docs" / "observability.md").read_text()
    families = {re.sub(r"_(bucket|sum|count|created)$", "", name) for name in shown}
    assert not [name for name in families if f"`{name}`" not in text]
    written = set(re.findall(r"`((?:tokenworks|gen_ai)_[a-z_]+)`", text))
    labels = set().union(*shown.values())
    assert written - families - labels - METERED == set()
