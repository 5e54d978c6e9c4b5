"""The official clients' files and batches, unchanged but for base URL and key, against a real server."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI
from openrouter import OpenRouter
from serving import Server, acme

from tokenworks.providers.scripted import running

CHAT: Any = "/v1/chat/completions"
WITHIN_S = 40.0
SCRIPT = """
[[reply]]
when = { says = "bad" }
fault = { kind = "status", status = 400 }
[[reply]]
text = "Paris"
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(SCRIPT) as provider:
        one = Server(tmp_path_factory.mktemp("batches") / "home", acme(provider.base_url))
        try:
            yield one.start()
        finally:
            one.close()


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{server.url}/v1", api_key=server.key, max_retries=0, timeout=60) as one:
        yield one


def line(custom_id: str, says: str = "hello", url: str = CHAT, **more: Any) -> bytes:
    body = {"model": "acme/fast", "messages": [{"role": "user", "content": says}], **more}
    return json.dumps({"custom_id": custom_id, "method": "POST", "url": url, "body": body}).encode() + b"\n"


def until(look: Callable[[], Any], over: Callable[[Any], bool]) -> Any:
    """What ``look`` finds once it is over."""
    ends = time.monotonic() + WITHIN_S
    while not over(found := look()):
        assert time.monotonic() < ends, found
        time.sleep(0.2)
    return found


def ended(client: OpenAI, batch_id: str) -> Any:
    return until(
        lambda: client.batches.retrieve(batch_id),
        lambda found: found.status in ("completed", "failed", "cancelled", "expired"),
    )


def read(client: OpenAI, file_id: str) -> list[dict[str, Any]]:
    return [json.loads(each) for each in client.files.content(file_id).text.splitlines()]


def test_files(client: OpenAI, tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(line("a"))
    with path.open("rb") as opened:
        made = client.files.create(
            file=opened, purpose="batch", expires_after={"anchor": "created_at", "seconds": 3600}
        )
    assert (made.object, made.filename, made.bytes) == ("file", "in.jsonl", len(line("a")))
    assert made.expires_at == made.created_at + 3600
    assert client.files.retrieve(made.id) == made
    assert made.id in [each.id for each in client.files.list(limit=1)]
    assert client.files.content(made.id).content == line("a")
    assert client.files.wait_for_processing(made.id).status == "processed"
    assert client.files.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError, match="no file of this key"):
        client.files.retrieve(made.id)
    with pytest.raises(openai.BadRequestError, match="send one of batch, user_data"):
        client.files.create(file=path, purpose="fine-tune")


def test_a_batch(client: OpenAI) -> None:
    """Good lines are answered, a bad one and a refused one stand in the error file."""
    data = line("a") + line("b", "bad") + b"{oops\n" + line("c") + line("a")
    name = client.files.create(file=("in.jsonl", data), purpose="batch").id
    batch = client.batches.create(
        input_file_id=name, endpoint=CHAT, completion_window="24h", metadata={"job": "nightly"}
    )
    assert (batch.object, batch.status, batch.input_file_id) == ("batch", "validating", name)
    batch = ended(client, batch.id)
    assert batch.status == "completed", batch
    counts = batch.request_counts
    assert (counts.total, counts.completed, counts.failed) == (5, 2, 3)
    assert batch.metadata == {"job": "nightly"}
    assert batch.in_progress_at and batch.completed_at and batch.errors is None
    assert batch.usage.total_tokens > 0
    done = {each["custom_id"]: each for each in read(client, batch.output_file_id)}
    assert sorted(done) == ["a", "c"]
    response = done["a"]["response"]
    assert response["status_code"] == 200 and done["a"]["error"] is None
    assert response["body"]["choices"][0]["message"]["content"] == "Paris"
    assert response["request_id"] == response["body"]["id"]
    wrong = read(client, batch.error_file_id)
    assert [each["custom_id"] for each in wrong] == ["b", None, "a"]
    assert wrong[0]["response"]["status_code"] == 400
    assert wrong[1]["error"]["message"].startswith("line 3: not a JSON object")
    assert wrong[2]["error"]["message"].startswith("line 5: custom_id stands in line 1 as well")
    assert batch.id in [each.id for each in client.batches.list(limit=1)]


def test_files_of_which_nothing_can_be_made(client: OpenAI) -> None:
    name = client.files.create(file=("in.csv", b"id,text\n1,hello\n"), purpose="batch").id
    batch = client.batches.create(input_file_id=name, endpoint=CHAT, completion_window="24h")
    batch = ended(client, batch.id)
    assert batch.status == "failed" and batch.failed_at
    (error,) = batch.errors.data
    assert "none of its 2 lines is a request; line 1: not a JSON object" in error.message
    with pytest.raises(openai.NotFoundError):
        client.batches.create(input_file_id="file-none", endpoint=CHAT, completion_window="24h")


def test_a_batch_is_cancelled(client: OpenAI, server: Server) -> None:
    data = b"".join(line(f"r{n}") for n in range(3000))
    name = client.files.create(file=("in.jsonl", data), purpose="batch").id
    batch = client.batches.create(input_file_id=name, endpoint=CHAT, completion_window="24h")
    assert client.batches.cancel(batch.id).status == "cancelling"
    batch = ended(client, batch.id)
    assert batch.status == "cancelled" and batch.cancelled_at
    with pytest.raises(openai.BadRequestError, match="is cancelled"):
        client.batches.cancel(batch.id)


def test_another_key_sees_nothing_of_it(client: OpenAI, server: Server) -> None:
    name = client.files.create(file=("in.jsonl", line("a")), purpose="batch").id
    _, secret = server.new_key("other")
    with OpenAI(base_url=f"{server.url}/v1", api_key=secret, max_retries=0) as other:
        assert list(other.files.list()) == [] and list(other.batches.list()) == []
        with pytest.raises(openai.NotFoundError):
            other.files.content(name)


def test_requests_in_the_body(server: Server) -> None:
    """OpenRouter's form, by its own client."""
    items: Any = [
        {"custom_id": n, "body": {"messages": [{"role": "user", "content": says}]}}
        for n, says in (("a", "hello"), ("b", "bad"))
    ]
    with OpenRouter(api_key=server.key, server_url=f"{server.url}/api/v1") as client:
        made = client.batch.create_batches(endpoint=CHAT, model="acme/fast", requests=items)
        assert (made.object, made.model, made.results) == ("batch", "acme/fast", None)
        found = until(lambda: client.batch.get_batches(id=made.id), lambda one: one.status == "completed")
        assert found.results is not None
        assert [each.custom_id for each in found.results] == ["a", "b"]
        assert (found.request_counts.completed, found.request_counts.failed) == (1, 1)
        listed = client.batch.list(limit=5, status=["completed"])
        assert listed is not None and made.id in [each.id for each in listed.result.data]
    told = httpx.get(f"{server.url}/v1/batches/{made.id}", headers=server.headers).json()["results"]
    assert told[0]["response"]["body"]["choices"][0]["message"]["content"] == "Paris"
    assert told[1]["response"] is None and told[1]["error"]["code"] == 400
    with OpenRouter(api_key=server.key, server_url=f"{server.url}/api/v1") as client:
        assert client.batch.delete(id=made.id).id == made.id
    assert httpx.get(f"{server.url}/v1/batches/{made.id}", headers=server.headers).status_code == 404


def test_a_large_upload(client: OpenAI, tmp_path: Path) -> None:
    """Larger than any other body may be."""
    path = tmp_path / "large.jsonl"
    with path.open("wb") as file:
        file.writelines(line(f"r{n}", "x" * 1_000_000) for n in range(40))
    with path.open("rb") as opened:
        made = client.files.create(file=opened, purpose="batch")
    assert made.bytes == path.stat().st_size > 38 << 20
    assert client.files.delete(made.id).deleted
