from pathlib import Path

import pytest

from tokenworks.energy import hardware
from tokenworks.errors import BadRequest, ConfigError


def test_names_in_any_case() -> None:
    for name in ("h100_sxm", "H100", "h100-SXM", "H100 sxm"):
        assert hardware.load(name).name == "h100-sxm"
    assert hardware.load("b200_sxm").fp4_tflops == 9000
    assert hardware.load("GB300").domain == 72


def test_everything_asked_for_is_there_with_a_source() -> None:
    wanted = "h100 h200 h800 h20 b200 b300 gb200 gb300 mi300x mi325x mi355x 910c l40s rtx-4090 rtx-5090"
    for name in (*wanted.split(), "rtx-pro-6000", "xeon-6980p", "epyc-9005", "m3-ultra", "m4-max"):
        device = hardware.load(name)
        assert hardware.source_of(device) != device.source, f"{name} has no source in words"
        assert device.tdp_w > 0
        assert device.rent_usd_h or device.capex_usd


def test_what_it_cannot_multiply_is_widened() -> None:
    h100, b200, m3 = (hardware.load(name) for name in ("h100", "b200", "m3-ultra"))
    assert h100.tflops("nvfp4") == h100.bf16_tflops
    assert b200.tflops("nvfp4") == 9000
    assert b200.tflops("int4") == b200.bf16_tflops
    assert m3.tflops("fp8") == m3.bf16_tflops
    assert hardware.load("910c").tflops("fp8") == 1504  # eight-bit integers instead


def test_an_unknown_name_lists_near_ones() -> None:
    with pytest.raises(BadRequest, match="unknown hardware 'h1000': use h100-sxm") as caught:
        hardware.load("h1000")
    assert "\n" not in str(caught.value)


def test_profiles_measured_here_come_first(tmp_path: Path) -> None:
    (tmp_path / "hardware").mkdir()
    (tmp_path / "hardware" / "desk.toml").write_text(
        'title = "Desk"\nkind = "cpu"\nmemory_gb = 64\nbandwidth_tbps = 0.08\nbf16_tflops = 2.5\n'
        'aliases = ["m4-max"]\n'
    )
    device = hardware.load("Desk", tmp_path)
    assert device.measured
    assert hardware.load("m4max", tmp_path) == device
    assert hardware.listed(tmp_path)[0] == device
    assert not hardware.load("m4-max").measured


@pytest.mark.parametrize("text", ["memory_gb = ", 'title = "x"\n', 'title = "x"\nmemory_gb = "much"'])
def test_a_damaged_profile_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "hardware").mkdir()
    (tmp_path / "hardware" / "desk.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"desk\.toml: is no hardware profile"):
        hardware.load("h100", tmp_path)
