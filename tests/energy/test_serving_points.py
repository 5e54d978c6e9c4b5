"""Files of measured points: what is read, what is skipped, what is refused."""

from pathlib import Path

import pytest
from measured_points import COLUMNS, ROW, write

from tokenworks.energy import architectures
from tokenworks.energy.serving_points import group, read, served
from tokenworks.errors import BadRequest


def test_a_row_becomes_a_point(tmp_path: Path) -> None:
    found = read(write(tmp_path / "points.csv", [ROW]))
    (point,) = found.points
    assert not found.skipped
    assert (point.hardware, point.backend, point.moe, point.tp, point.line) == (
        "h200-sxm",
        "vllm",
        True,
        2,
        2,
    )
    assert (point.ttft_s, point.tpot_s) == (0.1, 0.008)
    assert point.running == point.concurrency == 16
    assert point.input_tokens == pytest.approx(0.9 * 1024)
    assert point.cell == ("h200-sxm", "vllm", True)


def test_what_is_not_known_is_skipped_with_a_reason(tmp_path: Path) -> None:
    odd = [
        {"model_path": "nobody/knows-it"},
        {"system": "abacus"},
        {"precision": "fp3"},
        {"tp_size": "4096"},
        {"model_path": "meta-llama/Llama-3.1-70B", "moe_ep_size": "2"},
    ]
    found = read(write(tmp_path / "points.csv", [ROW, *(ROW | each for each in odd)]))
    assert len(found.points) == 1
    assert [each.line for each in found.skipped] == [3, 4, 5, 6, 7]
    for each, word in zip(found.skipped, ["model", "hardware", "precision", "heads", "experts"], strict=True):
        assert word in each.reason and "\n" not in each.reason


@pytest.mark.parametrize("column", COLUMNS[4:])
@pytest.mark.parametrize("value", ["", "x", "nan", "inf", "-1", "0"])
def test_bad_numbers_name_line_and_column(tmp_path: Path, column: str, value: str) -> None:
    path = write(tmp_path / "points.csv", [ROW, ROW | {column: value}])
    with pytest.raises(BadRequest, match=f"line 3, column {column}"):
        read(path)


def test_half_a_device_is_no_number_of_devices(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="line 2, column tp_size"):
        read(write(tmp_path / "points.csv", [ROW | {"tp_size": "1.5"}]))


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="no column isl, silicon_tpot_ms"):
        read(write(tmp_path / "a.csv", [ROW], [c for c in COLUMNS if c not in ("isl", "silicon_tpot_ms")]))
    with pytest.raises(BadRequest, match="can't be read"):
        read(tmp_path / "none.csv")
    binary = tmp_path / "b.csv"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadRequest, match="can't be read"):
        read(binary)
    short = tmp_path / "c.csv"
    short.write_text(",".join(COLUMNS) + "\nopenai/gpt-oss-120b,h200_sxm\n")
    with pytest.raises(BadRequest, match="line 2, column isl"):
        read(short)
    empty = tmp_path / "d.csv"
    empty.write_text("")
    with pytest.raises(BadRequest, match="no column"):
        read(empty)


def test_more_requests_than_fit_wait(tmp_path: Path) -> None:
    llama = ROW | {"model_path": "meta-llama/Llama-3.1-70B", "precision": "fp8", "tp_size": "1"}
    long = llama | {"isl": "8192", "conc": "128"}
    by_backend = read(write(tmp_path / "points.csv", [llama, long, long | {"backend": "trtllm"}])).points
    assert by_backend[0].running == 16
    # 141 GB less 72 of weights hold about 50 contexts of 8,000 tokens of 164 kB (measured: 47 ran at a time)
    assert 40 < by_backend[2].running < by_backend[1].running < 60


def test_number_formats_behind_a_file_s_word() -> None:
    kimi, oss, glm = (architectures.load(name) for name in ("kimi-k2.5", "gpt-oss-120b", "glm-5"))
    assert (served(kimi, "fp4").experts, served(kimi, "fp4").dense) == ("nvfp4", "bf16")
    assert (served(kimi, "int4").experts, served(kimi, "int4").kv) == ("int4", "bf16")
    assert (served(oss, "fp4").experts, served(oss, "fp4").kv) == ("mxfp4", "fp8")
    assert served(glm, "fp8").kv == "bf16"
    with pytest.raises(BadRequest, match="unknown precision 'fp3'"):
        served(oss, "fp3")


def test_groups_of_devices() -> None:
    assert [group(4, 1), group(8, 8), group(4, 2), group(2, 2)] == [(4, 1), (8, 8), (2, 2), (2, 2)]


def test_every_measured_point_can_be_read(data: Path) -> None:
    found = read(data / "economics" / "measured_serving.csv")
    assert (len(found.points), found.skipped) == (1429, ())
    assert len({point.group for point in found.points}) == 17
