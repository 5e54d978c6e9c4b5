"""Requests for ``auto`` as callers see them: names, knobs, rules, rights, and what stands in the way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from choosing_models import (
    CHEAP,
    CHEAP_NANO,
    OTHER,
    PARIS,
    RIGHTS,
    STRONG,
    STRONG_NANO,
    THREE,
    Fixed,
    ask,
    auto_door,
    decision,
    decisions,
    model,
    route,
    says,
    settled,
)
from doorway import Door
from limiting import limit, rule, subscribe

from tokenworks.config.auto import KeyRouting
from tokenworks.config.settings import EngineSettings, RoutingSettings
from tokenworks.gateway.auto import NAMES, _expected_of, _left_usd, _schema
from tokenworks.gateway.roster import MOST
from tokenworks.plans.spec import ModelClass, PlanSpec, PlanWindow
from tokenworks.providers.scripted import Fault
from tokenworks.routing.need import Need
from tokenworks.wire.peek import peek

TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {}}}]


async def until(condition: Callable[[], Any], timeout_s: float = 5.0) -> None:
    for _ in range(int(timeout_s / 0.005)):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came")


async def models_asked(door: Door, upstream: Any, body: dict[str, Any], **more: Any) -> list[str]:
    """Slugs of the models that this request made the gateway ask."""
    before = len(upstream.requests)
    answer = await door.post(body, **more)
    assert answer.status_code == 200, answer.text
    return [each.body["model"] for each in upstream.requests[before:]]


# --- names ------------------------------------------------------------------------------------------


async def test_every_name_and_suffix(tmp_path: Path) -> None:
    free = model("delta/free", 0.0, 0.0)
    async with auto_door(tmp_path, models=(*THREE, free)) as (door, upstream):
        for name in ("auto", "tokenworks/auto", "openrouter/auto", "auto:nitro", "tokenworks/auto:online"):
            asked = await models_asked(door, upstream, ask() | {"model": name})
            assert asked[0] in ("cheap", "free"), name
        assert await models_asked(door, upstream, ask() | {"model": "openrouter/auto:free"}) == ["free"]
        answer = await door.post(ask() | {"model": "auto:7b"})
        assert answer.status_code == 400 and "unknown model" in answer.text
        assert len(NAMES) == 24


async def test_a_preset_may_name_it_or_be_named_with_it(tmp_path: Path) -> None:
    presets = {"x": {"model": "auto", "quality": 0.5}, "y": {"temperature": 0.1, "strong": OTHER}}
    async with auto_door(tmp_path, more={"presets": presets}) as (door, upstream):
        assert (await door.post(ask() | {"model": "@preset/x"})).status_code == 200
        assert decisions(door)[-1][1].quality == 0.5
        assert (await door.post(ask() | {"model": "auto@preset/y"})).status_code == 200
        assert decisions(door)[-1][0].strong == OTHER
        assert upstream.requests[-1].body["temperature"] == 0.1 and "strong" not in upstream.requests[-1].body


async def test_without_it_the_name_is_unknown(tmp_path: Path) -> None:
    async with auto_door(tmp_path) as (door, _):
        door.gateway.auto = None
        assert (await door.post(ask())).status_code == 400


# --- knobs ------------------------------------------------------------------------------------------


async def test_who_has_the_last_word(tmp_path: Path) -> None:
    async with auto_door(tmp_path, quality=0.9) as (door, _):

        async def quality(body: dict[str, Any], **more: Any) -> float:
            assert (await door.post(body, **more)).status_code == 200
            return decisions(door)[-1][1].quality

        headers = {"x-tokenworks-quality": "0.7"}
        assert await quality(ask()) == 0.9
        assert await quality(ask(), headers=headers) == 0.7
        assert await quality(ask(quality=0.6), headers=headers) == 0.6
        rule(door.store, door.key_id, routing=KeyRouting(quality=0.8))
        door.book.reload_if_changed()
        door.limits.keys_changed()
        assert await quality(ask()) == 0.8
        assert await quality(ask(), headers=headers) == 0.7
        assert (await door.post(ask(quality=2))).status_code == 400


async def test_plugins_narrow_the_choice(tmp_path: Path) -> None:
    async with auto_door(tmp_path) as (door, upstream):
        plugin = {"id": "auto-router", "allowed_models": ["beta/*", "gamma/*"]}
        assert "cheap" not in await models_asked(door, upstream, ask(plugins=[plugin]))
        plugin = {"id": "auto-router", "excluded_models": ["*"]}
        answer = await door.post(ask(plugins=[plugin]))
        assert answer.status_code == 400 and "no model is left" in answer.text


async def test_a_cap_on_cost(tmp_path: Path) -> None:
    async with auto_door(tmp_path) as (door, upstream):
        assert await models_asked(door, upstream, ask(max_cost=0.00001)) == ["cheap"]
        _, told = decision(door)
        assert told.max_cost_usd == 0.00001


async def test_the_callers_own_models_stand_in(tmp_path: Path) -> None:
    async with auto_door(tmp_path, says(OTHER, fault=Fault("status"))) as (door, upstream):
        plugin = {"id": "auto-router", "allowed_models": ["beta/*"]}
        body = ask(plugins=[plugin], models=[CHEAP], fallbacks=[{"model": STRONG}], cascade=False)
        assert await models_asked(door, upstream, body) == ["other", "cheap"]
        row, told = decision(door)
        assert (row.model, told.served, row.cost_nano_usd) == (CHEAP, CHEAP, CHEAP_NANO)


async def test_wishes_for_providers(tmp_path: Path) -> None:
    async with auto_door(tmp_path) as (door, upstream):
        assert await models_asked(door, upstream, ask(provider={"max_price": {"prompt": 0.1}})) == ["cheap"]
        answer = await door.post(ask(provider={"only": ["nobody"]}))
        assert answer.status_code == 400 and "only" in answer.text


# --- what can't be held back ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "more", [{"stream": True}, {"tools": TOOLS}, {"n": 2}, {"cascade": False}, {"modalities": ["text"]}]
)
async def test_is_asked_once(tmp_path: Path, more: dict[str, Any]) -> None:
    async with auto_door(tmp_path, quality=0.6) as (door, upstream):
        answer = await door.post(ask(**more))
        assert answer.status_code == 200
        (record,) = settled(door, "ok")
        row, told = decision(door)
        assert len(upstream.requests) == 1 and row.id == record.id == answer.headers["x-generation-id"]
        assert told.path == "direct" and row.cost_nano_usd == record.cost_nano_usd
        assert f"models={record.model};" in answer.headers["x-tokenworks-decision"]


@pytest.mark.parametrize("more", [{"n": 1}, {"tools": []}, {"tools": None}, {"n": None}])
async def test_what_says_nothing_keeps_nothing_from_being_held_back(
    tmp_path: Path, more: dict[str, Any]
) -> None:
    async with auto_door(tmp_path) as (door, upstream):
        assert len(await models_asked(door, upstream, ask(**more))) == 2


async def test_a_legacy_completion(tmp_path: Path) -> None:
    async with auto_door(tmp_path, quality=0.6) as (door, upstream):
        answer = await door.client.post("/v1/completions", json={"model": "auto", "prompt": "Once upon"})
        assert answer.status_code == 200, answer.text
        assert len(upstream.requests) == 1 and decision(door)[1].path == "direct"


async def test_saved_is_told_to_the_nano_dollar(tmp_path: Path) -> None:
    async with auto_door(tmp_path, quality=0.6) as (door, _):
        for _ in range(3):
            await door.post(ask(stream=True))
        (sums,) = (door.records() and door.store.savings(None)) or ()
        assert (sums.requests, sums.cost_nano_usd) == (3, sum(r.cost_nano_usd for r in door.records()))
        assert sums.baseline_nano_usd == 3 * STRONG_NANO


async def test_nothing_to_embed(tmp_path: Path) -> None:
    async with auto_door(tmp_path) as (door, _):
        answer = await door.client.post("/v1/embeddings", json={"model": "auto", "input": "x"})
        assert answer.status_code == 400 and "auto" in answer.text


async def test_a_broken_stream(tmp_path: Path) -> None:
    cut = says(OTHER, PARIS, fault=Fault("early_close", after_chunk=3))
    async with auto_door(tmp_path, cut, quality=0.66, models=THREE[1:]) as (door, _):
        answer = await door.post(ask(stream=True))
        assert answer.status_code == 200 and '"error"' in answer.text
        (record,) = settled(door, "upstream_error")
        row, told = decision(door)
        assert (row.cost_nano_usd, row.baseline_nano_usd) == (record.cost_nano_usd, 0)
        assert told.served == ""


async def test_hedged(tmp_path: Path) -> None:
    slow = says(CHEAP, PARIS, first_byte_delay_s=0.05)
    more = {"routing": RoutingSettings(hedge_percentile=50.0)}
    async with auto_door(tmp_path, slow, quality=0.6, more=more) as (door, _):
        assert (await door.post(ask(stream=True))).status_code == 200
        settled(door, "ok")
        decision(door)


# --- rights -----------------------------------------------------------------------------------------


async def changed(door: Door) -> None:
    if door.book.reload_if_changed():
        door.limits.keys_changed()
    door.limits.reload_if_changed()


async def test_rules_of_the_key(tmp_path: Path) -> None:
    async with auto_door(tmp_path) as (door, upstream):
        rule(door.store, door.key_id, models=("beta/*", "gamma/*"))
        await changed(door)
        assert "cheap" not in await models_asked(door, upstream, ask())
        assert {each.model for each in decision(door)[1].candidates} == {OTHER, STRONG}
        rule(door.store, door.key_id, models=("nothing/*",))
        await changed(door)
        assert (await door.post(ask())).status_code == 400


async def test_what_the_plan_does_not_include_is_not_chosen(tmp_path: Path) -> None:
    async with auto_door(tmp_path) as (door, upstream):
        for used_up, included in (("stop", True), ("pay_as_you_go", False)):
            classes = (ModelClass("some", ("beta/*",), request=1.0),)
            spec = PlanSpec("p", windows=(PlanWindow(1000.0, "hour"),), classes=classes, used_up=used_up)
            subscribe(door.store, door.key_id, spec)
            await changed(door)
            asked = await models_asked(door, upstream, ask())
            assert (asked == ["other"]) == included


async def test_without_a_key_only_what_runs_here(tmp_path: Path) -> None:
    async with auto_door(tmp_path) as (door, upstream):
        del door.client.headers["authorization"]
        answer = await door.post(ask())
        assert answer.status_code == 401 and "models run here" in answer.text
        assert upstream.requests == []
    engines = {"tiny": EngineSettings(model="local/tiny", path=str(tmp_path / "tiny.gguf"))}
    async with auto_door(tmp_path / "2", more={"engines": engines}) as (door, upstream):
        del door.client.headers["authorization"]
        task = asyncio.create_task(door.post(ask()))
        await until(lambda: door.asked == ["tiny"])
        task.cancel()
        await until(lambda: door.gateway.inflight.count() == 0)
        settled(door, "client_gone")
        assert [each.model for each in decision(door)[1].candidates] == ["local/tiny"]


async def test_what_is_left_of_the_budget(tmp_path: Path) -> None:
    async with auto_door(tmp_path) as (door, _):
        assert _left_usd(None) is None
        limit(door.store, door.key_id, "usd", 0.01)
        limit(door.store, door.key_id, "usd", 5)
        await changed(door)
        key = door.book.named(door.key_id)
        assert key is not None
        assert _left_usd(door.limits.of(key)) == pytest.approx(0.01)


async def test_a_slowed_key_waits_once_and_is_cut_like_any_other(tmp_path: Path) -> None:
    """What is reserved when it goes on is reserved for the model that was chosen meanwhile."""
    async with auto_door(tmp_path, quality=0.6) as (door, upstream):
        rule(door.store, door.key_id, max_output_tokens=60)
        await changed(door)
        slowed = iter([0.02])
        door.gateway.guard.slowed = lambda *_: next(slowed)  # type: ignore[method-assign]
        assert await models_asked(door, upstream, ask(cascade=False, max_tokens=500))
        sent = upstream.requests[-1].body
        assert min(sent.get("max_tokens", 500), sent.get("max_completion_tokens", 500)) <= 60
        settled(door, "ok")


# --- health, and models that can't ----------------------------------------------------------------


async def test_all_models_are_down(tmp_path: Path) -> None:
    async with auto_door(tmp_path) as (door, upstream):
        assert door.gateway.auto is not None
        roster, down = door.gateway.auto.roster, {CHEAP}
        roster._down = lambda endpoint, now: endpoint.model in down  # type: ignore[method-assign]
        assert "cheap" not in await models_asked(door, upstream, ask())
        down |= {OTHER, STRONG}
        # The last ones are asked all the same.
        assert await models_asked(door, upstream, ask()) == ["cheap", "other"]


async def test_one_model_alone(tmp_path: Path) -> None:
    async with auto_door(tmp_path, models=THREE[2:], explore=0.15, shadow=1.0) as (door, upstream):
        assert await models_asked(door, upstream, ask()) == ["strong"]
        row, told = decision(door)
        assert (told.path, row.propensity, row.cost_nano_usd) == ("strong", 1.0, row.baseline_nano_usd)


async def test_prices_that_nobody_knows(tmp_path: Path) -> None:
    unknown = model("beta/other", 0.0).__class__(id="beta/other", upstream_id="other", context_length=131072)
    async with auto_door(tmp_path, models=(THREE[0], unknown, THREE[2])) as (door, _):
        assert (await door.post(ask())).status_code == 200
        assert decision(door)[0].baseline_nano_usd == STRONG_NANO


async def test_a_request_too_long_for_all(tmp_path: Path) -> None:
    small = [model(each.id, each.input_mtok or 0.1, context_length=1000) for each in THREE]
    async with auto_door(tmp_path, models=small) as (door, upstream):
        answer = await door.post(ask("word " * 20_000))
        assert answer.status_code == 400 and "context" in answer.text and upstream.requests == []
        assert decisions(door) == []


async def test_models_off_the_short_list_are_found_where_they_are_needed(tmp_path: Path) -> None:
    many = [model(f"m/{n:02}", 0.01 * (n + 1), context_length=8000) for n in range(40)]
    long = model("odd/long", 9.0, context_length=200_000)
    rights = {each.id: 0.5 + n / 100 for n, each in enumerate(many)} | {"odd/long": 0.1}
    routes = (route({"models": ("odd/*",)}, app=("odd",)),)
    async with auto_door(tmp_path, models=(*many, long), rights=rights, routes=routes) as (door, upstream):
        assert await models_asked(door, upstream, ask("word " * 20_000)) == ["long"]
        assert "long" not in await models_asked(door, upstream, ask())
        assert await models_asked(door, upstream, ask(), headers={"x-title": "odd"}) == ["long"]


async def test_as_many_candidates_as_there_may_be_fit_into_one_record(tmp_path: Path) -> None:
    many = [model(f"author{n:02}/a-model-with-quite-a-long-name-{n:02}", 0.01 * (n + 1)) for n in range(40)]
    rights = {each.id: 0.5 + n / 100 for n, each in enumerate(many)}
    async with auto_door(tmp_path, models=many, rights=rights, explore=0.1) as (door, _):
        assert (await door.post(ask())).status_code == 200
        row, told = decision(door)
        assert len(told.candidates) == MOST and len(row.detail) < 8000
        assert sum(each.propensity for each in told.candidates) == pytest.approx(1.0, abs=1e-12)
        first = next(each for each in told.candidates if each.model == told.steps[0].model)
        assert row.propensity == first.propensity > 0  # whether it was the best or one to learn of


async def test_a_long_history(tmp_path: Path) -> None:
    messages: list[Any] = []
    for number in range(400):
        call = {"id": f"c{number}", "type": "function", "function": {"name": "sh"}}
        call["function"] |= {"arguments": json.dumps({"command": f"ls {number}"})}  # type: ignore[operator]
        messages += [{"role": "user", "content": "go on"}] if number % 20 == 0 else []
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        messages.append({"role": "tool", "tool_call_id": f"c{number}", "content": "ok " * 300})
    async with auto_door(tmp_path) as (door, _):
        answer = await door.post({"model": "auto", "messages": messages, "tools": TOOLS})
        assert answer.status_code == 200
        _, told = decision(door)
        assert told.path == "stage" and told.served != STRONG


# --- the operator's rules ---------------------------------------------------------------------------


async def test_rules_choose_before_anything_else(tmp_path: Path) -> None:
    routes = (
        route({"models": (OTHER,)}, "german", language=("de",)),
        route({"models": (CHEAP,)}, "by app", app=("batch*",)),
        route({"quality": 0.5}, "by task", task=("knowledge",), tools=True),
        route({"models": (STRONG,)}, "renamed", model=("beta/*",)),
    )
    async with auto_door(tmp_path, routes=routes) as (door, upstream):
        german = "Bitte sag mir doch, was die Hauptstadt von Frankreich ist und wie sie auf den Karten liegt."
        assert await models_asked(door, upstream, ask(german)) == ["other"]
        assert decisions(door)[-1][1].rule == "german"
        assert await models_asked(door, upstream, ask(), headers={"x-title": "batch 7"}) == ["cheap"]
        assert (decisions(door)[-1][0].path, decisions(door)[-1][0].baseline_nano_usd) == ("rule", CHEAP_NANO)
        await models_asked(door, upstream, ask(tools=TOOLS))
        assert (decisions(door)[-1][1].rule, decisions(door)[-1][1].quality) == ("by task", 0.5)
        named = ask() | {"model": OTHER, "models": [CHEAP]}
        assert await models_asked(door, upstream, named) == ["strong"]
        assert decisions(door)[-1][1].rule == "renamed"


async def test_named_models_cost_no_look(tmp_path: Path) -> None:
    routes = (route({"models": (STRONG,)}, "renamed", model=("beta/*",)),)
    async with auto_door(tmp_path, routes=routes) as (door, upstream):
        assert door.gateway.auto is not None and door.gateway.rewrites
        fixed: Any = door.gateway.auto.weigher.difficulty
        assert isinstance(fixed, Fixed)
        before = fixed.looks
        assert await models_asked(door, upstream, ask() | {"model": CHEAP}) == ["cheap"]
        assert fixed.looks == before and decisions(door) == []


async def test_a_rule_for_a_model_that_is_not_there(tmp_path: Path) -> None:
    async with auto_door(tmp_path, routes=(route({"models": ("no/such",)}),)) as (door, _):
        answer = await door.post(ask())
        assert answer.status_code == 400 and "no/such" in answer.text


# --- exploration ------------------------------------------------------------------------------------


async def test_what_is_explored_is_logged(tmp_path: Path) -> None:
    rights = {**RIGHTS, CHEAP: 0.9, OTHER: 0.9}
    async with auto_door(tmp_path, rights=rights, quality=0.6, explore=0.15) as (door, upstream):
        assert door.gateway.auto is not None
        taken = {}
        for uniform in (0.5, 0.9999):
            door.gateway.auto.draw = lambda value=uniform: value  # type: ignore[misc]
            taken[uniform] = (await models_asked(door, upstream, ask(cascade=False)))[0]
        assert taken[0.5] != taken[0.9999]
        (row, told), (odd, story) = decisions(door)
        assert (told.explored, story.explored) == (False, True) and "learn" in story.why
        assert row.propensity + odd.propensity == pytest.approx(1.0, abs=1e-12)
        assert 0.85 <= row.propensity < 1


# --- what is expected of an answer ---------------------------------------------------------------


def expected(**fields: Any) -> tuple[Any, bool]:
    found = _expected_of(peek(json.dumps(fields).encode()), Need(1, 0.0, lambda: 0.5, 7), "math", "?")
    assert (found.task, found.prompt, found.max_output_tokens) == ("math", "?", 7)
    return found.schema, found.json


SCHEMA = {"type": "object"}


def test_json_and_schemas_on_each_wire() -> None:
    assert expected() == (None, False)
    assert expected(response_format={"type": "json_object"}) == (None, True)
    assert expected(response_format={"type": "text"}) == (None, False)
    held = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
    assert expected(response_format=held) == (SCHEMA, True)
    flat = {"format": {"type": "json_schema", "name": "x", "schema": SCHEMA}}
    assert expected(text=flat) == (SCHEMA, True)


NONSENSE = ["x", 1, None, [], {}, {"format": 1}, {"type": "json_schema", "json_schema": 3}]


@pytest.mark.parametrize("given", NONSENSE)
def test_formats_that_make_no_sense_expect_nothing(given: Any) -> None:
    assert _schema(given)[0] is None
    assert expected(response_format=given)[0] is None
