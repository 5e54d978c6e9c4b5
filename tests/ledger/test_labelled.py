import msgspec
import pytest

from tokenworks.ledger.labelled import MAX_NAME, Labels, encode, read, rows


def test_labels_come_out_as_they_went_in(make) -> None:
    labels = Labels("code", "de", "python", 7)
    record = make(labels=encode(labels))
    assert read(record) == labels
    assert rows([make(), record]) == [(record.time_us, record.id, "code", "de", "python", 7)]
    assert labels.named() == (("task", "code"), ("language", "de"), ("code", "python"))
    assert Labels("chat").named() == (("task", "chat"),)


def test_what_no_column_holds_is_cut_and_what_is_no_label_left_out(make, caplog) -> None:
    assert read(make()) is None
    hostile = read(make(labels=encode(Labels("a\0" * 100, weight=2**62))))
    assert hostile is not None
    assert len(hostile.task) == MAX_NAME
    assert "\0" not in hostile.task
    assert hostile.weight == 10**9
    assert read(make(labels=encode(Labels(weight=-5)))).weight == 1  # type: ignore[union-attr]
    deep = b"\x95\xa1a\xa1b\xa1c\x01" + b"\x91" * 200_000
    for broken in (b"\xff", deep, msgspec.msgpack.encode({"task": 1}), msgspec.msgpack.encode([1, 2])):
        assert read(make(labels=broken)) is None
    assert caplog.text.count("left out") == 4
    with pytest.raises(AttributeError):
        hostile.task = "x"  # type: ignore[misc]
