import json
from pathlib import Path

import pytest

from trace_samples import CHAT, CODE, CONVERSATIONS, NoTraces, load


def write(folder: Path) -> None:
    rows = ["TIMESTAMP,ContextTokens,GeneratedTokens"]
    rows += [f"2023-11-16 18:15:{46 + s:02}.6805900,{100 * s},{s}" for s in (0, 1, 13)]
    for name in (CHAT, CODE):
        (folder / name).write_text("\n".join(rows) + "\n")
    turns = [  # two conversations side by side; block 0 is everybody's
        {"timestamp": 0, "input_length": 600, "output_length": 5, "hash_ids": [0, 1]},
        {"timestamp": 1000, "input_length": 700, "output_length": 6, "hash_ids": [0, 2]},
        {"timestamp": 61_000, "input_length": 1200, "output_length": 7, "hash_ids": [0, 1, 3]},
        {"timestamp": 90_000, "input_length": 1900, "output_length": 8, "hash_ids": [0, 1, 3, 4]},
    ]
    (folder / CONVERSATIONS).write_text("".join(json.dumps(turn) + "\n" for turn in turns))


def test_conversations_are_put_together_by_the_blocks_they_share(tmp_path: Path) -> None:
    write(tmp_path)
    samples = load(tmp_path)
    assert samples.sessions == [[(0.0, 600, 5), (61.0, 1200, 7), (29.0, 1900, 8)], [(0.0, 700, 6)]]
    assert samples.think_s == [61.0, 29.0]
    assert samples.growth == [600, 700]


def test_lengths_and_the_gaps_within_bursts(tmp_path: Path) -> None:
    write(tmp_path)
    samples = load(tmp_path)
    assert samples.chat == samples.code == [(0, 0), (100, 1), (1300, 13)]
    assert samples.burst_gaps_s == [1.0]  # twelve seconds are a pause


def test_a_missing_trace_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoTraces, match=CHAT):
        load(tmp_path)


def test_the_real_ones(data: Path) -> None:
    if not (data / "traces" / CONVERSATIONS).is_file():
        pytest.skip("the traces are not in this test data")
    samples = load(data / "traces")
    assert (len(samples.chat), len(samples.code)) == (19_366, 8_819)
    assert sum(map(len, samples.sessions)) == 12_031
    assert sum(len(one) > 1 for one in samples.sessions) > 2000
    assert 60 < sorted(samples.think_s)[len(samples.think_s) // 2] < 240
