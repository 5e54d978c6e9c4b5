"""What the live measurement sends, and what its table says."""

from __future__ import annotations

import io
import tomllib

from rich.console import Console

from second_turns import ARMS, ENGINE, ENGINES, GROUPS, MODEL, Turn, system, turns_table
from tokenworks.routing.prefix import LEAST


def test_groups_differ_from_their_first_word_on_and_are_long_enough_to_be_told_apart() -> None:
    texts = [system(group) for group in range(GROUPS)]
    assert len({text[:2] for text in texts}) == GROUPS
    assert min(map(len, texts)) > LEAST


def test_every_arm_is_a_configuration() -> None:
    engines = "".join(ENGINE.format(name=name, model=MODEL, path="m.gguf") for name in ENGINES)
    read = {name: tomllib.loads(f"[routing]\n{routing}{engines}") for name, routing in ARMS.items()}
    assert read["random"]["routing"] == {"affinity_s": 0, "prefix": False}
    assert read["prefix"]["routing"] == {}
    assert {each["model"] for each in read["prefix"]["engines"].values()} == {MODEL}


def test_the_table_keeps_first_and_second_turns_apart() -> None:
    turns = [
        Turn(0, 0, 4.0, 100, 0),
        Turn(0, 1, 1.0, 200, 150),
        Turn(1, 0, 2.0, 100, 50),
        Turn(1, 1, 3.0, 200, 50),
    ]
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(turns_table({"prefix": turns}))
    line = next(line for line in console.export_text().splitlines() if "prefix" in line)
    assert line.split() == ["prefix", "3.00", "25", "2.00", "3.00", "50", "350"]
