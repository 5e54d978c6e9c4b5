"""Sheets: what is packed comes out again, and amounts are what the records say."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tokenworks.ledger.record import Record, decode, encode
from tokenworks.ledger.sheet import CREDITS, TOKENS, amounts, pack, unpack

ENTRIES = st.lists(
    st.tuples(st.integers(1, 2**63 - 1), st.integers(0, 2**32 - 1), st.integers(0, CREDITS)), max_size=20
)


@given(ENTRIES)
def test_what_is_packed_comes_out_again(entries: list[tuple[int, int, int]]) -> None:
    record = Record(id="gen-1-a", time_us=1, sheet=pack(entries), credits=7)
    found = decode(encode(record))
    assert unpack(found.sheet) == entries and found.credits == 7
    assert len(record.sheet) == 13 * len(entries)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_without_a_word(sheet: bytes) -> None:
    for account, _, what in unpack(sheet):
        assert 0 <= account < 2**63 and what <= CREDITS


def test_amounts_follow_from_the_records() -> None:
    one, other = pack([(1, 0, 0)]), pack([(1, 0, 1), (2, 60, TOKENS)])
    records = [
        Record("a", 1, sheet=one, uncached_input_tokens=3, cache_read_tokens=4, cache_write_tokens=5),
        Record("b", 1, sheet=other, output_tokens=9, cost_nano_usd=20, credits=2),
        Record("c", 1, sheet=one, output_tokens=6, cost_nano_usd=30, credits=3),
        Record("d", 1, output_tokens=100, cost_nano_usd=100),
    ]
    assert amounts(records) == {one: [30, 2, 12, 6, 18, 3], other: [20, 1, 0, 9, 9, 2]}
