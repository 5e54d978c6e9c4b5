"""The loop guard's judgement: does what is going on at the end of a conversation repeat itself?

Agents send the whole conversation with each request, so nothing is remembered between requests: parallel
turns can't race, and every worker of every machine judges alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, pairwise
from typing import Literal

import msgspec

from tokenworks.plans.loops.reading import Tail
from tokenworks.plans.loops.step import Step
from tokenworks.plans.rules import LoopRules

# Three calls in a row with the same result happen to honest agents (a retry, and one more after a rate
# limit). At four they are warned, at five they are stopped.
RECOMMENDED_REPEATS = 5
# An agent may look at files again that it has read lately, say after a question. Ten steps of nothing else
# are more than that.
RECOMMENDED_STALE_TURNS = 10

LONGEST_CYCLE = 4  # steps; longer and irregular ones are stale
LENIENT = 2  # times as often, where it is less sure that nothing moves
MOST_STEPS = 256  # that are looked at, whatever the rules say
MOSTLY_ONE_WAY = 0.8  # of the changes of a duration; then it is a clock that runs
LONGEST_NAMES = 60  # characters of tools in a message, which goes into a header

Level = Literal["", "warn", "stop"]
Rule = Literal["", "repeat", "pingpong", "stale"]


class Verdict(msgspec.Struct, frozen=True):
    """What the guard makes of a request. ``message`` is one line of printable ASCII."""

    level: Level = ""
    rule: Rule = ""
    message: str = ""
    count: int = 0  # of repetitions so far: steps, whole cycles or turns


FINE = Verdict()


class _Found(msgspec.Struct, frozen=True):
    """Something that repeats ``count`` times and is stopped at ``limit``."""

    rule: Rule
    count: int
    limit: int
    what: str


def judge(fields: Mapping[str, msgspec.Raw], rules: LoopRules) -> Verdict:
    """What ``rules.repeats`` and ``rules.stale_turns`` say to the request with these top-level ``fields``.

    A malformed body or one without a conversation is no loop. Looks at ``MOST_STEPS`` steps at most.
    """
    repeats, stale_turns = _limit(rules.repeats), _limit(rules.stale_turns)
    if not repeats and not stale_turns:
        return FINE
    most = max(LENIENT * LONGEST_CYCLE * repeats, 2 * LENIENT * stale_turns)
    steps = Tail(fields, min(most + LONGEST_CYCLE, MOST_STEPS))
    warning = FINE
    for found in chain(_cycling(steps, repeats), _idling(steps, stale_turns)):
        if found.count >= found.limit:
            return _verdict("stop", found)
        if found.count == found.limit - 1 and warning is FINE:
            warning = _verdict("warn", found)
    return warning


def _limit(given: int | None) -> int:
    return max(given, 2) if given and given > 0 else 0  # once is no repetition


def _cycling(steps: Tail, repeats: int) -> Iterator[_Found]:
    """The same step, or the same few steps, again and again."""
    for loosely in (False, True) if repeats else ():
        seen: list[tuple[int, int]] = []  # shorter cycles and how many steps they explain
        for length in range(1, LONGEST_CYCLE + 1):
            count = _cycles(steps, length, loosely)
            if count < 2 or any(
                length % each == 0 and count * length <= explained for each, explained in seen
            ):
                continue
            seen.append((length, count * length))
            run = steps.first(count * length)
            if loosely and any(_ticks(run[at::length]) for at in range(length)):
                continue
            limit = LENIENT * repeats if loosely or _waits(run[:length]) else repeats
            yield _Found("pingpong" if length > 1 else "repeat", count, limit, _words(run[:length], count))


def _idling(steps: Tail, stale_turns: int) -> Iterator[_Found]:
    """Turns that bring nothing new."""
    for loosely in (False, True) if stale_turns else ():
        count = _stale(steps, 2 * stale_turns, loosely)
        run = steps.first(count)
        if loosely and _ticks_among(run):
            continue
        limit = LENIENT * stale_turns if loosely or _waits(run) else stale_turns
        yield _Found("stale", count, limit, f"{count} turns in a row with no new text, call or result")


def _cycles(steps: Tail, length: int, loosely: bool) -> int:
    """How often the last ``length`` steps came in a row, in whole cycles."""
    same = 0
    while steps.reaches(same + length) and steps[same].same(steps[same + length], loosely):
        same += 1
    return same // length + 1


def _stale(steps: Tail, horizon: int, loosely: bool) -> int:
    """How many turns up to the last had nothing that was not among the ``horizon`` turns before them."""
    count = 0
    while before := steps.first(count + 1 + horizon)[count + 1 :]:
        if not _known(steps[count], before, loosely):
            break
        count += 1
    return count


def _known(step: Step, before: Sequence[Step], loosely: bool) -> bool:
    """Was all of ``step`` there before? What is cheap, or new in most honest steps, is looked at first."""
    if not loosely:
        if step.wanted and all(step.wanted != other.wanted for other in before):
            return False
        if not {result for other in before for result in other.got}.issuperset(step.got):
            return False
    if not {call for other in before for call in other.done}.issuperset(step.done):
        return False
    if loosely:
        if step.wanted and all(step.wanted_masked != other.wanted_masked for other in before):
            return False
        if not {result for other in before for result in other.got_masked}.issuperset(step.got_masked):
            return False
    return not step.said or step.stood_in([other.said for other in before])


def _ticks(steps: Sequence[Step]) -> bool:
    """Do durations in the results of these steps, the newest first, go one way? Then a clock runs.

    Someone waits for a job that tells how long it has been at it. How long a test took goes up and down.
    """
    lasted = [step.lasted_s for step in steps]
    rises = sum(newer > older for newer, older in pairwise(lasted))
    falls = sum(newer < older for newer, older in pairwise(lasted))
    return len(lasted) > 2 and max(rises, falls) >= MOSTLY_ONE_WAY * (len(lasted) - 1)


def _ticks_among(steps: Sequence[Step]) -> bool:
    """Does a clock run in half of these steps or more? Three or four durations go one way by chance."""
    alike: dict[tuple[str, ...], list[Step]] = {}
    for step in steps:
        alike.setdefault(step.got_masked, []).append(step)
    return any(2 * len(each) >= len(steps) and _ticks(each) for each in alike.values())


def _waits(steps: Sequence[Step]) -> bool:
    """Are half of them or more there for waiting? Then the same again and again is what to expect."""
    return 0 < len(steps) <= 2 * sum(step.waits for step in steps)


def _words(cycle: Sequence[Step], count: int) -> str:
    names = ", ".join(sorted({call.name for step in cycle for call in step.calls}))
    names = re.sub(r"[^ -~]", "?", names)
    if len(names) > LONGEST_NAMES:
        names = names[: LONGEST_NAMES - 3] + "..."
    if len(cycle) > 1:
        return f"{names or 'answers'}: the same {len(cycle)} steps {count} times over with the same outcome"
    if names:
        return f"{names}: the same call {count} times in a row with the same result"
    return f"the same answer {count} times in a row, to the same message"


def _verdict(level: Level, found: _Found) -> Verdict:
    todo = (
        f"; the limit is {found.limit}: give a new instruction or start a new session"
        if level == "stop"
        else f"; stopped at {found.limit}: take another way"
    )
    return Verdict(level, found.rule, found.what + todo, found.count)
