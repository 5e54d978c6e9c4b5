"""Who may ask for what: every refusal is a clear error and, once the key is known, a record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from doorway import provider
from serving import chat

from tokenworks.config.settings import ServerSettings
from tokenworks.plans import keys
from tokenworks.providers.scripted import ScriptedProvider

Make = Callable[..., Any]


def says(answer: httpx.Response, status: int, *words: str) -> None:
    """An error of the shape that clients read, with ``words`` in its one line."""
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["code"] == status
    assert isinstance(error["type"], str)
    assert "\n" not in error["message"]
    for word in words:
        assert word in error["message"]


BAD_BODIES = [
    (b"", "empty"),
    (b"   ", "empty"),
    (b"{", "not valid JSON"),
    (b'{"model": "acme/fast", "messages": [}', "not valid JSON"),
    (b"[1]", "must be a JSON object"),
    (b'{"messages": []}', "'model' is missing"),
    (b'{"model": null, "messages": []}', "'model' is missing"),
    (b'{"model": 7, "messages": []}', "'model' must be a string"),
    (b'{"model": "acme/fast"}', "'messages' is missing"),
    (b'{"model": "acme/fast", "messages": [], "stream": 1}', "'stream' must be true or false"),
    (b'{"model": "acme/fast", "messages": [], "stream": true, "stream_options": 3}', "'stream_options'"),
    (b'{"model": "acme/fast", "messages": [], "provider": {"order": 3}}', "'provider' is malformed"),
    (b'{"model": "acme/fast", "messages": [], "provider": {"only": ["x"]}}', "not named in 'only'"),
    (b'{"model": "acme/fast", "messages": [], "session_id": 5}', "'session_id' must be a string"),
    (b'\xff\xfe{"model": "acme/fast"}', "not valid JSON"),
]


@pytest.mark.parametrize(("body", "word"), BAD_BODIES)
async def test_bad_body_is_a_clear_400_and_recorded(door: Make, body: bytes, word: str) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        says(await one.post(body), 400, word)
        assert upstream.requests == []
        record = one.record()
        assert (record.outcome, record.status, record.cost_nano_usd) == ("bad_request", 400, 0)
        says(await one.post(body), 400, word)  # the connection goes on


async def test_unknown_model_names_the_nearest(door: Make) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        says(await one.post({**chat(), "model": "acme/fst"}), 400, "unknown model 'acme/fst'", "acme/fast")
        assert one.record().requested_model == "acme/fst"


async def test_keys(door: Make) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        for headers in ({}, {"authorization": "Bearer nope"}, {"x-api-key": "tw-" + "x" * 43}):
            async with httpx.AsyncClient(base_url=one.client.base_url) as stranger:
                answer = await stranger.post("/v1/chat/completions", json=chat(), headers=headers)
            says(answer, 401)
        assert [(r.key_id, r.outcome) for r in one.records()] == [("local", "denied")]
        assert one.gateway.refused == {401: 2}
        async with httpx.AsyncClient(base_url=one.client.base_url) as friend:
            for headers in ({"x-api-key": one.key}, {"authorization": f"bearer {one.key}"}):
                answer = await friend.post("/v1/chat/completions", json=chat(), headers=headers)
                assert answer.status_code == 200, answer.text
        assert {r.key_id for r in one.records() if r.outcome == "ok"} == {one.key_id}


async def test_revoked_key_stops_on_an_open_connection(door: Make) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        assert (await one.post(chat())).status_code == 200
        one.store.revoke_key(one.key_id)
        one.book.reload_if_changed()
        says(await one.post(chat()), 401, "revoked")
        _, fresh = keys.create(one.store, "fresh", one.settings.pepper)
        one.client.headers["authorization"] = f"Bearer {fresh}"
        assert (await one.post(chat())).status_code == 200


async def test_without_a_key_only_our_own_models_and_only_from_here(
    door: Make, engine_settings: dict[str, Any]
) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({"acme": provider(upstream.base_url)}, engines=engine_settings)
        del one.client.headers["authorization"]
        says(await one.post(chat()), 401, "acme/fast", "only models run here")
        for headers in ({"origin": "https://evil.example"}, {"host": "rebound.example"}):
            says(await one.post({**chat(), "model": "tiny"}, headers=headers), 401, "no API key")
        off = await door({}, engines=engine_settings, server=ServerSettings(keyless_local=False))
        del off.client.headers["authorization"]
        says(await off.post({**chat(), "model": "tiny"}), 401, "no API key")


async def test_labels_are_kept_and_cut(door: Make) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        headers = {"HTTP-Referer": "https://a.example", "X-Title": "App ✓" + "x" * 500, "x-session-id": "s1"}
        await one.post({**chat(), "user": "u1"}, headers={k: v.encode() for k, v in headers.items()})
        await one.post({**chat(), "session_id": "s2"}, headers={"x-openrouter-title": "Other"})
        first, second = one.records()
        assert first.app.startswith("App ✓x") and len(first.app) == 200
        assert (first.session, first.user) == ("s1", "u1")
        assert (second.app, second.session) == ("Other", "s2")
        sent = [r.body for r in upstream.requests]
        assert sent[0]["user"] == "u1"
        assert "session_id" not in sent[1]


async def test_duplicate_model_key_is_billed_as_what_runs(door: Make) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        body = b'{"model":"cheap","messages":[{"role":"user","content":"hi"}],"model":"acme/fast"}'
        assert (await one.post(body)).status_code == 200
        assert upstream.requests[0].raw.count(b'"model"') == 1
        assert upstream.requests[0].body["model"] == "fast-1"
        assert one.record().model == "acme/fast"


async def test_full_disk_refuses_new_work_and_keeps_the_record(
    door: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({"acme": provider(upstream.base_url)})

        def full(fd: int, data: bytes) -> int:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as disk:
            disk.setattr("tokenworks.ledger.journal._write", full)
            assert (await one.post(chat())).status_code == 200  # it was under way: it is answered
            says(await one.post(chat()), 503, "disk full")
            assert one.inflight.count() == 1  # what memory alone holds would survive kill -9 too
        assert one.gateway.retry_journal()
        assert one.inflight.count() == 0
        assert (await one.post(chat())).status_code == 200
        assert [r.outcome for r in one.records()] == ["ok", "ok"]
