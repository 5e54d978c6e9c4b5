"""What a recipe would come to: told without starting it, and without reading what is not the caller's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tokenworks.api import batch_estimate
from tokenworks.batches.recipes.recipe import Part, Skipped, Split
from tokenworks.config.settings import ProviderModelSettings

Called = Callable[..., Any]
MODEL = ProviderModelSettings(id="acme/fast", context_length=100_000, input_mtok=1.0, output_mtok=2.0)


@pytest.fixture
def split(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was given to the split; it makes one part of each file."""
    calls: list[Any] = []

    def apart(name: str, files: Sequence[Path], options: Mapping[str, str]) -> Split:
        calls.append((name, [(path.name, path.read_bytes()) for path in files], dict(options)))
        parts = tuple(Part(str(n), "lane", {}, 1_000_000, 500_000) for n, _ in enumerate(files))
        return Split(parts, {}, (Skipped("c.pdf", "encrypted"),))

    monkeypatch.setattr(batch_estimate, "split_apart", apart)
    return calls


async def uploaded(client: Any, headers: dict[str, str], data: bytes, name: str = "book.txt") -> str:
    sent = {"headers": headers, "data": {"purpose": "user_data"}, "files": {"file": (name, data)}}
    return str((await client.post("/v1/files", **sent)).json()["id"])


async def test_tokens_dollars_and_hours(called: Called, acme: Any, split: list[Any]) -> None:
    client = called(**acme(MODEL))
    _, headers = client.new_key()
    files = [await uploaded(client, headers, data) for data in (b"one", b"two")]
    order = {"recipe": "translate", "input_files": files, "options": {"to": "zh"}, "model": "acme/fast"}
    answer = await client.post("/v1/batches", headers=headers, json={**order, "estimate": True})
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["object"], told["recipe"], told["parts"]) == ("batch.estimate", "translate", 2)
    assert (told["input_tokens"], told["output_tokens"]) == (2_000_000, 1_000_000)
    assert 0 < told["cost"]["low"] < 4.0 < told["cost"]["high"]
    assert 0 < told["hours"]["low"] < told["hours"]["high"]
    assert told["skipped"] == [{"file": "c.pdf", "reason": "encrypted"}]
    assert split == [("translate", [("book.txt", b"one"), ("book.txt", b"two")], {"to": "zh"})]
    assert client.store.batches() == []
    started = (await client.post("/v1/batches", headers=headers, json=order)).json()
    assert (started["recipe"], started["options"]) == ("translate", {"to": "zh"})
    row = client.store.batch(started["id"])
    assert (row.kind, row.model, row.input_files) == ("translate", "acme/fast", tuple(files))


@pytest.mark.parametrize("estimate", [True, False])
async def test_a_path_of_this_machine_is_not_read(called: Called, split: list[Any], estimate: bool) -> None:
    client = called()
    _, headers = client.new_key()
    _, other = client.new_key()
    mine, theirs = await uploaded(client, headers, b"x"), await uploaded(client, other, b"secret")
    for value, said in (
        ("/etc/passwd", "a path of the server is not read"),
        (theirs, "no such file of this key"),
    ):
        order = {"recipe": "translate", "input_files": [mine], "options": {"to": "zh", "glossary": value}}
        answer = await client.post("/v1/batches", headers=headers, json={**order, "estimate": estimate})
        assert (answer.status_code, said in answer.text) == (400, True), answer.text
    order = {"recipe": "translate", "input_files": [theirs], "estimate": estimate}
    assert (await client.post("/v1/batches", headers=headers, json=order)).status_code == 404
    assert split == [] and client.store.batches() == []


async def test_one_at_a_time(called: Called, split: list[Any]) -> None:
    client = called()
    _, headers = client.new_key()
    order = {"recipe": "translate", "input_files": [await uploaded(client, headers, b"x")], "estimate": True}
    with batch_estimate._one:
        answer = await client.post("/v1/batches", headers=headers, json=order)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    answer = await client.post("/v1/batches", headers=headers, json={**order, "model": "nobody/nothing"})
    assert answer.status_code == 400 and "nobody/nothing" in answer.text
