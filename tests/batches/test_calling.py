import asyncio
import time

import msgspec
import pytest
from batching import PEPPER, batch_row
from serving import chat, free_port

from tokenworks.batches.calling import (
    Answer,
    Gateway,
    Lost,
    NotReached,
    Told,
    Unreadable,
    complaint,
    said,
    told,
)
from tokenworks.errors import ConfigError
from tokenworks.plans import passes
from tokenworks.providers.scripted import Fault, Reply, Script, ScriptedProvider, When

CHAT = "/v1/chat/completions"
BODY = msgspec.json.encode(chat("hi"))


async def test_a_part_is_asked_in_the_name_of_its_batchs_key() -> None:
    batch = batch_row(metadata=b'{"app":"reader"}')
    async with ScriptedProvider() as provider:
        gateway = Gateway(provider.origin, PEPPER, 4, 10.0)
        answer = await gateway.ask(batch, 7, CHAT, BODY, **{"x-tokenworks-quality": "1"})
        again = await gateway.ask(batch_row(metadata=b"[]"), 8, CHAT, BODY)
        gateway.close()
        first, second = provider.requests
    assert answer.status == again.status == 200 and said(answer)[0] == "You said: hi"
    headers = first.headers
    assert headers["x-tokenworks-part"] == f"{batch.id}/7" and headers["x-session-id"] == batch.id
    assert headers["x-title"] == "reader" and second.headers["x-title"] == "batch"
    assert headers["x-tokenworks-quality"] == "1" and first.body == chat("hi")
    found = passes.read(
        PEPPER, headers["authorization"].removeprefix("Bearer ").encode(), time.time_ns() // 1000
    )
    assert found is not None and (found.key_id, found.batch_id) == ("k_1", batch.id)
    assert first.connection == second.connection, "connections are kept"


async def test_a_pass_is_renewed_before_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway, batch = Gateway("http://127.0.0.1:1", PEPPER, 1, 1.0), batch_row()
    first = gateway._pass(batch)
    assert gateway._pass(batch) == first
    later = time.monotonic() + passes.LASTS_S / 2
    monkeypatch.setattr("tokenworks.batches.calling.time.monotonic", lambda: later)
    assert gateway._pass(batch) != first
    gateway.close()


async def test_what_was_asked_is_told_from_what_was_not() -> None:
    batch = batch_row()
    gateway = Gateway(f"http://127.0.0.1:{free_port()}", PEPPER, 2, 10.0)
    with pytest.raises(NotReached):
        await gateway.ask(batch, 0, CHAT, BODY)
    gateway.close()
    script = Script(
        reply=(
            Reply(when=When(nth=1), fault=Fault(kind="close")),
            Reply(when=When(nth=1), fault=Fault(kind="early_close")),
        )
    )
    async with ScriptedProvider(script) as provider:
        gateway = Gateway(provider.origin, PEPPER, 2, 10.0)
        for _ in range(2):
            with pytest.raises(Lost):
                await gateway.ask(batch, 0, CHAT, BODY)
        assert (await gateway.ask(batch, 0, CHAT, BODY)).status == 200
        gateway.close()


async def test_an_answer_that_takes_too_long_is_lost() -> None:
    async with ScriptedProvider(Script(reply=(Reply(fault=Fault(kind="hang")),))) as provider:
        gateway = Gateway(provider.origin, PEPPER, 2, 0.3)
        with pytest.raises(Lost, match="timeout"):
            await gateway.ask(batch_row(), 0, CHAT, BODY)
        gateway.close()


async def test_who_does_not_wait_any_more_ends_the_request() -> None:
    async with ScriptedProvider(Script(reply=(Reply(first_byte_delay_s=30.0),))) as provider:
        gateway = Gateway(provider.origin, PEPPER, 2, 60.0)
        asked = asyncio.create_task(gateway.ask(batch_row(), 0, CHAT, BODY))
        await provider.until(lambda p: len(p.requests) == 1)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        await provider.until(lambda p: p.requests[0].cancelled)
        gateway.close()


async def test_headers_that_matter_are_read_and_a_prefix_is_kept() -> None:
    fault = Fault(kind="status", status=429, retry_after_s=7)
    async with ScriptedProvider(
        Script(reply=(Reply(fault=fault, headers={"location": "/v1/queued/q"}),))
    ) as provider:
        gateway = Gateway(f"{provider.origin}/works/", PEPPER, 2, 10.0)
        answer = await gateway.ask(batch_row(), 0, CHAT, BODY)
        await gateway.drop(batch_row(), f"{provider.origin}/v1/queued/q_1")
        gateway.close()
        asked, dropped = provider.requests
    assert (answer.status, answer.retry_after_s) == (429, 7.0)
    assert asked.path == "/works/v1/chat/completions"
    assert (dropped.method, dropped.path) == ("DELETE", "/v1/queued/q_1")


@pytest.mark.parametrize("url", ["ftp://x", "127.0.0.1:8642", "http://", ""])
async def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="no gateway's address"):
        Gateway(url, PEPPER, 1, 1.0)


def answer(body: object, status: int = 200) -> Answer:
    return Answer(status, body if isinstance(body, bytes) else msgspec.json.encode(body))


def test_tokens_and_cost_are_read_on_every_wire() -> None:
    chat_usage = {"prompt_tokens": 10, "completion_tokens": 2, "cost": 1.5e-6}
    assert told(answer({"model": "m", "usage": chat_usage})) == Told("m", 10, 2, 1500)
    other = {"input_tokens": 3, "cache_read_input_tokens": 7, "output_tokens": 2, "cost": None}
    assert told(answer({"model": "m", "usage": other})) == Told("m", 10, 2, 0)
    assert told(answer({"usage": None})) == told(answer(b"not json")) == Told()


def test_what_was_said_is_read() -> None:
    choice = {"message": {"content": "yes"}, "finish_reason": "length"}
    assert said(answer({"model": "m", "choices": [choice]})) == ("yes", "length", "m")
    assert said(answer({"choices": [{"message": {"content": None}}]})) == ("", "stop", "")
    for wrong in (b"<html>", {"choices": []}, {"choices": [{"message": {"content": 5}}]}):
        with pytest.raises(Unreadable):
            said(answer(wrong))


def test_a_complaint_is_one_line() -> None:
    assert complaint(answer({"error": {"message": "a\n b"}}, 400)) == "a b"
    assert complaint(answer(b"<html>", 502)) == "HTTP 502"
