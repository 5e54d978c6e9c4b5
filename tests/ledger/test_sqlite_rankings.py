import sqlite3

import pytest
from ranking_records import DAY_US, MONDAY_US, ranking_records, recounted

from tokenworks.ledger.cubes import CUBES
from tokenworks.ledger.labelled import MAX_WEIGHT, Labels, encode
from tokenworks.ledger.outside import OutsideRow
from tokenworks.ledger.record import MAX_COST_NANO_USD, MAX_TOKENS, Record
from tokenworks.ledger.rollups import MEASURES
from tokenworks.ledger.tallies import TALLIES, WEEKS, mix_of, week_of

FAR_US = 2**60


def in_batches(store, records: list[Record], size: int = 97) -> None:
    for start in range(0, len(records), size):
        store.append("w", start + 1, records[start : start + size])


def test_every_table_equals_a_recount_after_many_batches(store, tmp_path) -> None:
    records = ranking_records(1_500)
    in_batches(store, records)
    wanted = recounted(records)
    connection = sqlite3.connect(tmp_path / "ledger.db")
    try:
        for tally in (*TALLIES, WEEKS):
            keys = ", ".join(name for name in tally.keys if name != "mix")
            sums = ", ".join(name for name in tally.columns if name not in tally.keys)
            rows = connection.execute(f"SELECT {keys}, {sums} FROM {tally.table}").fetchall()
            width = len(tally.keys) - ("mix" in tally.keys)
            assert {row[:width]: row[width:] for row in rows} == wanted[tally.table], tally.table
        assert connection.execute("SELECT count(*) FROM labels").fetchone()[0] == sum(
            1 for record in records if record.labels
        )
    finally:
        connection.close()


def test_no_usage_that_an_upstream_claims_can_overflow_a_sum_of_labels(store, make) -> None:
    labels = encode(Labels("code", "en", "python", MAX_WEIGHT))
    most = {"uncached_input_tokens": MAX_TOKENS, "output_tokens": MAX_TOKENS}
    for number in range(20):
        records = [
            make(id=f"gen-1-{number}x{each}", labels=labels, cost_nano_usd=MAX_COST_NANO_USD, **most)
            for each in range(100)
        ]
        store.append("w", number + 1, records)
    [(samples, requests, tokens, cost)] = store.cube("label", [], 0, FAR_US, where={"kind": "task"})
    assert (samples, requests) == (2_000, 2_000 * MAX_WEIGHT)
    assert (tokens, cost) == (2_000 * MAX_TOKENS, 2_000 * MAX_COST_NANO_USD)
    [(_, tokens, _)] = store.cube("share", [], 0, FAR_US, where={"kind": "task"})
    assert tokens == 2_000 * MAX_TOKENS


def test_cubes_agree_with_each_other_and_with_the_records(store) -> None:
    records = ranking_records(600)
    in_batches(store, records)
    tokens = MEASURES.index("output_tokens")
    wanted = sum(record.output_tokens for record in records)
    for name in ("model", "provider", "hour", "app", "key"):
        [row] = store.cube(name, [], 0, FAR_US)
        assert row[tokens] == wanted, name
        by_week = store.cube(name, ["week"], 0, FAR_US)
        assert {row[0] for row in by_week} == {week_of(r.time_us // DAY_US) for r in records}
        assert sum(row[1 + tokens] for row in by_week) == wanted
    public = store.cube("model", ["model"], 0, FAR_US, where={"private": False})
    assert {row[0]: row[1] for row in public} == {
        model: sum(1 for r in records if r.model == model and not r.private)
        for model in {r.model for r in records}
    }
    assert store.cube("model", ["model"], 0, DAY_US) == []
    assert store.cube("model", [], 0, DAY_US) == []


def test_bounds_are_cut_to_whole_days_and_hours(store) -> None:
    day = MONDAY_US // DAY_US
    store.append(
        "w",
        1,
        [
            Record("gen-1-a", MONDAY_US + 5 * 3_600_000_000, model="m"),
            Record("gen-1-b", MONDAY_US + DAY_US, model="m"),
        ],
    )
    assert store.bounds() == (day, day + 1)
    assert store.cube("model", ["day"], MONDAY_US + 7, MONDAY_US + DAY_US + 7)[0][:2] == (day, 1)
    assert store.cube("hour", ["day"], MONDAY_US + 6 * 3_600_000_000, MONDAY_US + DAY_US + 3_600_000_000)[0][
        :2
    ] == (day + 1, 1)


def test_a_store_without_requests_has_no_bounds(store) -> None:
    assert store.bounds() is None
    assert store.outside_sources() == []


def test_sessions_are_a_fair_sample_of_whole_sessions(store) -> None:
    records = [
        Record(f"gen-1-{n}-{turn}", MONDAY_US + n, session=f"s{n}", key_id="k", model="m", cost_nano_usd=n)
        for n in range(50)
        for turn in range(3)
    ]
    in_batches(store, records)
    week = week_of(MONDAY_US // DAY_US)
    every = store.session_sums(week)
    assert len(every) == 50
    assert {row.turns for row in every} == {3}
    assert sum(row.cost_nano_usd for row in every) == sum(r.cost_nano_usd for r in records)
    some = store.session_sums(week, limit=10)
    assert {row.session for row in some} == {
        name for _, name in sorted((mix_of(f"s{n}", "k"), f"s{n}") for n in range(50))[:10]
    }
    assert store.session_sums(week, private=True) == []
    assert store.session_sums(week - 1) == []
    half = Record("gen-1-x", MONDAY_US, session="s7", key_id="k", model="m", cost_nano_usd=2, private=True)
    store.append("w", 9999, [half])
    assert len(store.session_sums(week)) == 50, "one session, whatever part of it is private"
    [whole] = [row for row in store.session_sums(week) if row.session == "s7"]
    assert (whole.turns, whole.cost_nano_usd) == (4, 23)
    assert (whole.first_us, whole.last_us) == (MONDAY_US, MONDAY_US + 7)
    assert [row.turns for row in store.session_sums(week, private=True)] == [1]


def test_a_search_finds_the_newest_that_fit_page_by_page(store, monkeypatch) -> None:
    records = ranking_records(300)
    in_batches(store, records)
    newest = sorted(records, key=lambda r: (r.time_us, r.id), reverse=True)
    strip = ("labels",)
    found = store.search(0, FAR_US, limit=300)
    assert [r.id for r in found] == [r.id for r in newest]
    for field in Record.__struct_fields__:
        if field not in (*strip, "charges", "sheet", "credits", "decision", "traceparent"):
            assert [getattr(r, field) for r in found] == [getattr(r, field) for r in newest], field
    where = {"model": "acme/slow", "private": True, "user": "ann"}
    fitting = [r.id for r in newest if r.model == "acme/slow" and r.private and r.user == "ann"]
    assert len(fitting) > 3
    first = store.search(0, FAR_US, limit=2, where=where)
    rest = store.search(0, FAR_US, limit=300, where=where, before=first[-1])
    assert [r.id for r in first + rest] == fitting
    monkeypatch.setattr("tokenworks.ledger.cubes.MOST_LOOKED_AT", 20)
    assert {r.id for r in store.search(0, FAR_US, where=where)} <= {r.id for r in newest[:21]}


def test_what_others_told_is_replaced_span_by_span(store) -> None:
    told = [OutsideRow("x", 20_500, "week", name, tokens=n, filled=n > 1) for n, name in enumerate("abc")]
    assert store.replace_outside("x", told, actor="me") == 3
    store.replace_outside("x", [OutsideRow("x", 20_500, "day", "a", tokens=9)])
    store.replace_outside("y", [OutsideRow("", 20_500, "week", "a", 1, 2, 3, 4)])
    store.replace_outside("x", [OutsideRow("x", 20_500, "week", "d", tokens=8)])
    assert store.outside("x", 20_500, 20_501) == [
        OutsideRow("x", 20_500, "day", "a", tokens=9),
        OutsideRow("x", 20_500, "week", "d", tokens=8),
    ]
    assert store.outside("y", 0, 30_000) == [OutsideRow("y", 20_500, "week", "a", 1, 2, 3, 4)]
    assert store.outside("x", 20_501, 30_000) == []
    assert [(s.source, s.rows) for s in store.outside_sources()] == [("x", 2), ("y", 1)]
    assert store.forget_outside("x", actor="me") == 2
    assert store.forget_outside("x") == 0
    assert [entry.action for entry in store.audit(target="x")] == [
        *("rankings.forget", "rankings.import", "rankings.import", "rankings.import")
    ]


def test_an_import_that_fails_leaves_what_was_there(store) -> None:
    store.replace_outside("x", [OutsideRow("x", 1, "day", "a", tokens=1)])
    with pytest.raises(Exception, match="UNIQUE"):
        store.replace_outside("x", [OutsideRow("x", 1, "day", "b", tokens=2)] * 2)
    assert [row.model for row in store.outside("x", 0, 9)] == ["a"]


def test_every_cube_can_be_asked_by_each_of_its_dimensions(store) -> None:
    in_batches(store, ranking_records(50))
    for name, cube in CUBES.items():
        times = ("week",) if name == "share" else ("day", "week")
        for by in ([], *([each] for each in (*cube.dimensions, *times)), list(cube.dimensions)):
            rows = store.cube(name, by, 0, FAR_US)
            assert all(len(row) == len(by) + len(cube.measures) for row in rows)
            assert rows, (name, by)
