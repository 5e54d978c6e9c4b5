"""The numbers of a comparison, against ones that are computed otherwise."""

import json

import numpy as np
import pytest

from tokenworks.routing.study.compared import (
    Asked,
    Reply,
    alike,
    compare,
    mean_with_interval,
    said,
    share_with_interval,
)


def test_wilsons_interval() -> None:
    """Its bounds are where a share lies 1.96 of its own standard errors from what was seen."""
    for hits, of, low, high in (
        (8, 10, 0.4901625, 0.9433178),
        (0, 20, 0.0, 0.1611252),
        (50, 50, 0.9286524, 1.0),
    ):
        share, *interval = share_with_interval(hits, of)
        assert share == hits / of
        assert interval == pytest.approx([low, high], abs=2e-6)
        for bound in interval:
            assert (share - bound) ** 2 == pytest.approx(1.959964**2 * bound * (1 - bound) / of, abs=1e-12)
    assert share_with_interval(0, 0) == (0.0, 0.0, 1.0)


def test_the_bootstrap_covers_the_mean_as_often_as_it_says() -> None:
    dice = np.random.default_rng(4)
    inside = 0
    for _ in range(200):
        _, low, high = mean_with_interval(dice.normal(3.0, 2.0, 60))
        inside += low <= 3.0 <= high
    assert 176 <= inside <= 199, (
        "95 % of 200 are 190; three standard errors are 9, and small samples are narrow"
    )
    assert mean_with_interval([2.0] * 5) == (2.0, 2.0, 2.0)
    assert mean_with_interval([]) == (0.0, 0.0, 0.0)


def test_alike() -> None:
    assert alike("x", "The  Answer", "the answer") == 1.0
    assert alike("x", "a b c d", "a b") == pytest.approx(2 * 2 / 6)
    assert alike("x", "a", "b") == alike("x", "", "b") == 0.0
    assert alike("x", "", " ") == 1.0


def test_calls_say_the_same_however_they_are_spelled() -> None:
    def message(arguments: str) -> dict:
        return {"content": "x", "tool_calls": [{"function": {"name": "f", "arguments": arguments}}]}

    assert said(message('{"b":1, "a":{"d":2,"c":3}}')) == said(message('{"a": {"c": 3, "d": 2}, "b": 1}'))
    assert said(message('{"a":1}')) != said(message('{"a":2}'))
    assert said(message("{")) != said(message("{}"))
    assert said({"content": None}) == ""


ROWS = [Asked("code", "p", "yes"), Asked("code", "p", "no"), Asked("chat", "p", "hello you")]


def test_the_report() -> None:
    student = [
        Reply("yes", "stop", input_tokens=10, output_tokens=5, cost_usd=0.001, latency_s=0.5),
        Reply("yes", "length", input_tokens=10, output_tokens=5, cost_usd=0.003, latency_s=1.5),
        Reply(error="gone"),
    ]
    teacher = [Reply(text, cost_usd=0.1) for text in ("Yes", "no", "hello me")]
    found = compare(
        ROWS, {"s": student, "t": teacher}, alike, lambda task, prompt, reply: reply.finish != "length"
    )
    assert found["rows"] == 3
    code, whole = found["models"]["s"]["code"], found["models"]["s"]["all"]
    assert (code["rows"], code["failed"], whole["rows"], whole["failed"]) == (2, 0, 3, 1)
    assert code["agreement"]["value"] == code["same"]["value"] == code["passed"]["value"] == 0.5
    assert whole["agreement"]["value"] == pytest.approx(1 / 3, abs=1e-4), (
        "who does not answer agrees with nobody"
    )
    assert whole["passed"]["value"] == pytest.approx(1 / 3, abs=1e-4)
    assert whole["cost_usd"]["total"] == 0.004 and whole["cost_usd"]["mean"] == 0.002
    assert (whole["input_tokens"], whole["output_tokens"]) == (20, 10)
    assert whole["latency_s"]["p50"] == 1.0
    assert found["models"]["t"]["chat"]["agreement"]["value"] == 0.5
    (gap,) = found["differences"]
    assert (gap["of"], gap["to"]) == ("s", "t")
    assert gap["agreement"] == pytest.approx((0 - 1 - 0.5) / 3, abs=1e-4)
    assert gap["interval"][0] <= gap["agreement"] <= gap["interval"][1]
    assert json.loads(json.dumps(found)) == found


def test_without_checks_nothing_is_said_of_them() -> None:
    found = compare(ROWS, {"s": [Reply("x")] * 3}, alike, None)
    assert found["models"]["s"]["all"]["passed"] is None
    assert found["differences"] == []
