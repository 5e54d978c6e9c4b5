import io
from dataclasses import replace

import pytest
from rich.console import Console

from measure import Held, Sample
from report import number, show, summarize, targets

BASE = Sample("nginx", "1k", "answer", 1, 100, 20.0, 2.0, 5e4, 50.0, 90.0, 100, 1.0, 0.4, 0.3, 0.0, 0, "")


def sample(gateway: str, round_: int, cpu_us: float, **change: object) -> Sample:
    return replace(BASE, gateway=gateway, round=round_, cpu_us=cpu_us, **change)  # type: ignore[arg-type]


def test_ratios_pair_the_rounds_and_use_the_minima() -> None:
    samples = [sample("nginx", 1, 20.0), sample("nginx", 2, 30.0), sample("nginx", 3, 22.0)]
    samples += [sample("tokenworks", 1, 40.0), sample("tokenworks", 2, 50.0), sample("tokenworks", 3, 55.0)]
    nginx, ours = summarize(samples)
    assert (ours.cpu_us.best, ours.cpu_us.median) == (40.0, 50.0)
    assert ours.times["nginx"].best == 20.0 / 40.0
    assert ours.times["nginx"].median == pytest.approx(0.5)  # of 20/40, 30/50, 22/55
    assert nginx.times["nginx"].median == 1.0


def test_a_round_with_errors_counts_neither_for_the_figures_nor_for_the_ratios() -> None:
    bad = sample("nginx", 2, 1.0, errors=3, first_error="status 502: ")
    nginx, ours = summarize([sample("nginx", 1, 20.0), bad, sample("tokenworks", 2, 40.0)])
    assert (nginx.rounds, nginx.invalid, nginx.first_error) == (1, 1, "status 502: ")
    assert nginx.cpu_us.best == 20.0
    assert ours.times == {}


def test_a_gateway_that_never_worked_keeps_a_row_with_its_error() -> None:
    (row,) = summarize([sample("litellm", 1, 0.0, units=0, errors=8, first_error="connect: refused")])
    assert (row.rounds, row.invalid, row.first_error) == (0, 1, "connect: refused")


def test_added_latency_is_over_direct_of_the_same_round() -> None:
    samples = []
    for round_, (alone, through) in enumerate([(100.0, 250.0), (140.0, 300.0)], start=1):
        samples.append(sample("direct", round_, 0.0, mode="latency", p50_us=alone))
        samples.append(sample("nginx", round_, 20.0, mode="latency", p50_us=through))
    nginx = next(row for row in summarize(samples) if row.gateway == "nginx")
    assert (nginx.p50_us.best, nginx.p50_us.median) == (150.0, 155.0)


def test_targets_say_met_missed_or_not_measured() -> None:
    rows = summarize([sample("nginx", 1, 20.0), sample("tokenworks", 1, 50.0)])
    goals = {goal.text: goal for goal in targets(rows, [Held("tokenworks", "1k", 1000, 1000, 0, 5000, 0)])}
    assert goals["1k answer: share of nginx's efficiency"].met is False
    assert goals["KiB per open stream"].met is True
    assert goals["1k answer: times LiteLLM's efficiency"].met is None


def test_tables_show_every_gateway_and_error() -> None:
    rows = summarize(
        [
            sample("nginx", 1, 20.0),
            sample("litellm", 1, 9000.0, mode="stream"),
            sample("portkey", 1, 0.0, units=0, errors=1, first_error="incomplete [DONE] 0"),
        ]
    )
    console = Console(width=150, file=io.StringIO(), record=True)
    show(console, rows, [Held("nginx", "1k", 1000, 900, 0, 5000, 0)], [])
    text = console.export_text()
    for word in ("nginx", "litellm", "9,000", "incomplete [DONE] 0", "900 of 1000"):
        assert word in text


@pytest.mark.parametrize(
    ("value", "text"),
    [(12345.6, "12,346"), (56.78, "56.8"), (1.234, "1.23"), (0.00123, "0.0012"), (0.0, "0")],
)
def test_numbers_show_as_many_digits_as_matter(value: float, text: str) -> None:
    assert number(value) == text


def test_other_bases_take_the_place_of_the_usual_ones() -> None:
    samples = [sample("tokenworks", 1, 20.0), sample("ccr", 1, 900.0), sample("ccr", 1, 90.0, mode="chunk")]
    rows = summarize(samples, ("ccr",))
    assert [row.times["ccr"].best for row in rows] == [45.0, 1.0, 1.0]
    console = Console(width=150, file=io.StringIO(), record=True)
    show(console, rows, [], [], ("ccr",))
    text = console.export_text()
    assert "x ccr" in text and "x nginx" not in text and "A chunk alone" in text
