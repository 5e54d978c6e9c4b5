import io
import sys
from pathlib import Path

import pytest
from rich.console import Console

from fair_use import THRESHOLD, Confusion, Day, confusion, halves, plot, population, result_of, say
from tokenworks.plans.fair_use.score import WEIGHTS, judge, score
from tokenworks.plans.spec import FairUse
from trace_samples import NoTraces

SEED = 7  # another population than the one that the weights were fitted on


@pytest.fixture(scope="module")
def days(data: Path) -> list[Day]:
    try:
        return population(data / "traces", SEED, 3, 3)
    except NoTraces as absent:
        pytest.skip(str(absent))


def test_the_shipped_weights_tell_people_they_never_saw_from_programs(days: list[Day]) -> None:
    """The bench has 240 and 140 and finds 0.95 and 0.82; here are few, so there is some room."""
    at = confusion([(day, day.score(WEIGHTS)) for day in days], THRESHOLD)
    assert at.caught + at.missed == 21 and at.wronged + at.cleared == 24
    assert at.precision >= 0.88, at
    assert at.recall >= 0.68, at
    assert at.false_alarms <= 0.065, at


def test_people_with_agents_are_left_alone(days: list[Day]) -> None:
    for day in days:
        if day.kind in ("agent_coder", "ide_coder", "novelist", "chatter"):
            assert day.score(WEIGHTS) < THRESHOLD, day.kind


def test_nobody_is_acted_on_who_is_only_observed(days: list[Day]) -> None:
    said = {judge(score(look), FairUse("observe")) for day in days for look in day.looks}
    assert said == {"", "observe"}  # of which the second is a note: see plans.watcher


def test_halves_share_no_subscriber(days: list[Day]) -> None:
    train, test = halves(days)
    names = [{(day.kind, day.number) for day in half} for half in (train, test)]
    assert not names[0] & names[1]
    assert len(train) + len(test) == len(days)
    assert {kind for kind, _ in names[0]} == {kind for kind, _ in names[1]}


def test_confusion_counts() -> None:
    def one(automated: bool) -> Day:
        return Day("kind", 0, automated, [])

    at = confusion([(one(True), 0.9), (one(True), 0.7), (one(False), 0.8), (one(False), 0.1)], 0.8)
    assert at == Confusion(1, 1, 1, 1)
    assert (at.precision, at.recall, at.false_alarms) == (0.5, 0.5, 0.5)
    assert Confusion(80, 20, 2, 98).precision_where(0.05) == pytest.approx(0.04 / (0.04 + 0.019))
    assert Confusion(0, 0, 0, 0).precision == 0.0


def test_tables_and_plot(days: list[Day], tmp_path: Path) -> None:
    result = result_of(WEIGHTS, days, {"bot": 0.5})
    out = io.StringIO()
    say(result, Console(file=out, width=120))
    for text in ("Held-out subscribers", "reseller", "50%", f"threshold {THRESHOLD:g}: precision"):
        assert text in out.getvalue()
    recalls = [recall for _, _, recall, _ in result["curve"]]
    assert recalls == sorted(recalls, reverse=True)
    pytest.importorskip("matplotlib")
    plot(result, tmp_path / "curve.svg")
    assert (tmp_path / "curve.svg").read_text().startswith("<?xml")


def test_without_matplotlib_the_fix_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(SystemExit, match=r"tokenworks\[plot\]"):
        plot({}, tmp_path / "curve.svg")
