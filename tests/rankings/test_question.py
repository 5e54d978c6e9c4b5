"""Questions in words, as the command line, the API and the console ask them."""

from collections.abc import Callable

import pytest
from ranked_ledger import Ledger

from tokenworks.errors import BadRequest
from tokenworks.rankings.books import Books
from tokenworks.rankings.question import Question, answer, picture

MakeBooks = Callable[..., Books]


def test_what_is_asked_is_answered(ledger: Ledger, books: MakeBooks) -> None:
    ledger.put("2026-02-20T00:00", 600, model="a/x")
    ledger.put("2026-02-20T00:00", 300, model="b/y", private=True)
    ledger.told("article", ("2026-02-16", "week", "a/x", 100))
    here = books()
    found = answer(here, Question("model", top=1, against="article"))
    assert (found.period, len(found.rows), found.rows[0]["share_there"]) == ("2026-W08", 2, 1.0)
    assert answer(here, Question("model", private=False)).total["tokens"] == 600
    assert answer(here, Question("author", source="article")).rows[0]["author"] == "a"
    assert answer(here, Question("model", "month", "2026-02", where={"author": "b"})).total["tokens"] == 300
    assert picture(here, Question("model", top=9)).labels == ["2026-W08"]
    assert picture(here, Question("model", source="article", top=9)).series[0].values == [100]


@pytest.mark.parametrize(
    ("asked", "fix"),
    [
        (Question("modle", at="junk"), "no such view; there are model, author, country"),
        (Question("countries"), "write country for countries"),
        (Question("models"), "write model for models"),
        (Question(at="2026-W61"), "2026 has 53 weeks"),
        (Question(source="nobody"), "no source of that name"),
        (Question(against="nobody"), "no source of that name"),
        (Question(source="a", against="b"), "leave out source or against"),
        (Question(top=0), "top must be at least 1"),
        (Question(where={"weather": "fine"}), "can't be narrowed by weather; it can by model, author"),
        (Question(where={"model": "a\0"}), "a name is 1 to 256 characters that can be stored"),
        (Question(where={"model": "a" * 257}), "a name is 1 to 256 characters"),
        (Question(where={"model": "a\ud800"}), "a name is 1 to 256 characters"),
    ],
)
def test_what_can_not_be_answered_names_the_fix(books: MakeBooks, asked: Question, fix: str) -> None:
    with pytest.raises(BadRequest, match=fix):
        answer(books(), asked)


def test_pictures_refuse_the_same(books: MakeBooks) -> None:
    with pytest.raises(BadRequest, match="no source"):
        picture(books(), Question(source="nobody"))
    with pytest.raises(BadRequest, match="write model"):
        picture(books(), Question("models"))
