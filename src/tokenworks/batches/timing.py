"""How long things take in batches, in one place: tests shorten it."""

from __future__ import annotations

import msgspec


class Timing(msgspec.Struct, frozen=True):
    """In seconds."""

    look_s: float = 0.5  # between two looks at a batch's status
    round_s: float = 1.0  # between two looks for batches to begin
    poll_s: float = 0.5  # between two looks of the engine at its queues
    beat_s: float = 2.5  # between two heartbeats
    dead_s: float = 12.0  # without one a worker is given up
    again_s: float = 5.0  # before a job that broke off is begun anew; doubles up to a minute
    resume_s: float = 300.0  # before a batch that was short of money is tried again
    backoff_s: float = (
        2.0  # after the first failure of an upstream; four times as long after each further one
    )
    away_s: float = 0.5  # after the first time that no gateway answers; doubles up to 10
    answer_s: float = 900.0  # that an answer may take
    groups_s: float = 5.0  # between two looks whether all groups of a batch have ended
    rest_s: float = 60.0  # between two runs of a batch that only waits for a provider
    drain_s: float = 20.0  # for answers under way, when the worker is told to stop
