from dataclasses import replace

import pytest

from gateway import distrust, parse
from measure import Sample

CALM = Sample("direct", "1k", "answer", 1, 100, 20.0, 2.0, 1e5, 50.0, 90.0, 100, 1.0, 0.4, 0.3, 0.0, 0, "")


def test_quick_changes_defaults_only() -> None:
    quick = parse(["--quick", "--rounds", "2"])
    assert (quick.rounds, quick.cases, quick.seconds) == (2, ["1k", "20k"], 1.0)
    assert parse([]).rounds == 5
    assert parse(["--cases", "300k"]).memory_cases == []


def test_unknown_names_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--gateways", "nginx,apache"])
    assert "unknown: apache" in capsys.readouterr().err


def test_a_run_is_distrusted_for_noise_errors_and_a_changing_machine() -> None:
    args = parse(["--rounds", "3"])
    assert distrust(args, [CALM] * 3) == []
    assert "others used" in distrust(args, [replace(CALM, foreign=0.5)])[0]
    assert "errors" in distrust(args, [replace(CALM, errors=1)] * 2)[0]
    assert "speed changed" in distrust(args, [CALM, replace(CALM, per_second=5e4)])[0]
    assert "round" in distrust(parse(["--quick"]), [CALM])[0]
