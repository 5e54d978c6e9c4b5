from tokenworks.batches.timing import Timing


def test_a_worker_beats_often_enough_to_be_known_alive_and_others_take_over_in_time() -> None:
    usual = Timing()
    assert usual.beat_s * 3 < usual.dead_s * 0.8, "two heartbeats may be missed"
    assert usual.dead_s + 5 * usual.round_s + 2 * usual.poll_s < 30
