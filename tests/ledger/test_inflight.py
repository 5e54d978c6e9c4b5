import os
import struct
from pathlib import Path

import pytest

from tokenworks.ledger.inflight import HEADER_BYTES, InFlight, read_slots
from tokenworks.ledger.record import MAX_CHARGE


def seen(flight: InFlight) -> dict[str, int]:
    return {record.id: events for record, events in read_slots(flight.path.read_bytes()).open}


def test_what_is_open_can_be_read_without_the_owners_help(tmp_path: Path, make) -> None:
    flight = InFlight(tmp_path, "w", slots=8)
    records = [make(), make(), make()]
    slots = [flight.open(record) for record in records]
    flight.touch(slots[1], 41)
    flight.touch(slots[1], 42)
    flight.release(slots[0])
    assert seen(flight) == {records[1].id: 42, records[2].id: 0}
    assert flight.count() == 2
    assert read_slots(flight.path.read_bytes()).open[0][0] == records[1]
    flight.close()
    flight.close()


def test_a_slot_used_again_starts_from_nothing(tmp_path: Path, make) -> None:
    flight = InFlight(tmp_path, "w", slots=1)
    slot = flight.open(make(app="x" * 90))
    flight.touch(slot, 9)
    flight.release(slot)
    flight.release(slot)
    assert flight.count() == 0
    record = make()
    assert flight.open(record) == slot
    assert seen(flight) == {record.id: 0}
    flight.close()


def test_it_grows_and_nothing_moves(tmp_path: Path, make) -> None:
    flight = InFlight(tmp_path, "w", slots=2)
    records = [make() for _ in range(100)]
    slots = [flight.open(record) for record in records]
    for number, slot in enumerate(slots):
        flight.touch(slot, number)
    assert flight.count() == 100
    assert len(set(slots)) == 100
    assert seen(flight) == {record.id: number for number, record in enumerate(records)}
    for slot in slots:
        flight.release(slot)
    assert flight.count() == 0
    assert seen(flight) == {}
    flight.close()


def test_growing_where_there_is_no_room_refuses_and_harms_nothing(tmp_path: Path, make, monkeypatch) -> None:
    flight = InFlight(tmp_path, "w", slots=1)
    first = make()
    slot = flight.open(first)

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(OSError, match="No space"):
        flight.open(make())
    assert seen(flight) == {first.id: 0}
    flight.release(slot)
    assert flight.open(make()) == slot
    with pytest.raises(OSError, match="No space"):
        InFlight(tmp_path, "v")
    assert not list(tmp_path.glob("v.*"))
    flight.close()


def test_its_blocks_are_taken_at_once(tmp_path: Path) -> None:
    flight = InFlight(tmp_path, "w", slots=1000)
    assert flight.path.stat().st_blocks * 512 >= 1000 * 768
    flight.close()


def test_a_replaced_slot_keeps_its_count_and_is_never_missing(tmp_path: Path, make) -> None:
    flight = InFlight(tmp_path, "w", slots=4)
    record = make(model="")
    slot = flight.open(record)
    flight.touch(slot, 5)
    record.model = "acme/slow"
    slot = flight.update(slot, record)
    flight.touch(slot, 6)
    assert flight.count() == 1
    [(found, events)] = read_slots(flight.path.read_bytes()).open
    assert (found.model, events) == ("acme/slow", 6)
    flight.close()


def test_long_and_hostile_strings_are_cut_to_the_slot(tmp_path: Path, make) -> None:
    flight = InFlight(tmp_path, "w", slots=4, slot_bytes=256)
    record = make(app="\ud800" * 9000, session="🙂" * 9000, requested_model="m" * 9000, output_tokens=2**90)
    flight.open(record)
    neighbour = make()
    flight.open(neighbour)
    assert set(seen(flight)) == {record.id, neighbour.id}
    flight.close()


def test_what_is_reserved_is_never_cut(tmp_path: Path, make) -> None:
    flight = InFlight(tmp_path, "w", slots=4)
    charges = tuple(n for number in range(24) for n in (MAX_CHARGE - number, 1_764_000_000, MAX_CHARGE))
    record = make(app="a" * 900, session="🙂" * 900, model="m" * 900, charges=charges)
    slot = flight.open(record)
    record.charges = charges[3:]
    flight.update(slot, record)
    [(found, _)] = read_slots(flight.path.read_bytes()).open
    assert (found.id, found.charges) == (record.id, charges[3:])
    with pytest.raises(ValueError, match="does not fit"):
        flight.open(make(charges=charges * 2))
    assert flight.count() == 1
    flight.close()


def test_a_torn_slot_is_told_apart_and_costs_no_other(tmp_path: Path, make) -> None:
    flight = InFlight(tmp_path, "w", slots=8)
    torn, whole, unborn = make(), make(), make()
    flight.open(torn)
    flight.open(whole)
    slot = flight.open(unborn)
    flight.close()
    data = bytearray(flight.path.read_bytes())
    data[HEADER_BYTES + 16 + 30] ^= 0xFF  # the content of the first slot changed under its crc
    struct.pack_into("Q", data, slot * 8 + 8, 0)  # killed before the third one's word was stored
    slots = read_slots(bytes(data))
    assert [record.id for record, _ in slots.open] == [whole.id]
    assert slots.torn == 1
    struct.pack_into("Q", data, HEADER_BYTES + 8, 2**64 - 1)  # an impossible length
    assert read_slots(bytes(data)).torn == 1


@pytest.mark.parametrize("data", [b"", b"TWINFL1\n", bytes(8192), b"TWINFL1\n" + bytes(8192)])
def test_what_is_no_such_file_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="not an in-flight file"):
        read_slots(data)


def test_sizes_that_can_not_work_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="multiple of 8"):
        InFlight(tmp_path, "w", slot_bytes=100)
