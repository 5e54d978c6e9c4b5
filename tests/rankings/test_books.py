"""What views read: who made a model, whose a key is, the newest period, and sums that are remembered."""

from collections.abc import Callable

import pytest
from ranked_ledger import Ledger, us

from tokenworks.errors import BadRequest
from tokenworks.ledger.limit_rows import TeamRow
from tokenworks.ledger.rows import KeyRow
from tokenworks.rankings import books as module
from tokenworks.rankings.books import Books, KeyName

MakeBooks = Callable[..., Books]


def test_who_made_a_model(books: MakeBooks) -> None:
    here = books()
    known = here.maker("minimax/minimax-m2.5:free")
    assert (known.author, known.country, known.weights) == ("minimax", "CN", "open")
    nobody = here.maker("nobody-knows/this")
    assert (nobody.author, nobody.country, nobody.weights) == ("nobody-knows", "", "unknown")
    assert here.maker("").author == "unknown"
    assert (here.country_title("CN"), here.author_title("minimax")) == ("China", "MiniMax")


def test_keys_have_names_and_teams(ledger: Ledger, books: MakeBooks) -> None:
    ledger.store.add_team(TeamRow("t_1", "research", "", 1, 1))
    for key_id, name, team in (("k_1", "ann", "t_1"), ("k_2", "bob", ""), ("k_3", "ann", "")):
        row = KeyRow(key_id, name, "member", "hint", 1, None, key_id.encode() * 8, team_id=team)
        ledger.store.add_key(row)
    here = books()
    assert here.key("k_1") == KeyName("ann", "research")
    assert here.key("k_gone") == KeyName("k_gone", "")
    assert sorted(here.key_ids("ann")) == ["k_1", "k_3"]
    assert here.key_ids("k_2") == ["k_2"]
    assert here.team_ids("research") == ["k_1"]
    for ask in (lambda: here.key_ids("nobody"), lambda: here.team_ids("nobody"), lambda: here.team_ids("")):
        with pytest.raises(BadRequest, match=r"tokenworks (key|team) list"):
            ask()


def test_latest_is_what_was_used_last(ledger: Ledger, books: MakeBooks) -> None:
    assert books().period().label == "2026-W48"  # nothing yet: now
    ledger.put("2026-02-20T23:30")
    assert books().period().label == "2026-W08"
    assert books().period("2026-W01").label == "2026-W01"


def test_latest_elsewhere_is_not_a_day_with_nothing_in_it(ledger: Ledger, books: MakeBooks) -> None:
    ledger.put("2026-02-20T15:30")  # in Shanghai still the 20th, though its UTC day reaches into the 21st
    assert books().period("latest", "day", "Asia/Shanghai").label == "2026-02-20"
    ledger.put("2026-02-20T16:30")
    assert books().period("latest", "day", "Asia/Shanghai").label == "2026-02-21"
    assert books().period("latest", "day", "America/New_York").label == "2026-02-20"


def test_the_latest_of_a_source(ledger: Ledger, books: MakeBooks) -> None:
    with pytest.raises(BadRequest, match="import one: tokenworks rankings import FILE"):
        books().period(source="article")
    ledger.told("article", ("2026-02-16", "week", "a/b", 5))
    assert books().period(source="article").label == "2026-W08"
    with pytest.raises(BadRequest, match="no source of that name was imported; there is article"):
        books().period(source="other")
    with pytest.raises(BadRequest, match="there is article"):
        books().known_source("other")


def test_what_is_over_is_read_once_a_minute(
    ledger: Ledger, books: MakeBooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.put("2026-02-20T10:00")
    here = books("2026-02-21T00:10")
    asked = ("model", ("model",), us("2026-02-20T00:00"), us("2026-02-21T00:00"))
    (first,) = here.cube(*asked)
    ledger.put("2026-02-20T11:00")
    assert here.cube(*asked) == [first]
    assert here.cube(*asked, {"private": False}) != [first]  # another question
    monkeypatch.setattr(module, "KEPT_S", 0.0)
    assert here.cube(*asked)[0][1] == 2


def test_what_runs_is_read_each_time(ledger: Ledger, books: MakeBooks) -> None:
    here = books("2026-02-20T12:00")
    asked = ("model", (), us("2026-02-20T00:00"), us("2026-02-21T00:00"))
    assert here.cube(*asked) == []
    ledger.put("2026-02-20T11:00")
    assert here.cube(*asked)[0][0] == 1


def test_what_is_remembered_is_bounded(
    ledger: Ledger, books: MakeBooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 6)
    monkeypatch.setattr(module, "MOST_MODELS", 2)
    ledger.put("2026-02-20T10:00")
    here = books()
    day_us = us("2026-02-21T00:00") - us("2026-02-20T00:00")
    for number in range(10):
        here.cube("model", ("model",), us("2026-02-20T00:00"), us("2026-02-21T00:00") + number * day_us)
        here.maker(f"a/{number}")
    assert len(here._kept) == 3  # of a row each, and one for the question
    assert len(here._makers) <= 2
