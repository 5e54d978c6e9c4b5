"""``route explain``: what it says is what a worker decides, and what was decided is shown again."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from auto_serving import AGREED, MID, MODELS, PROMPTS, STRONG, SWIFT, config, explained, learn, script
from click.testing import CliRunner, Result
from deciding import told
from doorway import Door

from tokenworks.cli import main as program
from tokenworks.config.load import load
from tokenworks.gateway.auto import Auto
from tokenworks.ledger import decided
from tokenworks.ledger.record import Record
from tokenworks.ledger.store import Store, open_store
from tokenworks.providers.scripted import running
from tokenworks.routing import decision
from tokenworks.routing.difficulty import Difficulty
from tokenworks.routing.learner import Learner
from tokenworks.routing.rules import Rules
from tokenworks.routing.task import TASKS

RULE = """
[routing.auto]
explore = 0.0
[[route]]
name = "prose is easy"
when = { task = "translation" }
use = { models = ["beta/*", "gamma/*"], quality = 0.5 }
[[route]]
name = "of the batch"
when = { app = "batch*" }
use = { models = ["alpha/swift-32b"] }
"""
# None of these can be asked while nothing is explained: nobody serves there.
NOWHERE = "http://127.0.0.1:9/v1"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "tokenworks.toml").write_text(config(NOWHERE, RULE))
    (tmp_path / "pepper").write_bytes(b"p" * 32)
    (tmp_path / "pepper").chmod(0o600)
    return tmp_path


def run(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(program, ["--home", str(home), "route", "explain", *arguments])


def opened(home: Path) -> Store:
    store = open_store(f"sqlite:///{home / 'tokenworks.db'}")
    store.migrate()
    return store


def rights(told: dict[str, Any]) -> dict[str, float]:
    return {each["model"]: each["right"] for each in told["candidates"]}


def test_it_needs_no_server_and_asks_nobody(home: Path) -> None:
    shown = run(home, PROMPTS[AGREED])
    assert shown.exit_code == 0, shown.output
    assert "task      knowledge" in shown.stdout and f"{STRONG} (strong)" in shown.stdout
    found = explained(home, PROMPTS[AGREED])
    assert [each["model"] for each in found["candidates"]] == list(MODELS)
    assert found["rule"] == "" and found["steps"] == [] and found["asks"]
    costs = [each["cost_usd"] for each in found["candidates"]]
    assert 0 < costs[0] < costs[1] < costs[2]
    with closing(opened(home)) as store:
        assert store.latest_decisions(1) == []


def test_wishes_are_heard(home: Path) -> None:
    cheap = explained(home, "--quality", "0", PROMPTS[AGREED])
    assert (cheap["path"], cheap["asks"], cheap["quality"]) == ("direct", [SWIFT], 0.0)
    only = explained(home, "--model", "gamma/*", PROMPTS[AGREED])
    assert (only["path"], only["asks"]) == ("strong", [STRONG])
    most = cheap["candidates"][1]["cost_usd"]
    capped = explained(home, "--max-cost", f"{most:.9f}", PROMPTS[AGREED])
    assert capped["max_cost_usd"] == pytest.approx(most) and capped["expected_cost_usd"] <= most + 1e-9
    assert "at most $" in run(home, "--max-cost", "0.5", "hi").stdout
    assert explained(home, "--stdin", stdin=PROMPTS[AGREED]) == explained(home, PROMPTS[AGREED])


def test_a_rule_that_fires_is_named(home: Path) -> None:
    found = explained(home, "Translate to German: good morning")
    assert (found["task"], found["rule"], found["quality"]) == ("translation", "prose is easy", 0.5)
    assert {each["model"] for each in found["candidates"]} == {MID, STRONG}
    assert "rule      prose is easy" in run(home, "--task", "translation", "hi").stdout
    assert explained(home, "--task", "code", "Translate to German: good morning")["rule"] == ""
    batch = explained(home, "--app", "batch-7", "Prove it.")
    assert (batch["rule"], batch["path"], batch["asks"]) == ("of the batch", "rule", [SWIFT])


def test_what_was_learnt_counts(home: Path) -> None:
    before = rights(explained(home, PROMPTS[AGREED]))
    with closing(opened(home)) as store:
        learn(store, "knowledge", SWIFT, 1.0, 200)
    after = rights(explained(home, PROMPTS[AGREED]))
    assert after[SWIFT] > before[SWIFT] + 0.1
    assert rights(explained(home, "--task", "code", PROMPTS[AGREED]))[SWIFT] < after[SWIFT]


async def test_a_worker_decides_the_same(home: Path) -> None:
    """Also with something learnt: the decision that is kept and the one that was foretold are one."""
    with closing(opened(home)) as store:
        learn(store, "knowledge", SWIFT, 0.2, 30)
    asked = [
        ((), {}, PROMPTS[AGREED]),
        (("--quality", "0.6"), {"quality": 0.6}, "Prove that there are infinitely many primes."),
        (("--max-cost", "0.001"), {"max_cost": 0.001}, "Write a poem about the sea."),
        ((), {}, "Translate to German: good morning"),
    ]
    foretold = [await asyncio.to_thread(explained, home, *opts, text) for opts, _, text in asked]
    settings = load(home)
    with running(script()) as upstream:
        acme = msgspec.structs.replace(settings.providers["acme"], base_url=upstream.base_url)
        door = Door(home, {"acme": acme})
        learner = Learner(door.store)
        learner.look(time.time_ns() // 1000)
        door.gateway.choose_by(
            Auto(
                settings.routing.auto,
                Rules(settings.routes, TASKS),
                door.catalog,
                door.health,
                door.gateway.affinity,
                Difficulty.load(),
                learner,
                asyncio.get_running_loop().time,
            )
        )
        await door.open()
        try:
            for told, (_, wishes, text) in zip(foretold, asked, strict=True):
                body = {"model": "tokenworks/auto", "messages": [{"role": "user", "content": text}]}
                answer = await door.post({**body, **wishes})
                assert answer.status_code == 200, answer.text
                door.records()
                row = door.store.decision(answer.headers["x-generation-id"])
                assert row is not None
                kept = msgspec.to_builtins(decision.read(row.detail))
                for name in ("task", "path", "why", "expected_right", "task_share", "known", "candidates"):
                    given = told[name]
                    if name == "candidates":  # what says nothing is left out of what is kept
                        given = [{k: v for k, v in each.items() if k in kept[name][0]} for each in given]
                        kept[name] = [{**dict.fromkeys(given[0], 0.0), **each} for each in kept[name]]
                    assert kept[name] == given, name
                assert kept.get("rule", "") == told["rule"]
                assert [step["model"] for step in kept["steps"]] == told["asks"][: len(kept["steps"])]
        finally:
            await door.close()


def test_a_decision_that_was_made_is_shown(home: Path) -> None:
    story = decision.Decision(
        *("code", "cascade", STRONG, "two agree"),
        (decision.Candidate(SWIFT, 0.6, 0.0001, 4.0, 1.0), decision.Candidate(STRONG, 0.9, 0.01)),
        (
            decision.Step(SWIFT, "gen-1-a", "doubted", 0.0002, 0.6, ("refusal",), None, "it declines"),
            decision.Step(STRONG, "gen-1-b", "served", 0.01, agrees=0.25),
        ),
        served=STRONG,
    )
    made = told(detail=decision.encode(story), cost_nano_usd=10_200_000, baseline_nano_usd=30_000_000)
    old = told(detail=b"of a version before")
    with closing(opened(home)) as store:
        records = [
            Record(name, 1_000_000, model=STRONG, decision=decided.encode(each))
            for name, each in (("gen-1-b", made), ("gen-1-c", old))
        ]
        store.append("w", 1, records)
    found = explained(home, "--id", "gen-1-b")
    assert (found["id"], found["path"], found["why"]) == ("gen-1-b", "cascade", "two agree")
    assert (found["cost_usd"], found["always_strong_usd"], found["saved_usd"]) == (0.0102, 0.03, 0.0198)
    assert [step["outcome"] for step in found["steps"]] == ["doubted", "served"]
    shown = run(home, "--id", "gen-1-b").stdout
    assert "it declines" in shown and "refusal" in shown and "saved $0.019800" in shown
    assert explained(home, "--id", "gen-1-c")["task"] == "code"  # told in another way: what columns say
    assert run(home, "--id", "gen-1-c").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "give one of PROMPT, --stdin and --id"),
        (("hi", "--stdin"), "give one of PROMPT, --stdin and --id"),
        (("--id", "gen-1", "--quality", "1"), "no other wishes"),
        (("--id", "gen-1"), "no decision is kept of gen-1"),
        (("--task", "cooking", "hi"), "there are agent, chat"),
        (("--quality", "2", "hi"), "0<=x<=1"),
        (("--model", "nobody/*", "hi"), "check allowed_models"),
    ],
)
def test_mistakes_are_told(home: Path, arguments: tuple[str, ...], words: str) -> None:
    failed = run(home, *arguments)
    assert failed.exit_code != 0
    assert words in failed.output


def test_auto_that_is_off_is_told(home: Path) -> None:
    (home / "tokenworks.toml").write_text(config(NOWHERE, "[routing.auto]\nenabled = false\n"))
    assert "enabled = false" in run(home, "hi").output


def test_json_is_one_line(home: Path) -> None:
    (line,) = run(home, "--json", "hi").stdout.splitlines()
    assert json.loads(line)["input_tokens"] > 0
