"""Scripted agents: sessions told once as turns, and as what each request of them says on each wire.

``SESSIONS`` are honest, ``RUNAWAYS`` are not. Every random choice is seeded, so they are the same each time.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec

CHAT, MESSAGES, RESPONSES = "openai_chat", "anthropic_messages", "openai_responses"
WIRES = (CHAT, MESSAGES, RESPONSES)


class Did(NamedTuple):
    """A tool call. ``arguments`` may be JSON text, where its form matters."""

    name: str
    arguments: dict[str, Any] | str
    result: str

    @property
    def text(self) -> str:
        return self.arguments if isinstance(self.arguments, str) else json.dumps(self.arguments)


class Turn(NamedTuple):
    """What the model did at one go, and what the user said behind it."""

    text: str = ""
    calls: tuple[Did, ...] = ()
    user: str = ""


Items = list[dict[str, Any]]


def call(name: str, result: str, said: str = "", **arguments: Any) -> Turn:
    """A turn of one call."""
    return Turn(said, (Did(name, arguments, result),))


def bodies(wire: str, turns: list[Turn], task: str = "Do it.") -> Iterator[dict[str, msgspec.Raw]]:
    """The top-level fields of each request of a session: after its task, after its first turn, and so on."""
    encode = msgspec.json.encode
    written = [encode(item) for item in _user(wire, task)]
    key = "input" if wire == RESPONSES else "messages"
    for number in itertools.count():
        yield {
            "model": msgspec.Raw(b'"acme/fast"'),
            key: msgspec.Raw(b"[%b]" % b",".join(written)),
        }
        if number == len(turns):
            return
        written += [encode(item) for item in _WRITERS[wire](turns[number], number)]


def body(wire: str, turns: list[Turn], task: str = "Do it.") -> dict[str, msgspec.Raw]:
    """The fields of the request behind all of ``turns``."""
    return list(bodies(wire, turns, task))[-1]


def _user(wire: str, text: str) -> Items:
    return [{"role": "user", "content": text}] if text else []


def _chat(turn: Turn, number: int) -> Items:
    said: dict[str, Any] = {"role": "assistant", "content": turn.text or None}
    if turn.calls:
        said["tool_calls"] = [
            {
                "id": f"call_{number}_{at}",
                "type": "function",
                "function": {"name": did.name, "arguments": did.text},
            }
            for at, did in enumerate(turn.calls)
        ]
    results = [
        {"role": "tool", "tool_call_id": f"call_{number}_{at}", "content": did.result}
        for at, did in enumerate(turn.calls)
    ]
    return [said, *results, *_user(CHAT, turn.user)]


def _messages(turn: Turn, number: int) -> Items:
    said: list[dict[str, Any]] = [
        {"type": "thinking", "thinking": f"Thought {random.Random(number).random()}", "signature": "c2ln"}
    ]
    if turn.text:
        said.append({"type": "text", "text": turn.text})
    answer: list[dict[str, Any]] = []
    for at, did in enumerate(turn.calls):
        id = f"toolu_{number}_{at}"
        arguments = msgspec.Raw(did.text.encode())
        said.append({"type": "tool_use", "id": id, "name": did.name, "input": arguments})
        content: Any = [{"type": "text", "text": did.result}] if at % 2 else did.result
        answer.append({"type": "tool_result", "tool_use_id": id, "content": content})
    if turn.user:
        answer.append({"type": "text", "text": turn.user})
    items: Items = [{"role": "assistant", "content": said}]
    return [*items, {"role": "user", "content": answer}] if answer else items


def _responses(turn: Turn, number: int) -> Items:
    items: Items = [
        {"type": "reasoning", "id": f"rs_{number}", "summary": [], "encrypted_content": f"gAAA{number}"}
    ]
    if turn.text:
        content = [{"type": "output_text", "text": turn.text, "annotations": []}]
        items.append({"type": "message", "id": f"msg_{number}", "role": "assistant", "content": content})
    for at, did in enumerate(turn.calls):
        asked = {"id": f"fc_{number}_{at}", "call_id": f"call_{number}_{at}"}
        items.append({"type": "function_call", **asked, "name": did.name, "arguments": did.text})
    items += [
        {"type": "function_call_output", "call_id": f"call_{number}_{at}", "output": did.result}
        for at, did in enumerate(turn.calls)
    ]
    return [*items, *_user(RESPONSES, turn.user)]


_WRITERS: dict[str, Callable[[Turn, int], Items]] = {
    CHAT: _chat,
    MESSAGES: _messages,
    RESPONSES: _responses,
}

# --- words ----------------------------------------------------------------------------------------

_SYLLABLES = [a + b for a in "bdklmnr" for b in "aeio"]


def prose(dice: random.Random, words: int) -> str:
    """Text that nobody wrote before."""
    return " ".join("".join(dice.choices(_SYLLABLES, k=dice.randint(1, 4))) for _ in range(words)) + "."


# --- honest ---------------------------------------------------------------------------------------


def _edits_one_file(dice: random.Random) -> Iterator[Turn]:
    for _ in range(300):
        edit = {"path": "app.py", "old": prose(dice, 8), "new": prose(dice, 8)}
        yield Turn("", (Did("edit_file", edit, "The file app.py has been updated."),))


def _tests_after_each_edit(dice: random.Random) -> Iterator[Turn]:
    failed = 40
    for _ in range(100):
        yield call("edit_file", "ok", path=f"m{dice.randint(1, 9)}.py", new=prose(dice, 10))
        yield call("bash", f"{failed} failed, 60 passed in {dice.random():.2f}s", command="pytest -q")
        failed = max(0, failed + dice.choice((-1, -1, 0, 0, 1)))


def _same_failure_after_each_edit(dice: random.Random) -> Iterator[Turn]:
    for _ in range(40):  # tries one thing after the other
        yield call("edit_file", "ok", "Let me try another way.", path="m.py", new=prose(dice, 10))
        yield call("bash", "1 failed: test_login", command="pytest -q")


def _looks_around_between_edits(dice: random.Random) -> Iterator[Turn]:
    for _ in range(60):
        yield call("bash", "On branch main, nothing to commit", command="git status")
        yield call("bash", "a.py b.py c.py", command="ls")
        yield call("write_file", "ok", path="notes.md", text=prose(dice, 12))


def _polls_progress(dice: random.Random) -> Iterator[Turn]:
    for percent in range(0, 101):
        yield call("check_status", json.dumps({"status": "running", "percent": percent}), job="j1")
    yield call("check_status", json.dumps({"status": "done", "percent": 100}), job="j1")


def _waits_for_a_build(dice: random.Random) -> Iterator[Turn]:
    elapsed = 0
    for _ in range(60):
        elapsed += dice.randint(28, 34)
        minutes, seconds = divmod(elapsed, 60)
        yield call("view_run", f"build: in progress ({minutes}m {seconds}s)", run="17")
    yield call("view_run", "build: passed", run="17")


def _sleeps_and_checks(dice: random.Random) -> Iterator[Turn]:
    for _ in range(20):
        for _ in range(4):
            yield call("bash", "", command="sleep 60")
            yield call("get_job", '{"state":"queued"}', job="j1")
        yield call("bash", prose(dice, 20), command="tail -n 3 job.log")


def _watches_a_price(dice: random.Random) -> Iterator[Turn]:
    for _ in range(150):
        yield call("get_price", f'{{"usd": {dice.uniform(60_000, 61_000):.2f}}}', of="gold")


def _reads_page_by_page(dice: random.Random) -> Iterator[Turn]:
    for at in range(250):
        file, offset = divmod(at, 5)
        yield call("read_file", prose(dice, 40), path=f"src/{file}.py", offset=offset * 200, limit=200)


def _searches(dice: random.Random) -> Iterator[Turn]:
    for _ in range(120):
        found = dice.choice(("No results found.", "No results found.", prose(dice, 30)))
        yield call("search", found, query=prose(dice, 4))


def _role_play(dice: random.Random) -> Iterator[Turn]:
    for _ in range(300):
        yield Turn(prose(dice, 60), user=dice.choice(("ok", "continue", "go on", "continue", "Continue")))


def _translates_chapters(dice: random.Random) -> Iterator[Turn]:
    for chapter in range(40):
        read = Did("read_file", {"path": f"chapter_{chapter}.txt"}, prose(dice, 80))
        yield Turn("Translating the next chapter.", (read,))
        yield Turn(prose(dice, 80), user="Now translate the next chapter into French. Keep the style.")


def _labels(dice: random.Random) -> Iterator[Turn]:
    for _ in range(200):
        yield Turn(dice.choice(("positive", "positive", "positive", "negative")), user=prose(dice, 15))


def _drills_sums(dice: random.Random) -> Iterator[Turn]:
    for _ in range(150):
        yield Turn(
            "Right. Next one, please.", user=f"{dice.randint(100, 999_999)} + {dice.randint(2, 99_999)}"
        )


def _writes_rows(dice: random.Random) -> Iterator[Turn]:
    for _ in range(60):  # of a test table: the words stay the same
        rows = [f"insert into t values ({dice.randint(0, 10**9)}, {dice.random()});" for _ in range(20)]
        yield Turn("\n".join(rows), user="continue")


def _retries_then_goes_on(dice: random.Random) -> Iterator[Turn]:
    for at in range(50):
        for _ in range(dice.choice((0, 0, 2))):
            yield call("fetch", "429 too many requests, retry later", url=f"https://example.org/{at}")
        yield call("fetch", prose(dice, 50), url=f"https://example.org/{at}")


def _many_at_once(dice: random.Random) -> Iterator[Turn]:
    for at in range(60):
        reads = [Did("read_file", {"path": f"f{at}_{n}.py"}, prose(dice, 12)) for n in range(4)]
        yield Turn("Reading on.", (Did("list_dir", {"path": "."}, "a.py b.py"), *reads))


def _clicks_through_pages(dice: random.Random) -> Iterator[Turn]:
    for _ in range(100):
        yield call("click", prose(dice, 40), "Next page.", selector="#next")


def _looks_again(dice: random.Random) -> Iterator[Turn]:
    files = [(f"f{n}.py", prose(dice, 30)) for n in range(6)]
    for _ in range(15):  # at what it has read, before each change
        for path, text in files:
            yield call("read_file", text, path=path)
        yield call("write_file", "ok", path="sum.md", text=prose(dice, 12))


def _talks_with_a_person(dice: random.Random) -> Iterator[Turn]:
    for at in range(80):
        if at % 4:
            yield Turn("You're welcome!", user=dice.choice(("thanks", "ok")))
        else:
            yield Turn(prose(dice, 30), user="thanks")


def _restarts_a_server(dice: random.Random) -> Iterator[Turn]:
    for at in range(40):
        yield call("bash", f"2026-11-02 10:{at:02}:{dice.randint(10, 59)} started, pid 1", command="make up")
        yield call("http_get", "connection refused", url="http://localhost:8000")
        yield call("bash", f"2026-11-02 10:{at:02}:59 {prose(dice, 15)}", command="tail -n 1 server.log")


_HONEST = (
    _edits_one_file,
    _tests_after_each_edit,
    _same_failure_after_each_edit,
    _looks_around_between_edits,
    _polls_progress,
    _waits_for_a_build,
    _sleeps_and_checks,
    _watches_a_price,
    _reads_page_by_page,
    _searches,
    _role_play,
    _translates_chapters,
    _labels,
    _drills_sums,
    _writes_rows,
    _retries_then_goes_on,
    _many_at_once,
    _clicks_through_pages,
    _looks_again,
    _talks_with_a_person,
    _restarts_a_server,
)


def _told(script: Callable[[random.Random], Iterator[Turn]]) -> list[Turn]:
    return list(script(random.Random(script.__name__)))


SESSIONS: dict[str, list[Turn]] = {script.__name__[1:]: _told(script) for script in _HONEST}

# --- runaway --------------------------------------------------------------------------------------


class Runaway(NamedTuple):
    """An agent that works honestly for ``honest`` turns and then is lost."""

    honest: int
    turns: list[Turn]
    rule: str  # that should notice
    stopped: int  # turns after the honest ones with which it should be stopped at the latest


def _reordered(at: int) -> str:
    """The same arguments, written in a form of its own each time."""
    keys = list({"path": "a.py", "line": 7, "deep": {"y": [1, 2], "x": None}}.items())
    random.Random(at).shuffle(keys)
    return json.dumps(dict(keys), indent=at % 4 or None, separators=(",", ":" + " " * (at % 3)))


def _apology(dice: random.Random) -> str:
    """The same excuses in another order, with another number."""
    excuses = [
        "I apologize for the confusion, let me try that again right away.",
        "My plan is to read the file, to change the function and to run the tests.",
        "Once this is done I will come back with a full report of what changed.",
        "I will now go ahead with the next item of this plan.",
    ]
    dice.shuffle(excuses)
    return f"Attempt {dice.randint(1, 99)}: " + " ".join(excuses)


def runaways(repeats: int, stale_turns: int) -> dict[str, Runaway]:
    """The shapes of running away, each with where these limits should end it."""
    dice = random.Random(7)
    start = SESSIONS["tests_after_each_edit"][:12]
    many = range(60)
    same = [call("read_file", "def f(): ...", path="a.py") for _ in many]
    reordered = [Turn(prose(dice, 9), (Did("read_file", _reordered(at), "def f(): ..."),)) for at in many]
    pair = (call("open", "closed", door=1), call("close", "open", door=1))
    failing = (
        call("edit_file", "old text not found", path="a.py", old="x", new="y"),
        call("bash", "1 failed: test_login", command="pytest -q"),
        call("read_file", "def f(): ...", path="a.py"),
    )
    noisy = [
        call("bash", f"1 failed in {dice.uniform(0.2, 0.9):.2f}s at 12:00:{at:02}", command="pytest -q")
        for at in many
    ]
    excuses = [Turn(_apology(dice), user="Please continue.") for _ in many]
    plan = [Turn("I will read the file first.", user="Continue.") for _ in many]
    tools = [call(f"look_{n}", f"seen {n}", "Let me look again.") for n in range(5)]
    irregular = [turn for _ in range(12) for turn in dice.sample(tools, k=5)]
    timed = [
        turn._replace(
            calls=tuple(did._replace(result=f"{did.result} in {dice.random():.4f}s") for did in turn.calls)
        )
        for turn in irregular
    ]
    both = [Turn("", (Did("a", {"x": n % 2}, "1"), Did("b", {}, "2"))[:: 1 if n % 2 else -1]) for n in many]
    both = [turn._replace(calls=tuple(did._replace(arguments={}) for did in turn.calls)) for turn in both]
    made = {
        "same call": (same, "repeat", repeats),
        "same call, written otherwise": (reordered, "repeat", repeats),
        "same calls in parallel": (both, "repeat", repeats),
        "ping-pong": (list(pair) * 30, "pingpong", 2 * repeats),
        "cycle of three that fails": (list(failing) * 20, "pingpong", 3 * repeats),
        "same failure, another duration": (noisy, "repeat", 2 * repeats),
        "same plan": (plan, "repeat", repeats),
        "nothing but excuses": (excuses, "stale", stale_turns + 1),
        "around without order": (irregular, "stale", stale_turns + len(tools)),
        "around, each time it takes another while": (timed, "stale", 2 * stale_turns + len(tools)),
    }
    return {
        name: Runaway(len(start), start + turns, rule, stopped)
        for name, (turns, rule, stopped) in made.items()
    }
