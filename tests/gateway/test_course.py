"""One request from model to model: whatever happens on the way, its story is told once and adds up."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from choosing_models import CHEAP, LYON, OTHER, PARIS, REFUSAL, STRONG, steady
from hypothesis import given
from hypothesis import strategies as st

from tokenworks.gateway.course import LEFT, SHADOW, Course
from tokenworks.gateway.way import WAYS
from tokenworks.ledger.decided import Decided
from tokenworks.ledger.record import Record
from tokenworks.routing import agreement
from tokenworks.routing.cascade import Option, Route
from tokenworks.routing.checks import Answer, Expected
from tokenworks.routing.decision import Candidate, Decision, read
from tokenworks.schema import Price, Usage
from tokenworks.wire.pairing import Asked

CHAT = WAYS["/v1/chat/completions"]
THIRD = "delta/third"
OPTIONS = {
    name: Option(name, name.partition("/")[0], right, cost)
    for name, right, cost in (
        (CHEAP, 0.6, 1e-5),
        (OTHER, 0.65, 2e-5),
        (THIRD, 0.65, 3e-5),
        (STRONG, 0.95, 1e-3),
    )
}
PRICES = {STRONG: Price("s", 5.0, 20.0)}
USAGE = Usage(uncached_input_tokens=100, output_tokens=50)
STRONG_NANO = PRICES[STRONG].cost_nano_usd(USAGE)
EXPECTED = Expected("Capital?", "knowledge", None, False, "", None)
decode = msgspec.msgpack.Decoder(Decided).decode


class Judges:
    """Agreement as it is; nothing is known of usual lengths."""

    def agreement(self, one: str, other: str, task: str) -> float | None:
        return agreement.agree(one, other, task)

    def pattern(self, answers: Any, task: str) -> str:
        return agreement.pattern(answers, task)

    def usual_output(self, task: str, model: str) -> float:
        return 0.0


def course(*cheap: str, quality: float = 0.95, path: str = "cascade", **more: Any) -> Course:
    first, second, third = (*(OPTIONS[name] for name in cheap), None, None)[:3]
    assert first is not None
    strong = OPTIONS[STRONG]
    checked = path == "cascade"
    route = Route(first, second, strong, checked, 0.9, 1e-4, "why", third, threshold=(1 - quality) * 0.95)
    candidates = tuple(
        Candidate(o.model, o.right, o.cost_usd, 20.0, float(o is first)) for o in OPTIONS.values()
    )
    told = Decision("knowledge", path, STRONG, "why", candidates, quality=quality)
    told.expected_right = 0.9
    return Course(told, route, PRICES, Judges(), EXPECTED if checked else None, **more)


def answer(text: str) -> Answer:
    return Answer(text, "stop", 0, None)


def record(number: int, model: str = "", nano: int = 0) -> Record:
    return Record(id=f"gen-{number}", time_us=number, model=model, cost_nano_usd=nano)


def step(made: Course, number: int, text: str, nano: int = 7, render: Any = None) -> Record:
    """The model whose turn it is answers."""
    one = record(number, made.model, nano)
    made.heard(answer(text), one, USAGE, render)
    made.settling(one, "ok", USAGE)
    return one


def asked(**more: Any) -> Asked:
    body = {"model": "auto", "messages": [{"role": "user", "content": "hi"}], **more}
    return CHAT.read(json.dumps(body).encode())


# --- whatever happens ------------------------------------------------------------------------------

OUTCOMES = st.sampled_from(
    ["ok"] * 6 + ["upstream_error", "timeout", "bad_request", *LEFT, "refused", "refused_all"]
)
STEPS = st.lists(st.tuples(OUTCOMES, st.sampled_from([PARIS, LYON, REFUSAL, ""]), st.integers(0, 10**6)),
                 min_size=4, max_size=4)  # fmt: skip
CHEAPS = st.sampled_from([(CHEAP,), (CHEAP, OTHER), (CHEAP, OTHER, THIRD)])


@given(CHEAPS, STEPS, st.sampled_from([0.0, 0.85, 0.95, 1.0]))
def test_the_story_is_told_once_and_adds_up(cheap: tuple[str, ...], steps: Any, quality: float) -> None:
    with steady():
        made, records = course(*cheap, quality=quality), []
        texts: dict[str, str] = {}
        for number, (outcome, text, nano) in enumerate(steps):
            one = record(number, made.model, nano)
            records.append(one)
            if outcome == "ok":
                texts[one.id] = text
                made.heard(answer(text), one, USAGE)
                made.settling(one, "ok", USAGE)
            elif outcome.startswith("refused"):
                one.model, one.cost_nano_usd = "", 0
                made.refused(one, "denied", for_all=outcome == "refused_all")
            else:
                made.settling(one, outcome, USAGE if outcome in LEFT else None)
                one.cost_nano_usd = nano if outcome in LEFT else 0
            if made.closed:
                break
            made.advance(answered=outcome == "ok")
    assert made.closed, "there are only so many models"
    asked_any = any(outcome not in ("refused", "refused_all") for outcome, _, _ in steps[: len(records)])
    assert [bool(each.decision) for each in records] == [False] * (len(records) - 1) + [asked_any]
    if not asked_any:
        return
    told = decode(records[-1].decision)
    assert told.cost_nano_usd == sum(each.cost_nano_usd for each in records) == made.spent_nano_usd
    assert [each.id for each in read(told.detail).steps] == [each.id for each in records]
    last = steps[len(records) - 1][0]
    if last == "client_gone" or not texts:
        assert (told.served, told.served_id, told.baseline_nano_usd) == ("", "", 0)
        return
    served = next(each for each in records if each.id == told.served_id)
    assert (told.served, told.served_us) == (served.model, served.time_us) and served.id in texts
    strong = next((r.cost_nano_usd for r in records if r.model == STRONG and r.id in texts), STRONG_NANO)
    assert told.baseline_nano_usd == strong
    if texts[served.id] in (REFUSAL, ""):  # nothing sound was there, or it was the last one's
        assert served.model == STRONG or all(text in (REFUSAL, "") for text in texts.values())


# --- judging ----------------------------------------------------------------------------------------


def test_of_two_that_agree_the_first_is_served() -> None:
    with steady():
        made = course(CHEAP, OTHER)
        step(made, 1, PARIS)
        assert made.doubted and not made.closed
        made.advance(answered=True)
        last = step(made, 2, "Paris")
    assert made.closed and made.served is not None and made.served.id == "gen-1"
    assert made.right == pytest.approx(0.99)
    told = decode(last.decision)
    assert {each.model for each in told.outcomes} == {CHEAP, OTHER}
    assert told.propensity == 1.0 and [call.output_tokens for call in told.calls] == [50, 50]


def test_an_unsound_answer_is_no_company() -> None:
    with steady():
        made = course(CHEAP, OTHER, THIRD)
        step(made, 1, REFUSAL)
        made.advance(answered=True)
        step(made, 2, REFUSAL)
        assert made.decision.steps[1].agrees is None and made.doubted


def test_the_best_of_the_doubted_ones() -> None:
    with steady():
        made = course(CHEAP, OTHER)
        step(made, 1, PARIS)
        made.advance(answered=True)
        step(made, 2, REFUSAL)
        assert made.best is not None and made.best.id == "gen-1"


def test_no_further_call_is_made_that_would_exceed_what_the_request_may_cost() -> None:
    with steady():
        for most, doubted in ((1e-4, False), (2e-3, True)):
            made = course(CHEAP)
            made.decision.max_cost_usd = most
            step(made, 1, REFUSAL)
            assert made.doubted is doubted
            assert (made.served is not None) is not doubted
            assert ("max_cost" in made.decision.steps[0].why) is not doubted


def test_what_was_spent_counts_towards_what_the_request_may_cost() -> None:
    with steady():
        made = course(CHEAP)
        made.decision.max_cost_usd = OPTIONS[STRONG].cost_usd + 1e-6
        made.prices = {**PRICES, CHEAP: Price("c", 1.0, 1.0)}  # 150 tokens: 1.5e-4 dollars
        step(made, 1, LYON)
        assert not made.doubted


def test_a_strong_model_that_refuses_is_no_better_than_a_cheap_answer() -> None:
    with steady():
        made = course(CHEAP)
        cheap = step(made, 1, LYON)
        assert made.doubted
        made.advance(answered=True)
        last = step(made, 2, REFUSAL)
        assert made.served is not None and made.served.id == cheap.id
        told = decode(last.decision)
        assert (told.served, told.served_id) == (CHEAP, cheap.id)
        assert read(told.detail).steps[-1].failed_checks == ("refusal",)


def test_the_course_is_right_about_what_it_serves() -> None:
    with steady():
        made = course(CHEAP, OTHER)
        assert made.right == 0.9
        step(made, 1, PARIS)
        made.advance(answered=True)
        step(made, 2, LYON)
        made.advance(answered=True)
        step(made, 3, PARIS)
    assert made.served is not None and made.served.model == STRONG and made.right == 0.95


def test_a_mistake_in_judging(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(Judges, "agreement", lambda *_: 1 / 0)
    with steady():
        made = course(CHEAP, OTHER)
        step(made, 1, PARIS)
        made.advance(answered=True)
        step(made, 2, PARIS)
        assert made.doubted and made.verdict is not None and made.verdict.step == "strong"
        made.advance(answered=True)
        last = step(made, 3, PARIS)
    assert made.served is not None and made.served.model == STRONG
    assert [each.outcome for each in read(decode(last.decision).detail).steps] == [
        "doubted",
        "doubted",
        "served",
    ]
    assert caplog.text.count("ZeroDivisionError") >= 2


def test_what_is_kept_is_told_of_its_own_answer() -> None:
    with steady():
        made = course(CHEAP, OTHER)
        kept: list[Any] = []
        step(made, 1, PARIS)
        made.keeps("gen-1", lambda body, good: kept.append((1, body, good)))
        made.keeps("gen-9", lambda body, good: kept.append((9, body, good)))
        made.advance(answered=True)
        step(made, 2, PARIS)
        made.keeps("gen-2", lambda body, good: kept.append((2, body, good)))
    assert made.served is not None and made.served.keep is not None
    made.served.keep(b"x", True)
    assert kept == [(1, b"x", True)]


# --- without checks, and behind the scenes -----------------------------------------------------------


def test_an_answer_that_nobody_looks_at() -> None:
    made = course(CHEAP, path="direct")
    assert not made.checked and not made.listens and made.last and made.model == CHEAP
    one = record(1, CHEAP, 7)
    made.settling(one, "ok", USAGE)
    told = decode(one.decision)
    assert (told.served, told.cost_nano_usd, told.baseline_nano_usd) == (CHEAP, 7, STRONG_NANO)
    assert told.outcomes == () and read(told.detail).steps[0].outcome == "served"
    again = record(2, CHEAP, 7)
    made.settling(again, "ok", USAGE)
    assert not again.decision


def test_a_broken_stream_saves_nothing() -> None:
    made = course(CHEAP, path="direct")
    one = record(1, CHEAP, 3)
    made.settling(one, "upstream_error", USAGE)
    told = decode(one.decision)
    assert (told.served, told.cost_nano_usd, told.baseline_nano_usd) == ("", 3, 0)


def test_an_unknown_price_of_the_strong_model_is_no_baseline() -> None:
    made = course(CHEAP, path="direct")
    made.prices = {}
    one = record(1, CHEAP, 3)
    made.settling(one, "ok", USAGE)
    assert decode(one.decision).baseline_nano_usd == 0


def test_a_shadow_serves_nobody() -> None:
    made = course(CHEAP, path=SHADOW)
    made.taken.append(make_taken())
    assert made.listens
    one = record(2, STRONG, 9)
    made.settling(one, "upstream_error")
    told = decode(one.decision)
    assert (told.served, told.served_id, told.baseline_nano_usd) == ("", "", 0)


def make_taken() -> Any:
    with steady():
        other = course(CHEAP, OTHER)
        step(other, 1, PARIS)
    return other.taken[0]


# --- what is asked ------------------------------------------------------------------------------------


def fields(made: Asked) -> dict[str, Any]:
    return {name: json.loads(bytes(value)) for name, value in made.fields.items()}


KNOBS = {"quality": 0.5, "max_cost": 1, "cascade": True, "strong": "a/b"}


def test_each_turn_asks_for_its_own_model() -> None:
    with steady():
        made, original = course(CHEAP, OTHER), asked(**KNOBS, models=["a/b"], fallbacks=[{"model": "c/d"}])
        before = fields(original)
        turned = made.turn(original)
        assert (turned.model, fields(turned)) == (CHEAP, {"model": CHEAP, "messages": before["messages"]})
        step(made, 1, PARIS)
        made.advance(answered=True)
        assert made.turn(original).model == OTHER
        step(made, 2, LYON)
        made.advance(answered=True)
        last = made.turn(original)
        # Those that the caller names stand in, no others.
        assert (last.model, fields(last)["models"], fields(last)["fallbacks"]) == (
            STRONG,
            ["a/b"],
            [{"model": "c/d"}],
        )
        assert not KNOBS.keys() & fields(last).keys()
        assert fields(original) == before and original.model == "auto"


def test_those_that_stand_in_were_not_asked_before() -> None:
    made = course(CHEAP, path="direct")
    assert fields(made.turn(asked()))["models"] == [CHEAP, STRONG, OTHER]
    made.decision.rule = "r"
    assert fields(made.turn(asked(models=["a/b"])))["models"] == [CHEAP, STRONG, OTHER], "a rule has chosen"
    made.decision.path = "rule"
    assert "models" not in fields(made.turn(asked(models=["a/b"])))
    made.decision.path = SHADOW
    assert "models" not in fields(made.turn(asked(models=["a/b"])))


def test_a_suffix_goes_behind_every_name() -> None:
    made = course(CHEAP, path="direct", suffix=":nitro")
    turned = made.turn(asked())
    assert turned.model == f"{CHEAP}:nitro"
    assert fields(turned)["models"] == [f"{name}:nitro" for name in (CHEAP, STRONG, OTHER)]


@given(st.text(max_size=300), st.text(max_size=300))
def test_the_header_line_is_one_line_of_ascii(why: str, task: str) -> None:
    made = course(CHEAP, path="direct")
    made.decision.why, made.decision.task = why, task
    line = made.line()
    assert line.startswith(b"x-tokenworks-decision: direct; ") and line.endswith(b"\r\n")
    assert all(32 <= byte < 127 for byte in line[:-2])
