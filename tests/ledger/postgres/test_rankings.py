"""The same records give the same answers from both engines."""

import pytest
from ranking_records import DAY_US, MONDAY_US, ranking_records

from tokenworks.errors import StoreError
from tokenworks.ledger.cubes import CUBES
from tokenworks.ledger.labelled import MAX_WEIGHT, Labels, encode
from tokenworks.ledger.outside import OutsideRow
from tokenworks.ledger.record import MAX_TOKENS
from tokenworks.ledger.sqlite import SqliteStore
from tokenworks.ledger.tallies import week_of

FAR_US = 2**60


@pytest.fixture
def both(store, tmp_path):
    other = SqliteStore(str(tmp_path / "ledger.db"))
    other.migrate()
    yield store, other
    other.close()


def test_rankings_of_both_engines_are_the_same(both) -> None:
    records = ranking_records(700)
    for start in range(0, len(records), 64):
        for store in both:
            store.append("w", start + 1, records[start : start + 64])
    one, other = both
    for name, cube in CUBES.items():
        for by in ([], list(cube.dimensions), ["week", *cube.dimensions[:1]], ["week"]):
            assert sorted(one.cube(name, by, 0, FAR_US)) == sorted(other.cube(name, by, 0, FAR_US)), (
                name,
                by,
            )
    assert sorted(
        one.cube("app", ["app"], 0, FAR_US, where={"private": True, "model": "acme/fast"})
    ) == sorted(other.cube("app", ["app"], 0, FAR_US, where={"private": True, "model": "acme/fast"}))
    some = {"model": ["acme/fast", "other/x"], "private": False}
    assert sorted(one.cube("app", ["model"], 0, FAR_US, where=some)) == sorted(
        other.cube("app", ["model"], 0, FAR_US, where=some)
    )
    assert {row[0] for row in one.cube("app", ["model"], 0, FAR_US, where=some)} == {*some["model"]}
    two = ("output_tokens", "requests")
    at = [CUBES["app"].measures.index(name) + 1 for name in two]
    wanted = sorted((row[0], *(row[n] for n in at)) for row in one.cube("app", ["model"], 0, FAR_US))
    for each in both:
        assert sorted(each.cube("app", ["model"], 0, FAR_US, measures=two)) == wanted
    assert one.cube("app", ["model"], 0, FAR_US, where={"model": []}) == []
    assert one.bounds() == other.bounds() is not None
    week = week_of(MONDAY_US // DAY_US)
    for private in (None, True, False):
        assert one.session_sums(week, private=private) == other.session_sums(week, private=private) != []
    assert one.session_sums(week, limit=3) == other.session_sums(week, limit=3)
    where = {"app": "cli", "stream": True}
    assert one.search(0, FAR_US, where=where) == other.search(0, FAR_US, where=where) != []
    page = one.search(0, FAR_US, limit=7)
    assert one.search(0, FAR_US, before=page[-1], limit=9) == other.search(
        0, FAR_US, before=page[-1], limit=9
    )


def test_what_others_told_is_kept_all_or_nothing(both, sql) -> None:
    for store in both:
        assert store.bounds() is None
        store.replace_outside("x", [OutsideRow("x", 5, "week", "a", tokens=1, filled=True)], actor="me")
        store.replace_outside("x", [OutsideRow("x", 5, "day", "a", 1, 2, 3, 4)])
        with pytest.raises(StoreError):
            store.replace_outside("x", [OutsideRow("x", 5, "day", "b")] * 2)
        store.replace_outside("x", [OutsideRow("x", 5, "week", "b", tokens=2)])
    one, other = both
    assert one.outside("x", 0, 9) == other.outside("x", 0, 9)
    assert len(one.outside("x", 0, 9)) == 2
    assert one.outside_sources() == other.outside_sources()
    assert one.forget_outside("x") == other.forget_outside("x") == 2
    assert one.forget_outside("x") == 0


def test_long_names_of_users_and_sessions_do_not_stop_the_drainer(store, make) -> None:
    long = "".join(chr(0x1F300 + n % 700) for n in range(20_000))
    store.append(
        "w",
        1,
        [
            make(
                user=long,
                session=long,
                key_id=long[:200],
                model=long[:200],
                finish_reason=long,
                reasons=f"{long}:500",
            )
        ],
    )
    assert store.cube("user", ["user"], 0, FAR_US)[0][0] == long[:256]
    assert store.session_sums(week_of(1_764_000_100 // 86_400))[0].session == long[:64]


def test_nothing_that_a_request_says_stops_the_drainer(store, make) -> None:
    labels = encode(Labels("co\0de", "en", "", MAX_WEIGHT))
    most = {"uncached_input_tokens": MAX_TOKENS, "output_tokens": MAX_TOKENS, "cost_nano_usd": 10**13}
    for at, name in enumerate(("\0", "a\0b", "c")):
        names = dict.fromkeys(("user", "session", "app", "model", "provider", "finish_reason"), name)
        records = [make(labels=labels, reasons=f"{name}:500", **names, **most) for _ in range(50)]
        store.append("w", at + 1, records)
    [(samples, _, tokens, _)] = store.cube("label", [], 0, FAR_US, where={"kind": "task"})
    assert (samples, tokens) == (150, 150 * MAX_TOKENS)
    assert {row[0] for row in store.cube("user", ["user"], 0, FAR_US)} == {"\ufffd", "a\ufffdb", "c"}
