import threading
from typing import Any

from tokenworks.providers.scripted.book import Book, ModelTotals, Received, add
from tokenworks.schema import Usage


def received(number: int, **more: Any) -> Received:
    return Received(number=number, connection=1, method="POST", path="/v1/x", headers={}, **more)


def test_what_ended_is_summed_once() -> None:
    book = Book()
    one, two = received(1, stream=True, model="a", raw=b'{"x":1}'), received(2, model="b")
    book.begin(one)
    book.begin(two)
    assert (book.totals.open_requests, book.totals.open_streams) == (2, 1)
    one.usage, one.chunks_sent, one.status = Usage(1, 2, 3, 4, 5), 7, 200
    for _ in range(2):
        book.end(one, complete=True)
    book.end(two, complete=False, cancelled=True)
    book.end(two, complete=True)
    totals = book.totals
    assert (totals.requests, totals.complete, totals.cancelled) == (2, 1, 1)
    assert (totals.open_requests, totals.open_streams, totals.peak_open_streams) == (0, 0, 1)
    assert (totals.usage, totals.usage_claims, totals.chunks_sent) == (Usage(1, 2, 3, 4, 5), 1, 7)
    assert totals.statuses == {200: 1}
    assert totals.models == {"a": ModelTotals(1, 1, Usage(1, 2, 3, 4, 5)), "b": ModelTotals(1, 0)}
    assert two.cancelled and not two.complete


def test_old_records_and_bodies_are_let_go_but_stay_counted() -> None:
    book = Book(keep=3, keep_body_bytes=10)
    kept = [received(n, raw=b"12345") for n in range(1, 6)]
    for record in kept:
        book.begin(record)
        book.end(record, complete=True)
    assert [record.number for record in book.records] == [3, 4, 5]
    assert [record.raw for record in book.records] == [b"", b"12345", b"12345"]
    assert book.totals.requests == 5


def test_a_reset_keeps_what_is_open() -> None:
    book = Book()
    book.totals.open_connections = 1
    record = received(1, stream=True)
    book.begin(record)
    book.reset()
    assert not book.records
    assert (book.totals.requests, book.totals.open_streams, book.totals.open_connections) == (0, 1, 1)
    book.end(record, complete=True)
    assert book.totals.open_streams == 0


def test_a_report_carries_the_parsed_body() -> None:
    assert received(1, raw=b'{"a": [1]}').report()["body"] == {"a": [1]}
    assert received(1, raw=b"{oops").report()["body"] is None


def test_records_can_be_read_while_they_are_written() -> None:
    book, failed = Book(), []

    def read() -> None:
        try:
            for _ in range(2000):
                list(book.records)
        except RuntimeError as error:
            failed.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(5000):
        book.begin(received(number))
    reader.join()
    assert not failed


def test_usages_add_up() -> None:
    assert add(Usage(1, 2, 3, 4, 5), Usage(10, 20, 30, 40, 50)) == Usage(11, 22, 33, 44, 55)
