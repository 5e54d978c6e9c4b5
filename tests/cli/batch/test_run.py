"""``batch run`` up to the moment when a worker takes over; the rest is in tests/whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import Result

from tokenworks.cli.batch import run as module
from tokenworks.cli.batch import watch
from tokenworks.ledger.batched import BatchRow
from tokenworks.ledger.store import Store


@pytest.fixture
def rows(tmp_path: Path) -> str:
    (tmp_path / "rows.csv").write_text("text\nfirst\nsecond\n")
    return str(tmp_path / "rows.csv")


def words(rows: str, *more: str) -> tuple[str, ...]:
    return ("run", "map", rows, "--template", "Say {text}", "--model", "acme/fast", *more)


def test_without_a_server_nothing_is_begun(store: Store, batch: Callable[..., Result], rows: str) -> None:
    result = batch(*words(rows))
    assert (
        result.exit_code == 2 and "no server runs on" in result.output and "tokenworks serve" in result.output
    )
    result = batch(*words(rows, "--url", "http://127.0.0.1:9"))
    assert result.exit_code == 2 and "is a server running there?" in result.output
    assert batch(*words(rows, "--url", "http://x", "--detach")).exit_code == 2
    assert store.batches() == [] and store.files() == []


def test_without_the_engine_nothing_is_begun(
    store: Store, batch: Callable[..., Result], rows: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ENGINE", "no_such_library")
    result = batch(*words(rows, "--detach"))
    assert result.exit_code == 2 and "pip install 'tokenworks[batch]'" in result.output
    assert store.batches() == []


def test_detached_it_waits_for_a_server(store: Store, told: Callable[..., Any], rows: str) -> None:
    shown = told(*words(rows, "--detach", "--max-cost", "0.5", "--strong", "acme/fast", "-o", "limit=1"))
    row = store.batch(shown["id"])
    assert row is not None and (row.kind, row.status, row.model) == ("map", "validating", "acme/fast")
    assert row.max_cost_nano_usd == 500_000_000
    assert msgspec.json.decode(row.options) == {
        "template": "Say {text}",
        "limit": "1",
        "stronger_model": "acme/fast",
    }
    key = store.key(row.key_id)
    assert key is not None and key.role == "admin"


def test_estimates_start_nothing(store: Store, batch: Callable[..., Result], rows: str) -> None:
    result = batch(*words(rows, "--estimate"))
    assert result.exit_code == 0 and "map, 1 file: 2 parts in 2 lanes" in result.output
    assert store.batches() == []


def test_what_is_dear_is_not_started_without_a_yes(
    store: Store, batch: Callable[..., Result], rows: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tokenworks.cli.batch.order.CONFIRM_TOKENS", 1)
    result = batch(*words(rows, "--detach"))
    assert result.exit_code == 2 and "say --yes to start it" in result.output
    assert store.batches() == []
    assert batch(*words(rows, "--detach", "--yes")).exit_code == 0
    assert len(store.batches()) == 1


def test_wrong_words_are_told_with_the_fix(batch: Callable[..., Result], rows: str) -> None:
    for given, fix in (
        (("run", "trnslate", rows), "did you mean translate?"),
        (("run", "map"), "name files for map: .csv"),
        (("run", "map", rows, "--tmplate", "x"), "did you mean template?"),
        (("run", "map", rows, "--pages-only"), "--pages-only is for extract"),
        (("run", "map", "no.csv", "--template", "x"), "no.csv: no such file"),
    ):
        result = batch(*given)
        assert result.exit_code in (1, 2) and fix in result.output, given


def test_help_tells_the_options_of_every_recipe(batch: Callable[..., Result]) -> None:
    said = batch("run", "--help").output
    for each in ("Recipe translate:", "--to", "Recipe map:", "--skip-empty", "Recipe extract:"):
        assert each in said, each


def test_pages_need_neither_a_home_nor_a_model(
    tmp_path: Path, batch: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty.pdf").write_bytes(b"")
    monkeypatch.setattr("tokenworks.cli.home.Place.settings", None)
    result = batch("run", "extract", str(tmp_path / "empty.pdf"), "--pages-only", "--json")
    shown = json.loads(result.stdout)
    assert shown["files"] == [] and [each["file"] for each in shown["skipped"]] == ["empty.pdf"]
    said = batch("run", "extract", str(tmp_path / "empty.pdf"), "--pages-only").output
    assert said.startswith("empty.pdf: skipped, ")


def running(monkeypatch: pytest.MonkeyPatch, follow: Callable[..., BatchRow]) -> None:
    """As if a server ran, and a batch went as ``follow`` says."""
    monkeypatch.setattr(module, "_reachable", lambda *_, **__: None)
    monkeypatch.setattr(watch, "followed", follow)


def test_the_end_is_told_and_is_the_exit_status(
    store: Store, batch: Callable[..., Result], rows: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(of: Store, batch_id: str, **_: Any) -> BatchRow:
        row = of.update_batch(batch_id, status="failed", note="no good")
        assert row is not None
        return row

    running(monkeypatch, fails)
    result = batch(*words(rows))
    assert result.exit_code == 1 and "failed: no good; 0 of 0 parts" in result.stdout


def test_ctrl_c_says_that_it_goes_on(
    store: Store, batch: Callable[..., Result], rows: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> BatchRow:
        raise KeyboardInterrupt

    running(monkeypatch, interrupted)
    result = batch(*words(rows))
    (row,) = store.batches()
    assert result.exit_code == 130 and row.status == "validating"
    assert (
        f"it goes on on the server; tokenworks batch watch {row.id} (or: tokenworks batch pause"
        in result.output
    )


def test_times_are_kept_and_wrong_ones_refused(
    store: Store, batch: Callable[..., Result], told: Callable[..., Any], rows: str
) -> None:
    after, before = "2099-01-01T08:00Z", "2099-01-01T10:00Z"
    shown = told(*words(rows, "--detach", "--after", after, "--before", before))
    assert (shown["not_before"], shown["before"], shown["off_peak"]) == (4070937600, 4070944800, None)
    row = store.batch(shown["id"])
    assert row is not None and row.expires_us == row.not_after_us == 4070944800 * 10**6
    text = batch("show", row.id).output
    assert "not before 2099-01-01 08:00 UTC; what is not done expires at 2099-01-01 10:00 UTC" in text
    for wrong, why in (
        (("--before", "2020-01-01"), "is over"),
        (("--before", "tomorrow"), "is no time"),
        (("--off-peak",), "acme/fast costs the same all day"),
    ):
        result = batch(*words(rows, "--detach", *wrong))
        assert result.exit_code in (1, 2) and why in result.output, result.output
    assert len(store.batches()) == 1
