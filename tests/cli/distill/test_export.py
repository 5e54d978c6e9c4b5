"""From the store to a folder that a trainer reads."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from captured import captured
from click.testing import CliRunner, Result

from tokenworks.cli import main
from tokenworks.cli.distill import distill
from tokenworks.errors import ConfigError
from tokenworks.ledger.captured import CaptureRow
from tokenworks.ledger.feedback import FeedbackRow
from tokenworks.ledger.store import open_store

NOW_US = time.time_ns() // 1000
DAY_US = 86_400_000_000

Keep = Callable[..., None]


@pytest.fixture
def keep(tmp_path: Path) -> Keep:
    """Keeps captures and feedback in the store of a home."""
    CliRunner().invoke(main, ["--home", str(tmp_path), "init"])

    def kept(*rows: CaptureRow | FeedbackRow) -> None:
        store = open_store(f"sqlite:///{tmp_path}/tokenworks.db")
        for row in rows:
            store.keep_capture(row) if isinstance(row, CaptureRow) else store.put_feedback(row)
        store.close()

    return kept


def rows(count: int, start: int = 0, **more: object) -> list[CaptureRow]:
    """Of the last day, of quite different prompts."""
    return [
        captured(n, " ".join(f"w{n * 100 + at}" for at in range(12)), time_us=NOW_US - DAY_US + n, **more)
        for n in range(start, start + count)
    ]


def export(home: Path, *arguments: str, out: str = "data") -> Result:
    return CliRunner().invoke(distill, ["export", "--home", str(home), "--out", str(home / out), *arguments])


def lines(folder: Path, name: str) -> list[dict]:
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def test_the_folder_and_what_was_left_out(
    tmp_path: Path, keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["tokenworks.cli.distill.export"], "PAGE", 7)  # more than one page
    keep(*rows(30), *rows(3, 50, model="openai/gpt-4o"), *rows(2, 60, finish="length"))
    keep(captured(90, time_us=NOW_US - 40 * DAY_US))
    done = export(tmp_path, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["seen"] == 35, "what is older than 30 days is not looked at"
    assert told["dropped"] == {"the answer was cut off": 2, "the teacher's terms forbid it": 3}
    assert told["files"] == ["README.md", "dataset_info.json", "test.jsonl", "train.jsonl"]
    folder = tmp_path / "data"
    train, test = lines(folder, "train.jsonl"), lines(folder, "test.jsonl")
    assert len(train) == told["train"] and len(test) == told["test"] and len(train) + len(test) == 30
    assert all([each["role"] for each in row["messages"]] == ["user", "assistant"] for row in train)
    assert not {row["id"] for row in train} & {row["id"] for row in test}
    shown = export(tmp_path, out="again").stdout
    assert "the teacher's terms forbid it" in shown
    for file in folder.iterdir():
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes(), "the same bytes again"


def test_feedback_counts_more_than_what_was_computed(tmp_path: Path, keep: Keep) -> None:
    keep(*rows(1, 1), *rows(1, 2), *rows(1, 3, right=0.3), *rows(1, 4, right=0.3))
    for name, score in (("gen-0002", 0.0), ("gen-0003", 1.0)):
        keep(FeedbackRow(name, NOW_US - 1, "k_1", "microsoft/phi-4", "extraction", score))
    told = json.loads(export(tmp_path, "--json", "--split", "0.5").stdout)
    assert told["dropped"] == {"bad feedback": 1, "not sure enough": 1}
    found = {row["id"] for name in ("train.jsonl", "test.jsonl") for row in lines(tmp_path / "data", name)}
    assert found == {"gen-0001", "gen-0003"}


def test_options_reach_the_filters(tmp_path: Path, keep: Keep) -> None:
    keep(*rows(4), *rows(4, 20, task="code"), *rows(4, 40, model="acme/big"), *rows(4, 60, consent="all"))

    def taken(*arguments: str) -> int:
        told = json.loads(export(tmp_path, "--json", *arguments).stdout)
        return int(told["train"] + told["test"])

    assert taken() == 8
    assert taken("--task", "code") == 4
    assert taken("--task", "code", "--task", "extr*") == 8
    assert taken("--teacher", "microsoft/*", "--max-rows", "3") == 3
    assert taken("--allow-teacher", "acme/*") == 12
    assert taken("--no-enforce-distillable", "--any-consent") == 16


def test_another_format_leaves_nothing_stale(tmp_path: Path, keep: Keep) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    keep(*rows(6), *rows(1, 50, tool_calls=[call], finish="tool_calls"))
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "notes.jsonl").write_text("mine")
    export(tmp_path)
    assert (folder / "sharegpt_train.jsonl").exists()
    export(tmp_path, "--format", "sharegpt")
    assert not (folder / "sharegpt_train.jsonl").exists()
    assert all("conversations" in row for row in lines(folder, "train.jsonl"))
    assert (folder / "notes.jsonl").read_text() == "mine"


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (None, "nothing was captured"),
        ({"consent": "all"}, "--any-consent"),
        ({"model": "acme/big"}, "--allow-teacher"),
        ({"right": 0.5}, "lower --min-right"),
    ],
)
def test_nothing_to_write_says_why_and_writes_nothing(
    tmp_path: Path, keep: Keep, more: dict | None, says: str
) -> None:
    if more is not None:
        keep(*rows(2, **more))
    done = export(tmp_path)
    assert isinstance(done.exception, ConfigError)
    assert says in done.exception.message
    assert not (tmp_path / "data").exists()


def test_a_capture_that_can_not_be_read_does_not_stop_the_rest(tmp_path: Path, keep: Keep) -> None:
    keep(*rows(3), captured(9, time_us=NOW_US - DAY_US, messages=5))
    done = export(tmp_path, "--json")
    assert "gen-0009" in done.stderr
    assert json.loads(done.stdout)["seen"] == 3
