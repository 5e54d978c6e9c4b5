"""The curve that decisions draw."""

from __future__ import annotations

from tokenworks.console.routing_curve import QUALITIES, curve, paths
from tokenworks.ledger.decided import DecisionRow
from tokenworks.routing import decision
from tokenworks.routing.decision import Candidate, Decision


def row(
    number: int, candidates: tuple[Candidate, ...], path: str = "direct", right: float = 0.5
) -> DecisionRow:
    told = Decision("code", path, "c/strong", "", candidates, expected_right=right)
    detail = decision.encode(told)
    return DecisionRow(
        *(f"gen-1-{number}", number, "k", "", "code", path, "a/cheap", "c/strong", 1.0, 2_000_000, 0, detail)
    )


STRONG = Candidate("c/strong", 0.8, 0.01)
EASY = (Candidate("a/cheap", 0.78, 0.001), Candidate("b/mid", 0.79, 0.002), STRONG)
HARD = (Candidate("a/cheap", 0.2, 0.001), STRONG)


def test_the_knob_takes_the_cheapest_that_is_good_enough() -> None:
    found = curve([row(1, EASY), row(2, HARD)])
    by_name = {point.name: point for point in found.knob}
    assert len(by_name) == len(QUALITIES)
    assert (by_name["0"].right, by_name["0"].cost_usd) == ((0.78 + 0.2) / 2, 0.001)
    assert (by_name["0.95"].right, by_name["0.95"].cost_usd) == ((0.78 + 0.8) / 2, (0.001 + 0.01) / 2)
    assert (by_name["1"].right, by_name["1"].cost_usd) == (0.8, 0.01)
    rights = [point.right for point in found.knob]
    assert rights == sorted(rights)
    assert (found.requests, found.went_right, found.went_cost_usd) == (2, 0.5, 0.002)


def test_constants_are_those_that_could_serve_all() -> None:
    found = curve([row(1, EASY), row(2, HARD)])
    assert [point.name for point in found.constants] == ["a/cheap", "c/strong"]
    assert found.constants[0].right == (0.78 + 0.2) / 2


def test_what_tells_nothing_is_left_out() -> None:
    shadow, unreadable = row(1, EASY, "shadow"), DecisionRow(*([""] * 8), 1.0, 0, 0, b"x")  # type: ignore[arg-type]
    assert curve([shadow, unreadable, row(3, ())]).requests == 0
    assert curve([shadow, row(2, HARD)]).requests == 1


def test_paths_are_counted_in_their_order() -> None:
    rows = [row(1, HARD, "strong"), row(2, HARD), row(3, HARD, "odd"), row(4, HARD)]
    assert paths(rows) == {"direct": 2, "strong": 1, "odd": 1}
    assert list(paths(rows)) == ["direct", "strong", "odd"]
