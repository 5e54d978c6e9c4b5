"""Student, teacher and cascade on what was held out, through a real gateway and a scripted provider."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from captured import captured
from click.testing import CliRunner, Result
from doorway import Door, provider

from tokenworks.cli.distill import distill
from tokenworks.config.settings import ProviderModelSettings
from tokenworks.errors import ConfigError, UpstreamError
from tokenworks.providers.scripted import ScriptedProvider
from tokenworks.routing.study.chat_rows import encoded, messages_row, sharegpt_row
from tokenworks.routing.study.distilled import example

MODELS = ("student", "teacher", "both")
# The student knows half of the capitals, the teacher all; the cascade fails once.
SCRIPT = """
[[reply]]
when = { says = "Italy", model = "both" }
fault = { kind = "status", status = 400 }
[[reply]]
when = { says = "France" }
text = "Paris"
usage = { input_tokens = 20, output_tokens = 2 }
[[reply]]
when = { says = "Italy", model = "teacher" }
text = "rome"
usage = { input_tokens = 20, output_tokens = 2 }
[[reply]]
when = { says = "Italy" }
text = "I cannot help with that."
usage = { input_tokens = 20, output_tokens = 2 }
[[reply]]
when = { says = "time" }
[[reply.tool_calls]]
name = "clock"
arguments = '{"zone": "CET", "form": 24}'
"""
CALL = {
    "id": "c1",
    "type": "function",
    "function": {"name": "clock", "arguments": '{"form":24,"zone":"CET"}'},
}
TOOL = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object"}}}
EXAMPLES = [
    example(captured(1, "The capital of France?", "Paris")),
    example(captured(2, "The capital of Italy?", "Rome")),
    example(
        captured(
            3, "What time is it?", " ", tool_calls=[CALL], tools=[TOOL], finish="tool_calls", task="agent"
        )
    ),
]


def written(folder: Path, sharegpt: bool = False) -> Path:
    rows = [(sharegpt_row if sharegpt else messages_row)(one, tools=True) for one in EXAMPLES]
    (folder / "test.jsonl").write_bytes(encoded([row for row in rows if row is not None]))
    return folder


@pytest.fixture
async def works(tmp_path: Path) -> AsyncIterator[tuple[Door, ScriptedProvider]]:
    async with ScriptedProvider(SCRIPT) as upstream:
        models = tuple(
            ProviderModelSettings(
                id=f"acme/{name}", upstream_id=name, context_length=8192, input_mtok=1.0, output_mtok=price
            )
            for name, price in zip(MODELS, (10.0, 100.0, 50.0), strict=True)
        )
        door = Door(tmp_path / "home", {"acme": provider(upstream.base_url, models=models)})
        await door.open()
        yield door, upstream
        await door.close()


async def evaluated(door: Door, folder: Path, *arguments: str) -> Result:
    where = ["eval", str(folder), "--url", f"http://127.0.0.1:{door.port}", "--key", door.key]
    return await asyncio.to_thread(CliRunner().invoke, distill, [*where, *arguments])


async def report(door: Door, folder: Path, *arguments: str) -> dict[str, Any]:
    done = await evaluated(door, folder, *arguments, "--json")
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("sharegpt", [False, True])
async def test_a_comparison(
    works: tuple[Door, ScriptedProvider], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sharegpt: bool
) -> None:
    door, upstream = works
    monkeypatch.setattr(sys.modules["tokenworks.cli.distill.eval"], "CASCADE", "acme/both")
    folder = written(tmp_path, sharegpt)
    found = await report(door, folder, "--student", "acme/student", "--teacher", "acme/teacher", "--cascade")
    assert found["rows"] == 3
    student, teacher, both = (found["models"][f"acme/{name}"] for name in MODELS)
    assert student["extraction"]["same"]["value"] == 0.5
    assert teacher["extraction"]["same"]["value"] == 1.0, "letter case is no difference"
    assert student["extraction"]["passed"]["value"] == 0.5, "a refusal passes no check"
    assert teacher["extraction"]["passed"]["value"] == 1.0
    assert student["agent"]["same"]["value"] == 1.0, "calls are compared as what they ask for"
    assert (both["all"]["failed"], student["all"]["failed"]) == (1, 0)
    assert "acme/both" in found["errors"]
    assert found["differences"][0]["agreement"] < 0
    assert student["extraction"]["cost_usd"]["total"] == pytest.approx(2 * (20 * 1 + 2 * 10) / 1e6)
    records = [record for record in door.records() if record.model == "acme/student"]
    assert student["all"]["cost_usd"]["total"] == pytest.approx(sum(r.cost_nano_usd for r in records) / 1e9)
    assert student["all"]["output_tokens"] == sum(record.output_tokens for record in records)
    asked = [seen.body for seen in upstream.requests if seen.model == "student"]
    assert len(asked) == 3
    assert sum("tools" in body for body in asked) == 1
    assert all(body["messages"][-1]["role"] == "user" for body in asked), "the reference is not given away"


async def test_the_routers_own_judge_decides_where_it_can(
    works: tuple[Door, ScriptedProvider], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = SimpleNamespace(agree=lambda one, other, task: None if task == "agent" else 0.25)
    monkeypatch.setitem(sys.modules, "tokenworks.routing.agreement", judge)  # type: ignore[misc]
    found = await report(works[0], written(tmp_path), "--student", "acme/student")
    assert found["agreement_by"] == "routing.agreement"
    assert found["models"]["acme/student"]["extraction"]["agreement"]["value"] == 0.25
    assert found["models"]["acme/student"]["agent"]["agreement"]["value"] == 1.0


async def test_the_table_and_the_limit(works: tuple[Door, ScriptedProvider], tmp_path: Path) -> None:
    door, upstream = works
    done = await evaluated(door, written(tmp_path), "--student", "acme/student", "--limit", "1")
    assert done.exit_code == 0, done.output
    assert len(upstream.requests) == 1
    assert "agrees with the reference" in done.stdout and "100.0 %" in done.stdout
    assert "against" not in done.stdout


async def test_a_student_that_is_not_there_says_so(
    works: tuple[Door, ScriptedProvider], tmp_path: Path
) -> None:
    done = await evaluated(works[0], written(tmp_path), "--student", "acme/nobody")
    assert isinstance(done.exception, UpstreamError)
    assert "acme/nobody answered nothing" in done.exception.message


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "tokenworks distill export --out"),
        ("", "is empty"),
        ("{}\n", "test.jsonl:1"),
        ("{\n", "test.jsonl:1"),
    ],
)
def test_what_is_no_data_set_is_refused_before_anybody_is_asked(
    tmp_path: Path, content: str | None, says: str
) -> None:
    if content is not None:
        (tmp_path / "test.jsonl").write_text(content)
    done = CliRunner().invoke(
        distill, ["eval", str(tmp_path), "--student", "x", "--url", "http://127.0.0.1:9"]
    )
    assert isinstance(done.exception, ConfigError)
    assert says in done.exception.message


def test_a_works_that_is_not_running_says_so(tmp_path: Path) -> None:
    where = ["eval", str(written(tmp_path)), "--student", "x", "--url", "http://127.0.0.1:9"]
    done = CliRunner().invoke(distill, where)
    assert isinstance(done.exception, UpstreamError)
    assert "is the server running?" in done.exception.message
