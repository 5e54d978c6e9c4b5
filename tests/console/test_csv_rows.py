"""Requests as lines of a file."""

from __future__ import annotations

import csv
import io

import pytest

from tokenworks.console import csv_rows
from tokenworks.ledger.record import Record


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "\n=1", " =1", "\uff1d1"])
def test_formulas_are_disarmed_wherever_callers_can_write_one(text: str) -> None:
    fields = ("app", "session", "user", "requested_model", "model", "provider", "finish_reason", "reasons")
    record = Record("gen-1-a", 1, key_id="k", **dict.fromkeys(fields, text))
    told = dict(zip(csv_rows.COLUMNS, csv_rows.row(record, {"k": text}), strict=True))
    assert [told[name] for name in (*fields, "key")] == [f"'{text}"] * 9


def test_plain_values_stay() -> None:
    record = Record("a", 1, app="a=b", cost_nano_usd=-5)
    told = dict(zip(csv_rows.COLUMNS, csv_rows.row(record, {}), strict=True))
    assert (told["app"], told["user"], told["cost_usd"]) == ("a=b", "", -5e-9)


def parsed(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_pages_are_read_until_there_are_no_more() -> None:
    records = [Record(f"gen-1-{number}", number, app='a,"b"') for number in range(1200)]
    asked: list[tuple[str | None, int]] = []

    def page(last: Record | None, limit: int) -> list[Record]:
        asked.append((last.id if last else None, limit))
        at = records.index(last) + 1 if last else 0
        return records[at : at + limit]

    rows = parsed("".join(csv_rows.lines(page, {})))
    assert [row["id"] for row in rows] == [record.id for record in records]
    assert rows[0]["app"] == 'a,"b"'
    assert asked == [(None, 500), ("gen-1-499", 500), ("gen-1-999", 500)]
    assert len(parsed("".join(csv_rows.lines(page, {}, most=700)))) == 700


def test_an_empty_list_is_a_head() -> None:
    text = "".join(csv_rows.lines(lambda last, limit: [], {}))
    assert text == ",".join(csv_rows.COLUMNS) + "\r\n"


def test_a_row_has_all_columns() -> None:
    record = Record("gen-1-a", 1_000_500, key_id="k", cost_nano_usd=2_500_000, latency_us=1500, stream=True)
    told = dict(zip(csv_rows.COLUMNS, csv_rows.row(record, {"k": "-ops"}), strict=True))
    assert (told["time"], told["key"], told["cost_usd"], told["latency_ms"]) == (
        *("1970-01-01T00:00:01.000Z", "'-ops", 0.0025, 1.5),
    )
    assert told["stream"] == 1
