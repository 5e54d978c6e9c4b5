import threading

import pytest

from tokenworks.ledger.postgres.shapes import Shapes
from tokenworks.ledger.rollups import SHAPE


def shape(app: str) -> tuple:
    values = {"app": app, "stream": False, "estimated": True, "private": False, "status": 200, "attempts": 1}
    return tuple(values.get(name, "") for name in SHAPE)


def learned(store, shapes: Shapes) -> None:
    shapes.learn(store._transact(shapes.find))


def test_the_same_shape_has_one_id_for_all(store, sql) -> None:
    one, other = Shapes(), Shapes()
    assert [one.number(shape(app)) for app in "ab"] == [0, 1]
    assert not one.complete
    learned(store, one)
    assert one.complete
    assert [other.number(shape(app)) for app in "bca"] == [0, 1, 2]
    learned(store, other)
    assert one.row(("f", 1)) == other.row(("f", 0))
    assert one.row(("f", 0)) == other.row(("f", 2))
    assert sql("SELECT count(*) FROM request_shapes") == [(3,)]


def test_many_that_find_the_same_shapes_at_once_do_not_lock_each_other_up(store, sql) -> None:
    found: list[tuple] = []
    start = threading.Barrier(4)

    def find(turn: int) -> None:
        mine = Shapes()
        apps = [f"app{n}" for n in range(300)]
        for app in apps if turn % 2 else reversed(apps):
            mine.number(shape(app))
        start.wait()
        learned(store, mine)
        rows = [mine.row((n,)) for n in range(300)]
        found.append(tuple(rows if turn % 2 else reversed(rows)))

    threads = [threading.Thread(target=find, args=(turn,)) for turn in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1
    assert sql("SELECT count(*) FROM request_shapes") == [(300,)]


def test_what_cannot_be_stored_is_refused_at_once() -> None:
    shapes = Shapes()
    with pytest.raises(ValueError, match="NUL"):
        shapes.number(shape("a\0"))
    with pytest.raises(UnicodeEncodeError):
        shapes.number(shape("\ud800"))
    assert shapes.complete
    shapes.number(shape("a"))
    shapes.forget()
    assert shapes.complete
