"""Pictures of the routing page."""

from __future__ import annotations

import pytest

from tokenworks.console import routing_chart
from tokenworks.console.routing_curve import Curve, Point
from tokenworks.ledger.decided import SavingsRow


def test_money_is_added_up() -> None:
    days = [SavingsRow("2026-01-01", 1, 1_000_000_000, 3_000_000_000), SavingsRow("2026-01-02", 1, 5, 10)]
    told = routing_chart.spent(days)
    assert told is not None and told["labels"] == ["2026-01-01", "2026-01-02"]
    assert told["paid"] == [1.0, pytest.approx(1.000000005)] and told["strong"][0] == 3.0
    assert routing_chart.spent([]) is None


def test_points_lie_inside_and_in_order() -> None:
    knob = (Point("0", 0.31, 0.001), Point("1", 0.87, 0.01))
    plane = routing_chart.quality_cost(Curve(knob, (Point("a/b", 0.31, 0.001),), 2, 0.5, 0.004))
    assert plane is not None
    low, high = plane.knob
    assert plane.left < low.x < high.x <= plane.width and 0 < high.y < low.y < plane.bottom
    assert plane.line == f"{low.x},{low.y} {high.x},{high.y}"
    assert (plane.x_ticks[-1].value, plane.x_ticks[-1].at) == (0.01, high.x)
    assert [tick.value for tick in plane.y_ticks] == [0.3, 0.5, 0.7, 0.9]


@pytest.mark.parametrize("right", [0.0, 0.5, 1.0])
def test_one_point_and_no_cost_are_drawn_too(right: float) -> None:
    point = Point("0", right, 0.0)
    plane = routing_chart.quality_cost(Curve((point,), (), 1, right, 0.0))
    assert plane is not None and 0 <= plane.knob[0].y <= plane.height
    assert plane.y_ticks[0].value <= right <= plane.y_ticks[-1].value + 0.1


def test_nothing_is_no_picture() -> None:
    assert routing_chart.quality_cost(Curve()) is None
