"""Times as tables tell them."""

from tokenworks.rankings.views.told import iso


def test_times_are_whole_seconds_in_utc() -> None:
    assert iso(0) == "1970-01-01T00:00:00Z"
    assert iso(1_771_200_000_999_999) == "2026-02-16T00:00:00Z"
