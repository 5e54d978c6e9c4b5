"""What a caller who asks for it is told of how his request was routed, held against the contract."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from doorway import Door, provider
from forgetful_clients import CHAT, MESSAGES, PATHS, RESPONSES, asks, events
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012
from serving import chat

from tokenworks.config.settings import ProviderKey, ProviderModelSettings, ProviderSettings
from tokenworks.gateway.metadata import FIELD
from tokenworks.ledger.record import Record
from tokenworks.providers.scripted import Fault, Reply, Script, ScriptedProvider, When

Make = Callable[..., Any]
WIRES = (CHAT, MESSAGES, RESPONSES)
TOLD = {"x-openrouter-metadata": "enabled"}
CONTRACT = "urn:contract"
FAILS = Script(reply=(Reply(fault=Fault(kind="status", status=500)),))


@pytest.fixture(scope="module")
def schema(data: Path) -> Draft202012Validator:
    """What the contract says of the metadata object."""
    file = data / "openrouter-openapi.json"
    if not file.exists():
        pytest.skip("no openrouter-openapi.json in the test data")
    registry: Registry[Any] = Registry().with_resource(
        CONTRACT, DRAFT202012.create_resource(json.loads(file.read_text()))
    )
    reference = {"$ref": f"{CONTRACT}#/components/schemas/OpenRouterMetadata"}
    return Draft202012Validator(reference, registry=registry)


def at(upstream: ScriptedProvider, wire: str = CHAT, **more: Any) -> ProviderSettings:
    return provider(upstream.origin if wire == MESSAGES else upstream.base_url, wire=wire, **more)


def told_in(wire: str, answer: httpx.Response, *, stream: bool) -> Any:
    """The metadata of an answer; None where there is none."""
    assert answer.status_code == 200, answer.text
    if not stream:
        return answer.json().get(FIELD)
    found = []
    for event in events(answer):
        found += [each[FIELD] for each in (event, event.get("response", {})) if FIELD in each]
    assert len(found) <= 1, "it is told once"
    return found[0] if found else None


def settled(one: Door, n: int = 1) -> list[Record]:
    records = one.records()
    assert len(records) == n
    assert one.inflight.count() == 0
    return records


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: f"of_{wire}")
@pytest.mark.parametrize("caller", WIRES)
async def test_every_wire_tells_it_when_asked(
    door: Make, schema: Draft202012Validator, caller: str, wire: str, stream: bool
) -> None:
    async with ScriptedProvider(Script(reply=(Reply(text="fine"),))) as upstream:
        one = await door({"acme": at(upstream, wire)})
        answer = await one.client.post(PATHS[caller], json=asks(caller, stream=stream), headers=TOLD)
        told = told_in(caller, answer, stream=stream)
        schema.validate(told)
        assert told["requested"] == "acme/fast"
        assert (told["strategy"], told["attempt"], told["is_byok"]) == ("direct", 1, False)
        only = {"provider": "acme", "model": "acme/fast"}
        assert told["endpoints"] == {"total": 1, "available": [{**only, "selected": True}]}
        assert told["attempts"] == [{**only, "status": 200}]
        assert "selected=acme" in told["summary"]
        for headers in ({}, {"x-openrouter-metadata": "disabled"}, {"x-openrouter-metadata": ""}):
            answer = await one.client.post(PATHS[caller], json=asks(caller, stream=stream), headers=headers)
            assert told_in(caller, answer, stream=stream) is None
        assert FIELD not in json.dumps([each.body for each in upstream.requests])
        settled(one, 4)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("caller", WIRES)
async def test_attempts_after_a_fallback(
    door: Make, schema: Draft202012Validator, caller: str, stream: bool
) -> None:
    """A failure, nobody there, then another model answers."""
    slow = ProviderModelSettings(id="acme/slow", upstream_id="s", input_mtok=9.0, output_mtok=9.0)
    async with ScriptedProvider(FAILS) as bad, ScriptedProvider() as nobody, ScriptedProvider() as good:
        url = nobody.base_url
        await nobody.stop()
        one = await door(
            {
                "acme": at(bad),
                "gone": provider(url, input_mtok=2.0),
                "beta": at(good, models=(slow,)),
            }
        )
        wish = {"models": ["acme/none", "acme/slow"], "provider": {"sort": "price", "ignore": ["x"]}}
        body = asks(caller, stream=stream, **wish)
        answer = await one.client.post(PATHS[caller], json=body, headers=TOLD)
        told = told_in(caller, answer, stream=stream)
        schema.validate(told)
        assert [(each["provider"], each["model"], each["status"]) for each in told["attempts"]] == [
            ("acme", "acme/fast", 500),
            ("gone", "acme/fast", 0),
            ("beta", "acme/slow", 200),
        ]
        assert told["attempts"][1]["why"] == "connect"
        assert (told["strategy"], told["attempt"], told["params"]["order"]) == ("fallback", 3, "price")
        chosen = [each["provider"] for each in told["endpoints"]["available"] if each["selected"]]
        assert chosen == ["beta"]
        assert told["endpoints"]["total"] == 3
        (record,) = settled(one)
        assert record.reasons == "acme:500 gone:connect"


async def test_two_models_of_one_provider(door: Make, schema: Draft202012Validator) -> None:
    models = tuple(
        ProviderModelSettings(id=f"acme/{name}", upstream_id=name, input_mtok=1.0, output_mtok=1.0)
        for name in ("fast", "slow", "last")
    )
    script = Script(
        reply=tuple(
            Reply(when=When(model=name), fault=Fault(kind="status", status=status))
            for name, status in (("fast", 500), ("slow", 503))
        )
    )
    async with ScriptedProvider(script) as upstream:
        one = await door({"acme": at(upstream, models=models)})
        answer = await one.post(chat(models=["acme/slow", "acme/last"]), headers=TOLD)
        told = told_in(CHAT, answer, stream=False)
        schema.validate(told)
        assert [(each["model"], each["status"]) for each in told["attempts"]] == [
            ("acme/fast", 500),
            ("acme/slow", 503),
            ("acme/last", 200),
        ]
        settled(one)


async def test_several_keys_of_one_endpoint(door: Make, schema: Draft202012Validator) -> None:
    keys = tuple(ProviderKey(name, f"sk-{name}") for name in ("one", "two", "three"))
    script = "\n".join(
        f"[[reply]]\nwhen = {{ nth = 1 }}\nfault = {{ kind = 'status', status = {status} }}"
        for status in (429, 401)
    )
    async with ScriptedProvider(script) as upstream:
        one = await door({"acme": at(upstream)}, provider_keys={"acme": keys})
        told = told_in(CHAT, await one.post(chat(), headers=TOLD), stream=False)
        schema.validate(told)
        assert [(each["model"], each["status"]) for each in told["attempts"]] == [
            ("acme/fast", 429),
            ("acme/fast", 401),
            ("acme/fast", 200),
        ]
        assert settled(one)[0].attempts == 3


async def test_what_was_left_out_and_why(door: Make, schema: Draft202012Validator) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({name: at(upstream, input_mtok=float(p)) for p, name in enumerate("abc", 1)})
        wish = {"max_price": {"prompt": 2}, "ignore": ["a"]}
        told = told_in(CHAT, await one.post(chat(provider=wish), headers=TOLD), stream=False)
        schema.validate(told)
        assert told["endpoints"]["total"] == 3
        assert [each["provider"] for each in told["endpoints"]["available"]] == ["b"]
        assert {each["provider"]: each["why"] for each in told["params"]["excluded"]} == {
            "a": "named in 'ignore'",
            "c": "input costs $3/M, max_price.prompt is 2",
        }
        settled(one)


async def test_a_name_is_told_as_it_was_asked_for(door: Make, schema: Draft202012Validator) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({"acme": at(upstream)})
        for name in ("FAST", "claude-fast-20250929:floor", "fäst\n"):
            answer = await one.post({**chat(), "model": name, "models": ["acme/fast"]}, headers=TOLD)
            told = told_in(CHAT, answer, stream=False)
            schema.validate(told)
            assert told["requested"] == name
        settled(one, 3)
