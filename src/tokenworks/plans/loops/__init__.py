"""Does a session run in circles? Told from the conversation that comes with each request."""

from tokenworks.plans.loops.verdict import RECOMMENDED_REPEATS, RECOMMENDED_STALE_TURNS, Verdict, judge

__all__ = ["RECOMMENDED_REPEATS", "RECOMMENDED_STALE_TURNS", "Verdict", "judge"]
