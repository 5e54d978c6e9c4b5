import asyncio
import ssl
from typing import Any

import httpx
import openai
import pytest
import trustme

from tokenworks.errors import ConfigError
from tokenworks.providers.scripted import Fault, Reply, Script, ScriptedProvider, input_words, words
from tokenworks.schema import Usage

HELLO = [{"role": "user", "content": "hello there"}]


async def test_it_serves_in_the_running_loop_and_tells_what_it_saw() -> None:
    async with (
        ScriptedProvider() as provider,
        openai.AsyncOpenAI(base_url=provider.base_url, api_key="k") as client,
    ):
        answer = await client.chat.completions.create(model="m", messages=HELLO)  # type: ignore[arg-type]
        (record,) = provider.requests
        assert record.body["messages"] == HELLO
        assert record.headers["authorization"] == "Bearer k"
        said = answer.choices[0].message.content or ""
        assert record.usage == Usage(input_words(record.body), output_tokens=words(said))
        assert provider.totals().complete == 1
        assert provider.totals() is not provider.book.totals
        provider.reset()
        assert provider.requests == [] and provider.totals().requests == 0


async def test_it_comes_back_on_the_same_port_and_its_book_stays() -> None:
    provider = ScriptedProvider()
    async with httpx.AsyncClient() as client:
        for _ in range(3):
            await provider.start()
            await provider.start()
            url = f"{provider.base_url}/chat/completions"
            assert (await client.post(url, json={"model": "m"})).status_code == 200
            await provider.stop()
            await provider.stop()
            with pytest.raises(httpx.ConnectError):
                await client.post(url, json={"model": "m"})
    assert provider.totals().requests == 3
    again = ScriptedProvider(port=provider.port)
    async with again:
        assert again.port == provider.port
        with pytest.raises(OSError, match="in use"):
            await ScriptedProvider(port=provider.port).start()


async def test_a_stop_drops_what_is_under_way_and_is_no_cancellation() -> None:
    provider = ScriptedProvider(Script(reply=(Reply(tokens=1000, chunk_delay_s=0.01),)))
    await provider.start()
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.HTTPError):
            async with client.stream(
                "POST", f"{provider.base_url}/chat/completions", json={"model": "m", "stream": True}
            ) as answer:
                async for _ in answer.aiter_raw():
                    playing = asyncio.all_tasks() - {asyncio.current_task()}
                    await provider.stop()
                    assert playing and all(task.done() for task in playing)
    (record,) = provider.requests
    assert (record.ended, record.complete, record.cancelled) == (True, False, False)
    assert provider.open_streams == 0


@pytest.mark.parametrize("fault", [(), Fault("hang"), Fault("hang_mid")])
async def test_no_task_outlives_its_client(fault: Any) -> None:
    script = Script(reply=(Reply(tokens=1000, chunk_delay_s=0.01, fault=fault),))
    async with ScriptedProvider(script) as provider:
        before = asyncio.all_tasks()
        _, writer = await asyncio.open_connection("127.0.0.1", provider.port)
        writer.write(b"POST /v1/responses HTTP/1.1\r\ncontent-length: 27\r\n\r\n")
        writer.write(b'{"model":"m","stream":true}')
        await provider.until(lambda p: p.open_streams == 1)
        assert asyncio.all_tasks() > before
        writer.close()
        await provider.until(lambda p: p.open_streams == 0)
        await asyncio.sleep(0.01)
        assert asyncio.all_tasks() == before


async def test_many_streams_at_once_are_counted() -> None:
    script = Script(reply=(Reply(tokens=20, chunk_delay_s=0.01),))
    body = {"model": "m", "stream": True, "stream_options": {"include_usage": True}}
    limits = httpx.Limits(max_connections=None)
    async with ScriptedProvider(script) as provider, httpx.AsyncClient(limits=limits, timeout=20) as client:

        async def one() -> str:
            return (await client.post(f"{provider.base_url}/chat/completions", json=body)).text

        answers = await asyncio.gather(*(one() for _ in range(64)))
        totals = provider.totals()
    assert all(answer.endswith("data: [DONE]\n\n") for answer in answers)
    assert (totals.complete, totals.open_streams, totals.usage.output_tokens) == (64, 0, 64 * 20)
    assert 32 < totals.peak_open_streams <= 64


async def test_tls() -> None:
    authority = trustme.CA()
    server, client_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client_side)
    async with ScriptedProvider(ssl=server) as provider, httpx.AsyncClient(verify=client_side) as client:
        assert provider.base_url.startswith("https://127.0.0.1:")
        assert (await client.get(f"{provider.base_url}/models")).json()["data"][0]["id"] == "scripted-1"


async def test_it_listens_on_loopback_only() -> None:
    for host in ("0.0.0.0", "example.com", "192.168.1.1"):
        with pytest.raises(ConfigError, match="loopback only"):
            ScriptedProvider(host=host)
    async with ScriptedProvider(host="localhost") as provider:
        assert provider.origin == f"http://localhost:{provider.port}"


async def test_until_says_what_was_not_reached() -> None:
    async with ScriptedProvider() as provider:
        await provider.until(lambda p: p.open_streams == 0)
        with pytest.raises(TimeoutError, match=r"after 0\.01 s: Totals"):
            await provider.until(lambda p: p.open_streams == 1, timeout_s=0.01)


async def test_the_script_may_change_while_it_serves() -> None:
    async with ScriptedProvider() as provider, httpx.AsyncClient() as client:
        provider.play("[[reply]]\ntext = 'now this'")
        answer = await client.post(f"{provider.base_url}/chat/completions", json={"model": "m"})
    assert answer.json()["choices"][0]["message"]["content"] == "now this"
