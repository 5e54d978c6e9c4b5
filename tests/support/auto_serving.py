"""Three models that ``auto`` chooses among, the provider that plays them, and how they are asked."""

from __future__ import annotations

import functools
import json
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from click.testing import CliRunner
from deciding import told
from serving import Server
from turns import WIRES

from tokenworks.cli import main as program
from tokenworks.ledger import decided
from tokenworks.ledger.decided import Outcome
from tokenworks.ledger.record import Record
from tokenworks.ledger.store import Store
from tokenworks.providers.scripted import Reply, Script, ThreadedProvider, Tokens, When
from tokenworks.schema import NANO_USD

SWIFT, MID, STRONG = MODELS = ("alpha/swift-32b", "beta/mid-70b", "gamma/strong-opus")
PRICES = {SWIFT: (0.05, 0.2), MID: (0.3, 1.2), STRONG: (5.0, 25.0)}  # $ per million tokens, in and out

_PROVIDER = """
[providers.acme]
wire = "openai_chat"
base_url = "{base_url}"
api_key = "sk-upstream"
allow_private = true
"""
_MODEL = """
[[providers.acme.models]]
id = "{model}"
upstream_id = "{name}"
context_length = 131072
input_mtok = {price[0]}
output_mtok = {price[1]}
"""

# What prompts are known by, with the tokens that all models use for it: so the strong one by name costs
# exactly what is worked out for it.
AGREED, DECLINED, SPLIT = "capital", "legs", "river"
USAGES = {AGREED: Tokens(9, output_tokens=50), DECLINED: Tokens(16, output_tokens=70)}
USAGES[SPLIT] = Tokens(11, output_tokens=41)
PROMPTS = {
    AGREED: "What is the capital of France?",
    DECLINED: "How many legs do 7 spiders and 3 dogs have together?",
    SPLIT: "Which is the longest river of the world?",
}
_SAYS = {  # swift, mid, strong
    AGREED: ("The answer is Paris.", "The answer is Paris", "Paris."),
    DECLINED: (
        "I'm sorry, I can't help with that.",
        "I'm sorry, I can't help with that.",
        "The answer is 68.",
    ),
    SPLIT: ("The answer is the Nile.", "The answer is the Amazon.", "The answer is the Nile."),
}


def upstream_id(model: str) -> str:
    """What the provider calls it."""
    return model.partition("/")[2]


def config(base_url: str, more: str = "") -> str:
    """A ``tokenworks.toml`` with the three models; ``more`` is put before them."""
    models = [_MODEL.format(model=m, name=upstream_id(m), price=PRICES[m]) for m in MODELS]
    return more + _PROVIDER.format(base_url=base_url) + "".join(models)


def script(*first: Reply) -> Script:
    """Plays them; ``first`` goes before everything else."""
    replies = [
        Reply(when=When(model=upstream_id(model), says=word), text=texts[at], usage=USAGES[word])
        for word, texts in _SAYS.items()
        for at, model in enumerate(MODELS)
    ]
    return Script(reply=(*first, *replies))


def explained(home: Path, *arguments: str, stdin: str = "") -> dict[str, Any]:
    """What ``tokenworks route explain --json`` says."""
    done = CliRunner().invoke(
        program, ["--home", str(home), "route", "explain", "--json", *arguments], input=stdin
    )
    assert done.exit_code == 0, f"{done.output}{done.exception!r}"
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def learn(store: Store, task: str, model: str, right: float, times: int) -> None:
    """Let ``store`` hold so many verdicts on ``model`` of today."""
    now_us = time.time_ns() // 1000
    made = decided.encode(told(task=task, calls=(), outcomes=(Outcome(model, right, 1.0),)))
    ids = [f"gen-{now_us // 1_000_000}-{model.rpartition('/')[2]}{number:x}" for number in range(times)]
    store.append(f"learnt-{task}-{model}", 1, [Record(name, now_us, decision=made) for name in ids])


def cascade_quality(home: Path, prompt: str, *options: str) -> tuple[float, dict[str, Any]]:
    """The highest quality at which ``prompt`` makes a cascade, and what is explained of it.

    Which one that is, and of which models, depends on the weights that are shipped; that there is one does
    not.
    """
    for percent in (98, 95, 90, 80, 70, 60, 50, 40, 30, 20):
        found = explained(home, "--quality", str(percent / 100), *options, prompt)
        if found["path"] == "cascade":
            assert len(found["asks"]) > 1 and found["asks"][-1] == STRONG
            return percent / 100, found
    raise AssertionError(f"no quality makes a cascade of {prompt!r}")


# --- a server, and what it is asked -----------------------------------------------------------------

PATHS = dict(zip(WIRES, ("/v1/chat/completions", "/v1/messages", "/v1/responses"), strict=True))
CHAT, MESSAGES, RESPONSES = WIRES
# Its trust roots would take a client longer to read than most of these requests take.
post, get = (functools.partial(each, verify=False) for each in (httpx.post, httpx.get))


class House(NamedTuple):
    """A server with two workers. ``foretold`` has, by prompt, a quality at which all may be asked for it,
    and what was explained of that before the server started."""

    server: Server
    upstream: ThreadedProvider
    store: Store
    keys: dict[str, tuple[str, str]]
    foretold: dict[str, tuple[float, dict[str, Any]]]

    def quality(self, word: str) -> float:
        """At which a prompt makes a cascade."""
        return self.foretold[word][0]

    def headers(self, key: str = "test", app: str = "") -> dict[str, str]:
        """Those of a key and an application."""
        return {"authorization": f"Bearer {self.keys[key][1]}", **({"x-title": app} if app else {})}


class Told(NamedTuple):
    """An answer as its caller sees it."""

    id: str
    model: str
    text: str
    cost_usd: float
    header: dict[str, str]


def body_of(wire: str, prompt: str, **more: Any) -> dict[str, Any]:
    """A request for auto."""
    if wire == RESPONSES:
        return {"model": "auto", "input": prompt, **more}
    limit = {"max_tokens": 1000} if wire == MESSAGES else {}
    return {"model": "auto", "messages": [{"role": "user", "content": prompt}], **limit, **more}


def send(
    house: House,
    body: dict[str, Any],
    wire: str = CHAT,
    key: str = "test",
    app: str = "",
    cached: bool = False,
) -> httpx.Response:
    """On a connection of its own, so that any worker may get it."""
    headers = house.headers(key, app) | ({"x-openrouter-cache": "true"} if cached else {})
    answer = post(house.server.url + PATHS[wire], json=body, headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer


def ask(house: House, prompt: str, wire: str = CHAT, key: str = "test", app: str = "", **more: Any) -> Told:
    """``prompt`` asked of auto; ``more`` are fields of the request."""
    if more.get("stream") and wire == CHAT:
        more["stream_options"] = {"include_usage": True}
    answer = send(house, body_of(wire, prompt, **more), wire, key, app)
    model, text, cost_usd = (_of_stream if more.get("stream") else _of_whole)(wire, answer.text)
    return Told(answer.headers["x-generation-id"], model, text, cost_usd, told_by(answer))


def told_by(answer: httpx.Response) -> dict[str, str]:
    """What the header of the decision says, by name; a path of "" where there was none."""
    path, *fields = answer.headers.get("x-tokenworks-decision", "").split("; ", 6)
    return {"path": path, **dict(field.split("=", 1) for field in fields)}


def _of_whole(wire: str, text: str) -> tuple[str, str, float]:
    body = json.loads(text)
    said = {
        CHAT: lambda: body["choices"][0]["message"]["content"],
        MESSAGES: lambda: body["content"][0]["text"],
        RESPONSES: lambda: body["output"][-1]["content"][0]["text"],
    }[wire]()
    return body["model"], said, body["usage"]["cost"]


def _of_stream(wire: str, text: str) -> tuple[str, str, float]:
    events = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    if wire == CHAT:
        assert text.endswith("data: [DONE]\n\n")
        said = "".join(e["choices"][0]["delta"].get("content") or "" for e in events if e["choices"])
        return events[0]["model"], said, events[-1]["usage"]["cost"]
    if wire == MESSAGES:
        assert events[-1]["type"] == "message_stop"
        said = "".join(e["delta"]["text"] for e in events if e["type"] == "content_block_delta")
        return events[0]["message"]["model"], said, events[-2]["usage"]["cost"]
    last = events[-1]["response"]
    return last["model"], last["output"][-1]["content"][0]["text"], last["usage"]["cost"]


def generation(house: House, name: str, key: str = "test") -> dict[str, Any]:
    """What ``GET /v1/generation`` says of an answer."""
    answer = get(
        f"{house.server.url}/v1/generation", params={"id": name}, headers=house.headers(key), timeout=10
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["data"]
    return found


def until(condition: Callable[[], bool]) -> None:
    """Until it holds, for 5 s at most."""
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def recorded(house: House, key: str) -> int:
    """Nano-dollars of all requests of the key, one by one."""
    with sqlite3.connect(house.server.home / "tokenworks.db") as store:
        rows = store.execute("SELECT cost_nano_usd FROM requests WHERE key_id = ?", (house.keys[key][0],))
        return sum(row[0] for row in rows)


def nano(usd: float) -> int:
    """In nano-dollars."""
    return round(usd * NANO_USD)
