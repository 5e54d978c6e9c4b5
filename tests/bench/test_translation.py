import shutil
from dataclasses import replace

import pytest

from instance import Bench, Cores
from measure import Sample
from peers import Direct
from translation import CASE, Translation, asked, chunk_alone, parse, translators

LONG = Sample(
    "ccr", CASE, "stream", 1, 2000, 300.0, 30.0, 900.0, 50.0, 90.0, 2000, 0.2, 0.1, 0.1, 0.01, 0, ""
)
SHORT = replace(LONG, mode="short", units=400, cpu_us=900.0, root_us=70.0, foreign=0.2)


def test_quick_changes_defaults_only() -> None:
    quick = parse(["--quick", "--rounds", "2", "--gateways", "tokenworks,ccr"])
    assert (quick.rounds, quick.seconds, quick.gateways) == (2, 1.0, ["tokenworks", "ccr"])
    assert (parse([]).rounds, parse([]).gateways) == (5, ["nginx", "tokenworks", "ccr"])


@pytest.mark.parametrize("argv", [["--gateways", "litellm"], ["--chunks", "4"]])
def test_what_cannot_be_compared_is_refused(argv: list[str]) -> None:
    with pytest.raises(SystemExit):
        parse(argv)


def test_all_are_asked_the_same_and_only_translators_answer_in_messages() -> None:
    loads = {name: asked(peer, "closed", "answer", "--connections 1") for name, peer in translators().items()}
    assert {load.options.rpartition(" --answers ")[0] for load in loads.values()} == {
        "--connections 1 --path /v1/messages --header anthropic-version:2023-06-01"
    }
    assert {(load.body, load.size) for load in loads.values()} == {("messages", 20_000)}
    answers = {name: load.options.split()[-1] for name, load in loads.items()}
    assert answers == {"direct": "chat", "nginx": "chat", "tokenworks": "messages", "ccr": "messages"}


def test_a_chunk_alone_costs_what_longer_streams_cost_more() -> None:
    alone = chunk_alone(LONG, SHORT)
    assert (alone.mode, alone.units, alone.valid) == ("chunk", 1600, True)
    assert alone.cpu_us == (300.0 * 2000 - 900.0 * 400) / 1600
    assert alone.root_us == (30.0 * 2000 - 70.0 * 400) / 1600
    assert alone.foreign == 0.2


@pytest.mark.parametrize(
    ("long", "short", "error"),
    [
        (replace(LONG, errors=1, first_error="status 500: "), SHORT, "status 500: "),
        (LONG, replace(SHORT, units=0, errors=3, first_error="closed"), "closed"),
        (LONG, replace(SHORT, cpu_us=1600.0), "longer streams did not cost more: noise"),
    ],
)
def test_a_chunk_alone_is_invalid_without_two_good_loads(long: Sample, short: Sample, error: str) -> None:
    alone = chunk_alone(long, short)
    assert (alone.valid, alone.first_error) == (False, error)


@pytest.mark.skipif(not shutil.which("cc"), reason="needs a C compiler (cc)")
def test_direct_takes_messages_requests_and_answers_in_chat() -> None:
    args = parse(["--quick", "--streams", "3", "--chunks", "10", "--pace", "1", "--seconds", "0.1"])
    with Bench(Cores(0, 0), ["answer"]) as bench:
        run = Translation(bench, args, [Direct()])
        instance = run.start(Direct(), warmup=10)
        for mode in ("answer", "stream"):
            run.one(instance, CASE, mode, 1)
        run.check_ledger(instance, tokens=True)
    answer, stream = run.samples
    assert (answer.mode, answer.valid, stream.mode, stream.units) == ("answer", True, "stream", 30)
    assert (run.derived, run.ledger, run.silent) == ([], [], {})
    assert instance.delivered["prompt_tokens"] == (answer.units + 3) * 20_000 // 4
