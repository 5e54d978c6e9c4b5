from collections import Counter
from random import Random

import pytest

from tokenworks.providers.scripted.fault import Fault, cut, pick
from tokenworks.providers.scripted.frame import Frame
from tokenworks.schema import Usage

FRAMES = [Frame(b"0123"), Frame(b"4567", Usage(1)), Frame(b"89", last=True)]


def before(fault: Fault, streamed: bool = True) -> tuple[bytes, int]:
    """The bytes before the cut, and how many frames of them are whole."""
    frames = list(cut(fault, iter(FRAMES), streamed))
    return b"".join(frame.data for frame in frames), sum(not frame.partial for frame in frames)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault("early_close", after_chunk=0), (b"", 0)),
        (Fault("early_close", after_chunk=1), (b"0123", 1)),
        (Fault("early_close"), (b"01234567", 2)),
        (Fault("early_close", at_byte=6), (b"012345", 1)),
        (Fault("early_close", at_byte=8), (b"01234567", 2)),
        (Fault("truncate", after_chunk=1), (b"012345", 1)),
        (Fault("hang_mid", after_chunk=9), (b"0123456789", 3)),
        (Fault("hang_mid", at_byte=99), (b"0123456789", 3)),
    ],
)
def test_a_stream_is_cut_behind_a_chunk_or_a_byte(fault: Fault, expected: tuple[bytes, int]) -> None:
    assert before(fault) == expected


def test_a_body_is_cut_at_a_byte_or_in_its_middle() -> None:
    body = [Frame(b"0123456789", Usage(1))]
    for fault, left in ((Fault("truncate"), b"01234"), (Fault("early_close", at_byte=3), b"012")):
        (frame,) = cut(fault, iter(body), streamed=False)
        assert (frame.data, frame.partial, frame.usage) == (left, True, None)


def test_probability_is_kept_and_repeats_with_the_seed() -> None:
    faults = (Fault("close", probability=0.1), Fault("hang", probability=0.5))
    hits = [pick(faults, Random(n)) for n in range(4000)]
    share = Counter(fault.kind if fault else "none" for fault in hits)
    assert 300 < share["close"] < 500
    assert 1600 < share["hang"] < 2000
    assert hits == [pick(faults, Random(n)) for n in range(4000)]
    assert pick((Fault("close", probability=0),), Random(1)) is None


def test_impossible_faults_are_refused() -> None:
    for make in (
        lambda: Fault("close", probability=1.5),
        lambda: Fault("status", status=99),
        lambda: Fault("early_close", after_chunk=1, at_byte=1),
        lambda: Fault("early_close", at_byte=-1),
        lambda: Fault("drip", step_bytes=0),
    ):
        with pytest.raises(ValueError):
            make()
