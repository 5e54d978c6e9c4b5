import json
import tomllib

import pytest
from turns import PARTS, WIRES, cases

import stage as bench
from stage import (
    SIZE,
    WINDOWS,
    Cost,
    Tally,
    at,
    cost_table,
    label_table,
    long_case,
    ours,
    own_cost,
    routes,
    shape_table,
    tally,
)


def test_precision_and_recall_are_counted_over_every_case_and_wire() -> None:
    every = len(cases("tuned")) * len(WIRES)
    always = tally("always", "tuned", lambda *_: True)
    never = tally("never", "tuned", lambda *_: False)
    stuck = sum(case.stuck for case in cases("tuned")) * len(WIRES)
    assert (always.hits, always.alarms, always.recall) == (stuck, every - stuck, 1.0)
    assert always.precision == pytest.approx(stuck / every)
    assert (never.misses, never.rests, never.precision, never.recall) == (stuck, every - stuck, 0.0, 0.0)
    assert sum(always.wrong.values()) == always.alarms and sum(never.wrong.values()) == stuck


def test_our_judge_goes_by_the_whole_request() -> None:
    by_name = {case.name: case for case in cases("tuned")}
    for wire in WIRES:
        assert ours(wire, by_name["unittest-same-error-after-edit"].body(wire))
        assert not ours(wire, by_name["cat-with-exit-zero-json"].body(wire))


def test_costs_are_taken_on_a_conversation_of_the_size_it_says() -> None:
    case = long_case()
    assert SIZE < len(json.dumps(case.body(WIRES[0]))) < 1.1 * SIZE
    cost = own_cost(case, WIRES[0], 3)
    assert 0 < cost.p50_ms <= (cost.p99_ms or 0) and cost.cold_p50_ms
    assert [at([1.0, 2.0, 3.0], share) for share in (0.0, 0.5, 0.99)] == [1.0, 2.0, 3.0]


def test_tables_have_a_row_for_each_judge_and_shape() -> None:
    tallies = [Tally("a", part, hits=1, alarms=1, wrong={"lint": 1}) for part in PARTS]
    assert label_table(tallies).row_count == len(PARTS)
    shapes = {case.shape for part in PARTS for case in cases(part)}
    assert shape_table(tallies).row_count == len(shapes)
    assert cost_table([Cost("a", WIRES[0], 0.5)]).row_count == 1


def test_the_peer_is_configured_with_each_window_and_a_route_that_decides_nothing() -> None:
    told = tomllib.loads(routes(4000))
    assert {route["id"] for route in told["routes"].values()} == {
        "none",
        *(f"window-{window}" for window in WINDOWS),
    }
    assert told["llm_clients"]["up"]["base_url"] == "http://127.0.0.1:4000/v1"


def test_without_the_peer_our_own_figures_are_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "Server", None)
    assert bench.main(["--skip-cost"]) == 0
    told = capsys.readouterr().out
    assert "nemo-switchyard is not installed" in told
    figures = json.loads(told.splitlines()[-1])
    assert [one["part"] for one in figures["tallies"]] == list(PARTS) and figures["costs"] == []


@pytest.mark.skipif(bench.Server is None, reason="nemo-switchyard is not installed")
def test_the_peer_answers_on_three_wires_and_tells_its_choice() -> None:
    by_name = {case.name: case for case in cases("tuned")}
    with bench.switchyard() as asked:
        for wire in WIRES:
            judge = asked.judge(3)
            assert judge(wire, by_name["unittest-same-error-after-edit"].body(wire))
            assert not judge(wire, by_name["traceback-of-own-script-once"].body(wire))
            assert asked.ask("none", wire, by_name["plain-question"].body(wire)) == "cheap"
