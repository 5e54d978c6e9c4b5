"""What can be told of a batch's row alone."""

from batching import batch_row

from tokenworks.ledger import batched


def test_what_waits_is_what_is_not_settled() -> None:
    assert batch_row(total=10, done=3, failed=2).waiting == 5
    assert batch_row(total=1, done=2).waiting == 0


def test_every_status_is_under_way_waiting_or_over() -> None:
    assert len({*batched.RUNNING, batched.PAUSED, *batched.OVER}) == 9
    assert set(batched.OPEN).isdisjoint(batched.OVER)
