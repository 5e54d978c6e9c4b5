"""Runaway agents are stopped, honest ones never: each told once, and judged on every wire."""

from __future__ import annotations

import json
import random
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import mutations
import pytest
from agents import CHAT, MESSAGES, RESPONSES, SESSIONS, WIRES, Did, Turn, bodies, body, call, prose, runaways
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenworks.plans.loops import RECOMMENDED_REPEATS, RECOMMENDED_STALE_TURNS, Verdict, judge
from tokenworks.plans.loops.verdict import FINE, LENIENT, LONGEST_CYCLE, MOST_STEPS
from tokenworks.plans.rules import LoopRules

BOTH = LoopRules(repeats=RECOMMENDED_REPEATS, stale_turns=RECOMMENDED_STALE_TURNS)
REPEATS = LoopRules(repeats=RECOMMENDED_REPEATS)
STALE = LoopRules(stale_turns=RECOMMENDED_STALE_TURNS)
LIMITS = [(RECOMMENDED_REPEATS, RECOMMENDED_STALE_TURNS), (3, 6), (7, 12)]
SHAPES = list(runaways(*LIMITS[0]))


def verdicts(wire: str, turns: list[Turn], rules: LoopRules = BOTH) -> list[Verdict]:
    """What each request of a session is told, up to the one that is stopped."""
    told = []
    for fields in bodies(wire, turns):
        told.append(judge(fields, rules))
        if told[-1].level == "stop":
            break
    return told


# --- honest -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("name", SESSIONS)
def test_honest_sessions_are_neither_stopped_nor_warned(name: str, wire: str) -> None:
    turns = SESSIONS[name]
    assert [verdict for verdict in verdicts(wire, turns) if verdict.level] == []


def test_they_are_many_and_long() -> None:
    lengths = sorted(map(len, SESSIONS.values()))
    assert len(lengths) >= 20
    assert lengths[-1] == 300
    assert lengths[0] >= 60


@pytest.mark.parametrize("name", SESSIONS)
def test_nor_when_their_clients_drop_what_is_old(name: str) -> None:
    turns = SESSIONS[name]
    for start in range(0, len(turns) - 40, 7):
        assert judge(body(MESSAGES, turns[start : start + 40]), BOTH) is FINE


# --- runaway ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("limits", LIMITS)
@pytest.mark.parametrize("shape", SHAPES)
def test_runaways_are_warned_and_then_stopped(shape: str, limits: tuple[int, int], wire: str) -> None:
    runaway = runaways(*limits)[shape]
    stale = runaway.rule == "stale"
    rules = LoopRules(stale_turns=limits[1]) if stale else LoopRules(repeats=limits[0])
    told = verdicts(wire, runaway.turns, rules)
    assert (told[-1].level, told[-1].rule) == ("stop", runaway.rule)
    assert 0 <= len(told) - 1 - runaway.honest - runaway.stopped < 2
    assert told[-2].level == "warn"
    levels = [verdict.level for verdict in told[:-1]]
    assert levels == sorted(levels)  # quiet, then warned
    assert set(levels[: runaway.honest + 2]) == {""}


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("shape", SHAPES)
def test_with_both_rules_whichever_comes_first_stops_it(shape: str, wire: str) -> None:
    runaway = runaways(*LIMITS[0])[shape]
    assert len(verdicts(wire, runaway.turns)) - 1 <= runaway.honest + runaway.stopped


def test_other_words_round_the_same_calls_do_not_help() -> None:
    dice = random.Random(3)
    turns = [Turn(prose(dice, 20), (Did("read_file", {"path": "a"}, "text"),)) for _ in range(9)]
    assert len(verdicts(CHAT, turns)) - 1 == RECOMMENDED_REPEATS


def test_new_words_are_something_new() -> None:
    dice = random.Random(3)
    turns = [Turn(prose(dice, 20), user="Please continue.") for _ in range(40)]
    assert judge(body(CHAT, turns), BOTH) is FINE


# --- what is left behind ----------------------------------------------------------------------------

LOOP = [call("read_file", "def f(): ...", path="a.py")] * RECOMMENDED_REPEATS
WORK = SESSIONS["reads_page_by_page"]


@pytest.mark.parametrize("wire", WIRES)
def test_a_loop_that_was_left_stops_nothing(wire: str) -> None:
    assert judge(body(wire, [*WORK[:9], *LOOP]), BOTH).level == "stop"
    for more in range(1, 40):
        assert judge(body(wire, [*WORK[:9], *LOOP, *WORK[9 : 9 + more]]), BOTH) is FINE


@pytest.mark.parametrize("wire", WIRES)
def test_a_new_instruction_lets_it_go_on_once(wire: str) -> None:
    helped = [*LOOP[:-1], LOOP[-1]._replace(user="Leave that file, go on with the next one.")]
    assert judge(body(wire, helped), BOTH) is FINE
    again = verdicts(wire, [*helped, *LOOP])
    assert again[-1].level == "stop"
    assert len(again) - 1 == 2 * RECOMMENDED_REPEATS


# --- polling ----------------------------------------------------------------------------------------


def stopped_after(turns: list[Turn], rules: LoopRules = REPEATS) -> int:
    told = verdicts(CHAT, turns, rules)
    return len(told) - 1 if told[-1].level == "stop" else 0


@pytest.mark.parametrize("rules", [REPEATS, BOTH])
def test_who_waits_may_see_the_same_twice_as_often(rules: LoopRules) -> None:
    polls = [call("check_status", "queued", job=1)] * 60
    assert stopped_after(polls, rules) == LENIENT * RECOMMENDED_REPEATS
    assert stopped_after([call("get_job", "queued", job=1)] * 60, rules) == RECOMMENDED_REPEATS
    sleeping = [call("bash", "", command="sleep 30"), call("get_job", "queued", job=1)] * 30
    assert stopped_after(sleeping) == 2 * LENIENT * RECOMMENDED_REPEATS
    assert stopped_after(sleeping, STALE) == LENIENT * RECOMMENDED_STALE_TURNS + 2


def test_a_number_that_changes_is_progress_and_a_duration_is_not() -> None:
    dice = random.Random(5)
    percents = [call("get_job", f"{at} % done", job=1) for at in range(60)]
    lasting = [call("get_job", f"failed in {dice.random():.3f}s", job=1) for _ in range(60)]
    running = [call("get_job", f"running for {at * 7}s", job=1) for at in range(60)]
    left = [call("get_job", f"{500 - at * 7} seconds left", job=1) for at in range(60)]
    again = [call("get_job", f"running for {at * 7 + 3}s", job=1) for at in range(60)]
    restarted = running[:8] + again
    jobs = [call("get_job", f"running for {at % 8 * 10 + at // 8}s", job=1) for at in range(60)]
    for rules in (REPEATS, STALE, BOTH):
        assert stopped_after(percents, rules) == 0
        assert stopped_after(running, rules) == 0
        assert stopped_after(left, rules) == 0
        assert stopped_after(restarted, rules) == 0
        assert stopped_after(jobs, rules) == 0
    assert stopped_after(lasting) == LENIENT * RECOMMENDED_REPEATS
    assert stopped_after(lasting, STALE) == LENIENT * RECOMMENDED_STALE_TURNS + 1


# --- rules ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rules", [LoopRules(), LoopRules(iterations=1, spend_usd=1.0), LoopRules(repeats=0)])
def test_without_a_rule_nothing_is_looked_at(rules: LoopRules) -> None:
    assert judge({"messages": msgspec.Raw(b"[")}, rules) is FINE
    assert judge(body(CHAT, LOOP * 9), rules) is FINE


@pytest.mark.parametrize("least", [-1, 1, 2])
def test_once_is_no_repetition(least: int) -> None:
    rules = LoopRules(repeats=least, stale_turns=least)
    honest = [call("f", str(n), n=n) for n in range(9)]
    assert judge(body(CHAT, honest), rules) is FINE
    assert stopped_after(LOOP, rules) == (2 if least > 0 else 0)


def test_limits_beyond_what_is_looked_at_stop_nothing() -> None:
    assert judge(body(CHAT, LOOP * 100), LoopRules(repeats=10**9, stale_turns=10**9)) is FINE
    assert judge(body(CHAT, LOOP * 100), LoopRules(repeats=MOST_STEPS)).count == MOST_STEPS


def test_stop_goes_before_warn() -> None:
    calls = [call("a", "1"), call("b", "2")] * 9  # nothing new for 16 turns, 9 cycles of two
    verdict = judge(body(CHAT, calls), LoopRules(repeats=10, stale_turns=10))
    assert (verdict.level, verdict.rule, verdict.count) == ("stop", "stale", 16)
    verdict = judge(body(CHAT, calls), LoopRules(repeats=10, stale_turns=17))
    assert (verdict.level, verdict.rule, verdict.count) == ("warn", "pingpong", 9)


@pytest.mark.parametrize("name", ["f", "工具\r\nx-evil: 1" * 20, "", "é", "a" * 5000])
def test_messages_fit_a_header_and_name_what_repeats(name: str) -> None:
    for turns in (
        [call(name, "r")] * 5,
        [call(name, "r"), call("g" * 99, "s")] * 5,
        [Turn("", tuple(Did(f"{name}{n}", {}, "r") for n in range(50)))] * 4,
        [Turn("Sorry.", user="continue")] * 5,
        [call(f"{name}{n % 7}", "r") for n in range(30)],
    ):
        verdict = judge(body(CHAT, turns), BOTH)
        assert verdict.level
        assert 20 < len(verdict.message) <= 200
        assert verdict.message.isascii()
        assert verdict.message.isprintable()
        assert str(verdict.count) in verdict.message
    assert judge(body(CHAT, [call("read_file", "r")] * 5), BOTH) == Verdict(
        "stop",
        "repeat",
        "read_file: the same call 5 times in a row with the same result; "
        "the limit is 5: give a new instruction or start a new session",
        5,
    )


# --- what must hold for any session -----------------------------------------------------------------

STEPS = st.lists(st.integers(0, 3), max_size=40)


@given(STEPS, st.integers(2, 4), st.sampled_from(WIRES))
@settings(max_examples=150)
def test_repetition_is_what_it_is_said_to_be(told: list[int], repeats: int, wire: str) -> None:
    def periodic(length: int, times: int) -> bool:
        tail = told[-length * times :]
        return len(tail) == length * times and tail == tail[:length] * times

    turns = [call(f"tool_{n}", f"result {n}") for n in told]
    verdict = judge(body(wire, turns), LoopRules(repeats=repeats))
    lengths = range(1, LONGEST_CYCLE + 1)
    stop = any(periodic(length, repeats) for length in lengths)
    warn = repeats > 2 and any(periodic(length, repeats - 1) for length in lengths)
    assert verdict.level == ("stop" if stop else "warn" if warn else "")


@given(STEPS, st.integers(2, 6), st.sampled_from(WIRES))
@settings(max_examples=150)
def test_staleness_is_what_it_is_said_to_be(told: list[int], turns: int, wire: str) -> None:
    count = 0
    for at in reversed(range(len(told))):
        if told[at] not in told[max(0, at - 2 * turns) : at]:
            break
        count += 1
    verdict = judge(body(wire, [call(f"t_{n}", str(n)) for n in told]), LoopRules(stale_turns=turns))
    assert verdict.level == ("stop" if count >= turns else "warn" if count == turns - 1 else "")


def test_parallel_turns_can_not_race() -> None:
    """Each request is judged by itself: in any order, beside any other, as often as one likes."""
    lost = runaways(*LIMITS[0])["ping-pong"].turns[:22]
    requests = [
        fields for pair in zip(bodies(CHAT, lost), bodies(CHAT, WORK[:22]), strict=True) for fields in pair
    ]
    alone = [judge(fields, BOTH) for fields in requests]
    assert [verdict.level for verdict in alone[::2]].count("stop") == 1
    assert {verdict.level for verdict in alone[1::2]} == {""}
    order = list(range(len(requests))) * 8
    random.Random(1).shuffle(order)
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda at: judge(requests[at], BOTH), order))
    assert together == [alone[at] for at in order]


# --- hostile bodies -----------------------------------------------------------------------------------

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.sampled_from(("assistant", "tool", "user", "function_call", "tool_use", "tool_result", "text")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ("role", "content", "type", "text", "tool_calls", "function", "name", "arguments", "input")
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=25,
)


@given(st.sampled_from(("messages", "input")), values)
@settings(max_examples=200)
def test_no_json_makes_it_raise(key: str, value: Any) -> None:
    assert isinstance(judge({key: msgspec.Raw(json.dumps([value, value, value]).encode())}, BOTH), Verdict)
    assert isinstance(judge({key: msgspec.Raw(json.dumps(value).encode())}, BOTH), Verdict)


@given(st.sampled_from(("messages", "input")), st.binary(max_size=50))
def test_no_bytes_make_it_raise(key: str, data: bytes) -> None:
    assert judge({key: msgspec.Raw(data)}, BOTH) is FINE
    assert judge({key: msgspec.Raw(b"[" + data)}, BOTH) is FINE


@pytest.mark.parametrize("wire", WIRES)
def test_no_mutation_of_a_real_conversation_makes_it_raise(wire: str) -> None:
    turn = Turn("Let me see.", (Did("f", {"a": 1}, "r"), Did("g", {"b": [1]}, "s")), "go on")
    key = "input" if wire == RESPONSES else "messages"
    whole = json.loads(bytes(body(wire, [turn, turn])[key]))
    for path in mutations.paths(whole):
        for text in mutations.REPLACEMENTS.values():
            fields = {key: msgspec.Raw(mutations.replaced(whole, path, text))}
            assert isinstance(judge(fields, LoopRules(repeats=2, stale_turns=2)), Verdict)


# --- cost ---------------------------------------------------------------------------------------------


def cost_s(fields: dict[str, msgspec.Raw]) -> float:
    def once() -> float:
        start = time.process_time()
        judge(fields, BOTH)
        return time.process_time() - start

    return min(once() for _ in range(7))


def test_it_is_quick() -> None:
    dice = random.Random(1)
    turns = [call("read_file", prose(dice, 150), "Reading on.", path=f"{n}.py") for n in range(300)]
    long = body(CHAT, turns)
    assert 300_000 < len(long["messages"]) < 450_000
    assert cost_s(long) < 0.02  # about half a millisecond
    jitter = [
        call("bash", f"0.{n * 7 % 61}s {prose(random.Random(0), 2000)}", command="ls") for n in range(60)
    ]
    assert cost_s(body(CHAT, jitter)) < 0.2  # the dearest there is: about 15 ms
