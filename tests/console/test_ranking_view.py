from typing import Any

from tokenworks.console.ranking_names import Names
from tokenworks.console.ranking_query import read
from tokenworks.console.ranking_view import Board, Cell, Painter
from tokenworks.console.strings import Strings
from tokenworks.rankings.chart import Chart, Series
from tokenworks.rankings.table import Table
from tokenworks.rankings.views import VIEWS

STRINGS = Strings.load(strict=True)


def painter(view: str = "model", *, admin: bool = True, **given: str) -> Painter:
    return Painter(Names(STRINGS, "en"), read(given, view, "UTC", admin=admin), admin=admin)


def table(rows: list[dict[str, Any]], view: str = "model") -> Table:
    columns = VIEWS[view].columns
    whole = [{each.name: row.get(each.name) for each in columns} | row for row in rows]
    total = {"tokens": 100, "share": 1.0}
    return Table(view, "week", "2026-W08", "", "", "UTC", True, "", list(columns), whole, total)


ROWS = [
    {"rank": 1, "model": "acme/large", "author": "acme", "country": "FR", "weights": "open", "tokens": 60},
    {"rank": 2, "model": "acme/small", "author": "acme", "country": "", "weights": "closed", "tokens": 30},
    {"rank": None, "model": "others", "tokens": 10, "share": 0.1},
]


def named(board: Board, line: int) -> dict[str, Cell]:
    return {head.name: cell for head, cell in zip(board.heads, board.lines[line].cells, strict=True)}


def test_rows_have_names_figures_and_links() -> None:
    first, second = ROWS[0] | {"share": 0.6, "change": 1.97, "rank_change": 2}, ROWS[1] | {"share": 0.3}
    board = painter().board(table([first, second, ROWS[2]]))
    assert [head.name for head in board.heads][:7] == [
        *("rank", "model", "tokens", "share", "change", "rank_change", "author")
    ]
    cells = named(board, 0)
    assert cells["tokens"].text == "60" and cells["share"].text == "60 %" and cells["share"].part == 0.6
    assert cells["change"].text == "+197 %" and cells["rank_change"].value == 2
    assert cells["model"].address == "/console/rankings/provider?model=acme%2Flarge"
    assert cells["author"].address == "/console/rankings/model?author=acme"
    assert (
        cells["country"].text == "France"
        and cells["country"].address == "/console/rankings/author?country=FR"
    )
    assert named(board, 1)["country"].address == "/console/rankings/author?country=unknown"
    others = named(board, 2)
    assert board.lines[2].kind == "others" and others["model"].text == "All others"
    assert others["model"].address == "" and others["share"].part is None and others["rank"].text == ""
    assert board.most == 0.6 and not board.filled
    assert board.total is not None and [c.text for c in board.total.cells][1:4] == ["Total", "100", "100 %"]


def test_a_name_leads_on_to_what_can_still_be_told() -> None:
    at_app = painter("model", app="Editor").board(table(ROWS))
    assert named(at_app, 0)["model"].address.startswith("/console/rankings/app?app=Editor&model=acme%2Flarge")
    narrowed = painter("model", author="acme").board(table(ROWS))
    assert named(narrowed, 0)["author"].address == ""  # where one is already
    outside = painter("model", source="there").board(table(ROWS))
    assert named(outside, 0)["model"].address == "/console/rankings/model?source=there&model=acme%2Flarge"
    stranger = painter("model", admin=False, key="k").board(table(ROWS))
    assert "/key" not in named(stranger, 0)["model"].address


def test_keys_are_followed_by_their_ids() -> None:
    row = {"rank": 1, "key": "ci", "key_id": "key-7", "team": "red", "tokens": 5}
    board = painter("key").board(table([row], "key"))
    assert named(board, 0)["key"].address == "/console/rankings/model?key=key-7"
    assert "key_id" not in [head.name for head in board.heads]


def test_rows_are_sorted_with_the_others_last() -> None:
    board = painter(sort="tokens").board(table(ROWS))
    assert [line.cells[1].text for line in board.lines] == ["acme/small", "acme/large", "All others"]
    assert {head.name: head.now for head in board.heads}["tokens"] == "ascending"
    unknown = painter(sort="nothing").board(table(ROWS))
    assert unknown.lines[0].cells[1].text == "acme/large"


def test_filled_rows_are_marked() -> None:
    board = painter().board(table([ROWS[0] | {"filled": True}, ROWS[1] | {"filled": False}]))
    assert board.filled and [line.filled for line in board.lines] == [True, False]


def test_a_chart_has_names_and_knows_its_others() -> None:
    chart = Chart(
        "country",
        "week",
        "UTC",
        "",
        True,
        ["2026-W07"],
        [Series("CN", [5]), Series("", [2]), Series("others", [1])],
    )
    drawn = painter("country").chart(chart)
    assert [(each["name"], each["values"], each["others"]) for each in drawn["series"]] == [
        ("China", [5], False),
        ("Unknown", [2], False),
        ("All others", [1], True),
    ]
    assert drawn["kind"] == "stacked" and drawn["x"] == "Week"
