"""A plan as it is kept: read as it was written, and nothing unknown is taken for a part of it."""

from __future__ import annotations

import pytest

from tokenworks.plans.spec import FairUse, ModelClass, PlanSpec, PlanWindow, read, write

FULL = PlanSpec(
    name="Pro",
    price_usd=20.0,
    windows=(PlanWindow(5.0, "5h"), PlanWindow(50.0, "week")),
    classes=(ModelClass("small", ("acme/*",), 1.0, 2.0, 0.1, 1.25, 0.01), ModelClass("rest", ("*",))),
    timezone="Asia/Tokyo",
    concurrency=3,
    clients=("editor/*",),
    used_up="cheaper_model",
    cheaper_model="acme/small",
    fair_use=FairUse("slow", 0.9, 5.0, 12.0),
)


@pytest.mark.parametrize("spec", [FULL, PlanSpec("bare")])
def test_it_is_read_as_it_was_written(spec: PlanSpec) -> None:
    assert read(write(spec)) == read(write(spec).encode()) == spec


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "{}",
        '{"name":"a","price":1}',
        '{"name":"a","used_up":"shrug"}',
        '{"name":"a","windows":[1]}',
    ],
)
def test_what_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        read(text)
