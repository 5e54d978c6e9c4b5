"""Who pays, what is asked before, and how an estimate reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import Result

from tokenworks.batches.cookbook import recipe
from tokenworks.batches.estimate import Estimate, OffPeak
from tokenworks.batches.recipes.recipe import Skipped
from tokenworks.cli.batch.order import (
    Order,
    Window,
    agreed,
    charged_to,
    cheap_hours,
    check,
    hours,
    needs_yes,
    show,
)
from tokenworks.config.settings import Settings
from tokenworks.errors import BadRequest, NotFound
from tokenworks.ledger.store import Store
from tokenworks.plans import keys


def estimate(**fields: object) -> Estimate:
    values = {
        "parts": 1200,
        "lanes": 3,
        "input_tokens": 2000,
        "output_tokens": 1000,
        "low_usd": 0.0196,
        "high_usd": 0.5,
        "low_hours": 0.5,
        "high_hours": 2.0,
        "cheap": "me/a",
        "dear": "me/a",
        "strong": "",
        "measured": True,
    }
    return Estimate(**(values | fields))  # type: ignore[arg-type]


def test_the_first_active_admin_key_pays(store: Store) -> None:
    first = charged_to(store, None)
    assert first.role == "admin"
    member, _ = keys.create(store, "member", b"p")
    later, _ = keys.create(store, "later", b"p", "admin")
    assert charged_to(store, None).id == first.id
    assert charged_to(store, "member").id == member == charged_to(store, member).id
    store.revoke_key(first.id)
    assert charged_to(store, None).id == later
    store.revoke_key(later)
    with pytest.raises(NotFound, match="no admin key is active; give --key KEY, or: tokenworks key create"):
        charged_to(store, None)
    past, _ = keys.create(store, "past", b"p", expires_us=1)
    with pytest.raises(NotFound, match="is disabled or over"):
        charged_to(store, past)


def test_what_is_dear_long_or_unknown_needs_a_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not needs_yes(estimate())
    assert needs_yes(estimate(high_usd=1.0))
    assert needs_yes(estimate(high_usd=None))
    assert not needs_yes(estimate(high_usd=None), 0.5) and not needs_yes(estimate(high_usd=5.0), 0.5)
    assert needs_yes(estimate(high_usd=5.0), 2.0)
    assert needs_yes(estimate(output_tokens=999_000))
    with pytest.raises(click.UsageError, match=r"may cost \$12.00 for 3,000 tokens; say --yes"):
        agreed(estimate(high_usd=12.0))


def test_an_estimate_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    order = Order(recipe("map"), [Path("a.csv")], {}, "auto", "")
    show(order, estimate(dear="me/b", strong="me/b", skipped=(Skipped("x.csv", "empty"),)))
    said = capsys.readouterr().out
    assert "map, 1 file: 1,200 parts in 3 lanes" in said
    assert "$0.02 to $0.5\n" in said and "30 min to 2.0 h (speeds measured here)" in said
    assert "me/a to me/b; what fails goes to me/b" in said and "x.csv: empty" in said
    show(order, estimate(low_usd=None, high_usd=None, measured=False))
    said = capsys.readouterr().out
    assert "a price that is not known\n" in said and "speeds guessed" in said


def test_hours_as_people_say_them() -> None:
    assert [hours(value) for value in (0, 0.001, 0.5, 1.49, 30)] == [
        "1 s",
        "4 s",
        "30 min",
        "89 min",
        "30.0 h",
    ]


def test_estimates_come_from_files_and_catalogue(
    tmp_path: Path, batch: Callable[..., Result], told: Callable[..., dict[str, object]]
) -> None:
    (tmp_path / "rows.csv").write_text("text\n" + "some words\n" * 40)
    words = ("run", "map", str(tmp_path / "rows.csv"), "--template", "Say {text}", "--estimate")
    found = told(*words, "--model", "acme/fast")
    assert (found["parts"], found["cheap_model"], found["strong_model"]) == (40, "acme/fast", None)
    assert 0 < found["low_usd"] < found["high_usd"] < 1  # type: ignore[operator]
    assert told(*words)["strong_model"] == "acme/fast"  # auto has no other
    result = batch(*words, "--model", "acme/nothing")
    assert result.exit_code == 1 and "near to it: acme/fast" in result.output


def test_both_prices_are_shown_where_the_hour_matters(capsys: pytest.CaptureFixture[str]) -> None:
    found = estimate(off_peak=OffPeak("16:30-00:30", 0.5, 1.0))
    show(Order(recipe("map"), [Path("a.csv")], {}, "me/a", ""), found)
    said = capsys.readouterr().out
    assert "by hour  $0.5 in 16:30-00:30 UTC, $1.00 at its dearest" in said
    show(Order(recipe("map"), [Path("a.csv")], {}, "me/a", ""), estimate())
    assert "by hour" not in capsys.readouterr().out


def test_cheap_hours_are_those_of_the_catalogue(store: Store, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, source=None, pepper=b"p", secrets={"deepseek": "k"})
    window = Window(off_peak=True)
    order = Order(recipe("map"), [], {}, "deepseek-v4-pro", "", window)
    kept = cheap_hours(order, settings, store, estimate())
    assert kept["off_peak"] == "240-360,600-1500 deepseek/deepseek-v4-pro" and float(kept["part_s"]) == 6
    check(order, settings, store)
    assert cheap_hours(Order(recipe("map"), [], {}, "auto", ""), settings, store, None) == {}
    with pytest.raises(BadRequest, match="off_peak needs one model"):
        check(Order(recipe("map"), [], {}, "auto", "", window), settings, store)
