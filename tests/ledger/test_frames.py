from hypothesis import given, settings
from hypothesis import strategies as st

from tokenworks.ledger import frames
from tokenworks.ledger.record import Record, encode

RECORDS = [Record(f"gen-1764000000-{i:04d}", 1764000000_000000 + i, app="a" * i) for i in range(8)]
FRAMES = [frames.frame(encode(record)) for record in RECORDS]
WHOLE = b"".join(FRAMES)


def test_what_was_framed_is_found() -> None:
    assert frames.scan(WHOLE) == (RECORDS, len(WHOLE), False)
    assert frames.scan(b"") == ([], 0, False)


@given(cut=st.integers(0, len(WHOLE)))
def test_a_file_cut_anywhere_gives_the_whole_frames_before_the_cut(cut: int) -> None:
    found = frames.scan(WHOLE[:cut])
    whole = next((i for i in range(9) if sum(map(len, FRAMES[: i + 1])) > cut or i == 8), 8)
    assert found.records == RECORDS[:whole]
    assert found.end == sum(map(len, FRAMES[:whole]))
    assert not found.corrupt


@settings(max_examples=200)
@given(at=st.integers(0, len(WHOLE) - 1), bit=st.integers(0, 7))
def test_a_flipped_bit_costs_one_record_and_never_makes_a_wrong_one(at: int, bit: int) -> None:
    data = bytearray(WHOLE)
    data[at] ^= 1 << bit
    records, end, _ = frames.scan(bytes(data))
    found = list(records)
    while (begin := frames.resume(bytes(data[end:]), 0)) >= 0:
        more = frames.scan(bytes(data[end + begin :]))
        found += more.records
        end += begin + more.end
    assert len(found) == len(RECORDS) - 1
    assert all(record in RECORDS for record in found)


def test_zeros_and_foreign_bytes_are_corrupt_not_waited_for() -> None:
    assert frames.scan(bytes(64)).corrupt
    assert frames.scan(FRAMES[0] + frames.frame(b"no record")) == (RECORDS[:1], len(FRAMES[0]), True)
    assert frames.resume(bytes(1000), 0) == -1


def test_a_header_names_the_file() -> None:
    assert frames.identity(frames.header(b"\x01" * 16)) == "01" * 16
    assert frames.identity(frames.header(b"\x01" * 16)[:-1]) is None
    assert frames.identity(b"something else entirely") is None
