import json
import time
from functools import cache
from itertools import pairwise

import pytest
from turns import PARTS, WIRES, Call, Case, Said, cases

from tokenworks.routing.stage import DOWN, UP, Stage, assess, stay
from tokenworks.wire.history import History, ToolResult, read
from tokenworks.wire.peek import peek

FALSE_ALARMS = (  # shapes that must never look stuck
    "error text in a file",
    "exit code that is no failure",
    "none failed",
    "no tools",
    "test meant to fail",
    "lint",
)


def stage_of(case: Case, wire: str) -> Stage:
    return assess(read(wire, peek(json.dumps(case.body(wire), ensure_ascii=False).encode())))


@cache
def judged(part: str) -> list[tuple[Case, str, bool]]:
    """Each case on each wire, and whether it is taken for stuck."""
    return [(case, wire, stage_of(case, wire).tier == "strong") for case in cases(part) for wire in WIRES]


@pytest.mark.parametrize("part", PARTS)
def test_precision_and_recall_of_stuck(part: str) -> None:
    found = judged(part)
    assert len(found) >= 40 * len(WIRES)
    hits = sum(said and case.stuck for case, _, said in found)
    precision = hits / sum(said for _, _, said in found)
    recall = hits / sum(case.stuck for case, _, _ in found)
    assert (precision >= 0.9, recall >= 0.9) == (True, True), (precision, recall)


@pytest.mark.parametrize("shape", FALSE_ALARMS)
def test_shapes_that_only_read_like_trouble_never_escalate(shape: str) -> None:
    found = [(case, wire, said) for part in PARTS for case, wire, said in judged(part) if case.shape == shape]
    assert len(found) >= 3
    assert [(case.name, wire) for case, wire, said in found if said] == []


@pytest.mark.parametrize("part", PARTS)
def test_the_wire_makes_no_difference(part: str) -> None:
    answers: dict[str, set[bool]] = {}
    for case, _, said in judged(part):
        answers.setdefault(case.name, set()).add(said)
    assert [name for name, said in answers.items() if len(said) > 1] == []


def history(*results: tuple[str, str, bool | None], user: str = "go", after_tool: bool = True) -> History:
    """One result a turn: a command (or the tool's name after "@"), its text, its flag."""
    made = [
        ToolResult(
            "Bash" if command[0] != "@" else command[1:].split(" ")[0],
            json.dumps({"command": command}),
            text,
            failed,
            turn,
        )
        for turn, (command, text, failed) in enumerate(results)
    ]
    return History(user=user, results=tuple(made), after_tool=after_tool)


RED = ("pytest -q", "FAILED tests/test_a.py::test_x - assert 1 == 2\n1 failed in 0.1s", True)
GREEN = ("pytest -q", "9 passed in 0.1s", False)
EDIT = ("@Edit src/a.py", "The file src/a.py has been updated.", False)


def test_it_escalates_and_comes_back_when_the_tests_pass() -> None:
    assert assess(history(RED)).tier == "cheap"
    stuck = assess(history(RED, EDIT, RED))
    assert (stuck.tier, stuck.switched, stuck.why) == ("strong", True, "the same failure again")
    held = assess(history(RED, EDIT, RED, EDIT))
    assert (held.tier, held.switched) == ("strong", False)
    back = assess(history(RED, EDIT, RED, EDIT, GREEN))
    assert (back.tier, back.switched, back.why) == ("cheap", True, "tests pass")


def test_an_edit_before_the_first_failure_makes_it_no_milder() -> None:
    assert assess(history(EDIT, RED)).stuck == assess(history(RED)).stuck
    assert assess(history(EDIT, RED, EDIT, RED)).tier == "strong"


def test_nothing_holds_it_for_good_and_it_does_not_flip() -> None:
    work = [(f"python step{number}.py", f"step {number} done", False) for number in range(16)]
    tiers = [assess(history(RED, EDIT, RED, *work[:number])).tier for number in range(len(work))]
    assert tiers[0] == "strong" and tiers[-1] == "cheap"
    assert sum(a != b for a, b in pairwise(tiers)) == 1
    assert tiers.count("strong") >= 3  # it is not given back at the first success
    assert DOWN < UP


def test_is_error_counts_and_text_alone_does_not() -> None:
    post = '@mcp__x__post {"a": 1}'
    refused = (post, "archived", True)
    assert assess(history(refused, refused)).tier == "strong"
    assert assess(history(("cat a.log", "archived\nERROR out of memory", False), refused)).tier == "cheap"


def test_fewer_failures_are_progress_and_more_are_not() -> None:
    def run(failing: int) -> tuple[str, str, bool]:
        return ("pytest -q", f"{failing} failed, 9 passed in 0.1s", True)

    assert assess(history(run(9), EDIT, run(5), EDIT, run(2), EDIT, run(1))).tier == "cheap"
    assert assess(history(run(2), EDIT, run(5), EDIT, run(9))).tier == "strong"


def test_a_test_that_was_just_written_may_fail_and_other_tests_may_not() -> None:
    written = ("@Write tests/test_a.py", "File created successfully at: tests/test_a.py", False)
    assert assess(history(written, RED)).stuck < assess(history(RED)).stuck
    assert assess(history(written, RED, EDIT, RED, EDIT, RED)).tier == "strong"


def test_calls_made_at_once_do_not_count_as_the_same_failure_again() -> None:
    at_once = tuple(ToolResult("Bash", '{"command": "pytest -q"}', RED[1], True, turn=0) for _ in range(4))
    assert assess(History(results=at_once, after_tool=True)).tier == "cheap"


def test_a_person_s_word_gives_the_cheap_model_another_chance() -> None:
    stuck = history(RED, EDIT, RED)
    spoken = History(results=stuck.results, user="write the changelog instead", after_tool=False)
    assert (assess(stuck).tier, assess(spoken).tier) == ("strong", "cheap")


def test_a_growing_conversation_is_judged_the_same_from_any_worker() -> None:
    for case in cases("tuned")[:20]:
        stages = [stage_of(case, wire) for wire in WIRES for _ in range(2)]
        assert len(set(stages)) == 1, case.name


def test_it_says_nothing_of_the_conversation_and_needs_none() -> None:
    assert assess(History()) == Stage("cheap", 0.0, "no tool has failed", False)
    secret = ("pytest -q", "FAILED tests/test_secret.py::test_x\n1 failed in 0.1s", True)
    assert "secret" not in assess(history(secret, EDIT, secret)).why


def test_the_cost_of_a_cold_cache_is_weighed_against_the_gain() -> None:
    prices = {"cold_usd_mtok": 3.0, "cached_usd_mtok": 0.1}
    big = {"cached_tokens": 100_000, **prices}  # switching costs 0.29
    assert stay(0.2, value_usd=1.0, **big)  # gains 0.20
    assert not stay(0.4, value_usd=1.0, **big)
    assert not stay(0.2, value_usd=1.0, turns=2, **big)
    assert not stay(0.2, value_usd=1.0, cached_tokens=1_000, **prices)
    # Back to a cheaper model: worse, but every further turn saves money.
    down = {"value_usd": 0.5, "cached_tokens": 100_000, "cold_usd_mtok": 0.3, "cached_usd_mtok": 0.3}
    assert stay(-0.1, saved_usd=0.02, **down) and not stay(-0.1, saved_usd=0.08, **down)
    assert stay(0.0, value_usd=1.0, cached_tokens=0, **prices)  # nothing gained: no reason to move


def long_case(agent: str) -> Case:
    steps: list[Said | Call] = [step for case in cases("tuned") for step in case.steps]
    case = Case("long", False, "", agent)
    while len(json.dumps(case.body(WIRES[0]))) < 200_000:
        case.steps += steps
    return case


@pytest.mark.parametrize("wire", WIRES)
def test_a_decision_over_200_kb_costs_little(wire: str) -> None:
    fields = peek(json.dumps(long_case("codex").body(wire)).encode())
    spent = []
    for _ in range(12):
        start = time.process_time()
        assess(read(wire, fields))
        spent.append(time.process_time() - start)
    assert min(spent) < 0.005  # about 0.7 ms; a loaded machine may take longer
