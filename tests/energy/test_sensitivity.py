from tokenworks.energy.planner import Case, plan


def test_each_assumption_alone() -> None:
    got = plan(Case(model="deepseek-r1", hardware="h200", weights="fp8", input_tokens=4096))
    found = {(change.what, change.after): change for change in got.sensitivity}
    rent = found["rent", "$2.00/h"]
    assert abs(rent.output_usd - 0.25) < 1e-9
    assert rent.output_tps == 0
    assert found["power price", "$0.100/kWh"].output_usd == 0  # a rent holds it
    assert found["cache in", "fp8"].output_tps > 0
    assert found["tokens predicted a step", "1"].output_usd < 0
    assert found["memory bandwidth", "4.32 TB/s"].output_tps < 0
    sizes = [abs(change.output_usd) for change in got.sensitivity]
    assert sizes == sorted(sizes, reverse=True)


def test_an_owner_feels_the_price_of_power() -> None:
    got = plan(Case(model="qwen3-8b", hardware="h100", own=True))
    found = {change.what: change for change in got.sensitivity}
    assert 0 < found["power price"].output_usd < 0.02
    assert found["life"].output_usd < 0


def test_what_is_bought_for_want_of_a_rent_has_a_price_and_a_life() -> None:
    got = plan(Case(model="qwen3-8b", hardware="rtx-4090", concurrency=1, input_tokens=1))
    named = {change.what for change in got.sensitivity}
    assert {"purchase price", "life"} <= named
    assert not {"rent", "cached input", "busiest experts' load"} & named


def test_changes_that_can_not_be_are_left_out() -> None:
    got = plan(Case(model="llama-3.1-70b", hardware="h100", devices=2, weights="bf16", input_tokens=16_000))
    assert ("input tokens", "32000") not in {(c.what, c.after) for c in got.sensitivity}
