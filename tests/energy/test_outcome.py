import msgspec

from tokenworks.energy.outcome import Plan
from tokenworks.energy.planner import Case, plan


def test_a_plan_can_be_written_and_read_again() -> None:
    got = plan(Case(model="gpt-oss-20b", hardware="h100", devices=1), sensitivity=False)
    assert msgspec.json.decode(msgspec.json.encode(got), type=Plan) == got
