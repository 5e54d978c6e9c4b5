import msgspec
import pytest

from tokenworks.ledger import record as rec
from tokenworks.ledger.record import Record, decode, encode, fit


def test_it_survives_the_round_trip_whole(make) -> None:
    record = make(stream=True, estimated=True, reasons="acme:429 beta:ok", user="ü🙂")
    assert decode(encode(record)) == record


def test_an_old_journals_shorter_record_gets_the_defaults() -> None:
    old = msgspec.msgpack.encode(["gen-1764000000-a", 1764000000_000000, "k_1", "app"])
    assert decode(old) == Record("gen-1764000000-a", 1764000000_000000, "k_1", "app")


def test_a_newer_journals_longer_record_is_read_as_far_as_known(make) -> None:
    record = make()
    newer = msgspec.msgpack.encode([*msgspec.structs.astuple(record), "a field of the future", 7])
    assert decode(newer) == record


def test_field_order_is_the_format_and_never_changes() -> None:
    assert rec.FIELDS[:26] == (
        *("id", "time_us", "key_id", "app", "session", "user", "kind", "requested_model", "model"),
        *("provider", "stream", "status", "outcome", "finish_reason", "attempts", "reasons"),
        *("uncached_input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens"),
        *("reasoning_tokens", "price_id", "cost_nano_usd", "latency_us", "ttft_us", "estimated"),
    )


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (2**70, rec.MAX_TOKENS),
        (2**63, rec.MAX_TOKENS),
        (-5, 0),
        (-(2**80), 0),
        (12.0, 12),
        (float("inf"), rec.MAX_TOKENS),
        (float("nan"), 0),
        (None, 0),
        ("many", 0),
        (True, 1),
    ],
)
def test_whatever_an_upstream_reports_becomes_a_count_within_limits(make, given, kept) -> None:
    assert decode(encode(make(output_tokens=given))).output_tokens == kept


def test_text_that_is_no_unicode_is_kept_as_far_as_it_is(make) -> None:
    assert decode(encode(make(app="a\ud800b", user=None))).app == "a?b"


@pytest.mark.parametrize(
    "payload", [b"", b"\xc1", b"\x01", b"\x90", b"\x92\x01\x02", b"\xdc\x00\x1a", b"\xa3abc"]
)
def test_what_is_no_record_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match="not a record"):
        decode(payload)


def test_a_long_record_is_cut_but_never_its_id_or_its_numbers(make) -> None:
    record = make(session="s" * 5000, user="🙂" * 5000, model="m" * 300, cost_nano_usd=12345)
    payload = fit(record, 496)
    short = decode(payload)
    assert len(payload) <= 496
    assert (short.id, short.time_us, short.cost_nano_usd) == (record.id, record.time_us, 12345)
    assert short.session == "s" * len(short.session)
    assert record.session == "s" * 5000, "the caller's own record is left alone"
    assert len(encode(make(app="x" * 1_000_000))) <= rec.MAX_PAYLOAD


def test_an_id_that_fits_nowhere_is_a_bug_and_said_so(make) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        fit(make(id="g" * 600), 496)
