"""The trace through the routing: caches, loads, and what the table says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import replicas as bench
from replicas import (
    BLOCK_TOKENS,
    CAPACITIES,
    REPLICAS,
    Asked,
    Cache,
    Ours,
    Outcome,
    body,
    drawn,
    imbalance,
    in_turns,
    missed,
    outcomes,
    pooled,
    read_trace,
    rows,
    run,
)


def lines(tmp_path: Path, count: int = 400, conversations: int = 50) -> Path:
    """Conversations of which each turn adds a block, behind one that all share."""
    file = tmp_path / "trace.jsonl"
    said = []
    for number in range(count):
        turn, own = number // conversations, 1000 * (1 + number % conversations)
        ids = [0, *range(own, own + 6 + turn)]
        line = {"timestamp": 300 * number, "input_length": BLOCK_TOKENS * len(ids), "output_length": 10}
        said.append(json.dumps(line | {"hash_ids": ids}))
    file.write_text("\n".join(said) + "\n")
    return file


@pytest.fixture
def trace(tmp_path: Path) -> list[Asked]:
    return read_trace(lines(tmp_path), None)


def test_a_cache_keeps_the_beginnings_of_what_was_used_last() -> None:
    cache = Cache(4 * BLOCK_TOKENS)
    assert cache.read([1, 2, 3]) == 0
    assert cache.read([1, 2, 3, 4]) == 3
    assert cache.read([9]) == 0  # drops the end of the other prompt
    assert cache.read([1, 2, 3, 4]) == 3
    assert cache.read([2, 3]) == 2
    assert cache.read([7, 2]) == 0  # only from the first block on


def test_blocks_become_bytes_that_tell_prompts_apart(trace: list[Asked], tmp_path: Path) -> None:
    assert len(body([0, 1])) == len(body([0])) + 2048
    assert trace[0].lead == trace[50].lead == trace[350].lead  # turns of one conversation
    assert len({each.lead for each in trace}) == 50
    assert read_trace(lines(tmp_path), 7) == trace[:7]


def test_ours_finds_what_can_be_found_and_chance_does_not(trace: list[Asked]) -> None:
    capacity = 1_000_000
    reachable = pooled(trace, capacity)
    ours = Ours(0)
    made = run(trace, "prefix", capacity, ours.pick, ours)
    assert made.hit_share >= 0.9 * reachable
    assert all(each.under_way >= 0 for each in ours.loads)
    for pick in (drawn(1), in_turns()):
        assert run(trace, "other", capacity, pick).hit_share < 0.7 * reachable
    assert run(trace, "round robin", capacity, in_turns()).requests_imbalance == 1.0


def test_imbalance_is_the_largest_over_the_mean() -> None:
    assert imbalance([1] * REPLICAS) == 1.0
    assert imbalance([3, 1]) == 1.5


def test_the_table_shows_the_middle_and_the_worst(trace: list[Asked]) -> None:
    found = list(outcomes(trace[:60]))
    assert len(found) == len(CAPACITIES) * (2 + bench.NAMINGS + 1)
    told = rows(found)
    assert [row[1] for row in told[:4]] == ["random", "round robin", "prefix", "pooled"]
    assert all(len(row) == 7 for row in told)
    assert "(" in told[2][2] and told[3][3] == "100.0"


def test_what_is_missed_is_said() -> None:
    def outcome(reached: float, imbalanced: float) -> list[Outcome]:
        return [
            Outcome("prefix", capacity, 0.3, reached, 1.0, imbalanced, 9)
            for capacity in CAPACITIES
            for _ in range(3)
        ]

    assert missed(outcome(0.96, 1.09)) == []
    assert len(missed(outcome(0.94, 1.0))) == len(missed(outcome(1.0, 1.11))) == len(CAPACITIES)


def test_without_the_trace_it_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "DATA", tmp_path)
    assert bench.main([]) == 2
    assert "set TOKENWORKS_TEST_DATA" in capsys.readouterr().err


def test_figures_go_into_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "traces").mkdir()
    lines(tmp_path).rename(tmp_path / bench.TRACE)
    monkeypatch.setattr(bench, "DATA", tmp_path)
    monkeypatch.setattr(bench, "CAPACITIES", (1_000_000,))
    bench.main(["--json", str(tmp_path / "out.json"), "--requests", "100"])
    figures = json.loads((tmp_path / "out.json").read_text())
    assert {each["policy"] for each in figures} == {"random", "round robin", "prefix", "pooled"}
