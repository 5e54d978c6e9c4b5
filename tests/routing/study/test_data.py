"""Reading recorded outcomes."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from outcomes import CHEAP, STRONG, write

from tokenworks.errors import ConfigError
from tokenworks.routing.study import data as reading
from tokenworks.routing.study.data import load


def test_outcomes_stand_by_source_prompt_and_model(tmp_path: Path) -> None:
    data = load(write(tmp_path, 10))
    assert list(data.sources) == ["cooking", "sailing"]
    part = data.sources["sailing"]
    assert part.score.shape == (10, 3) and part.measured
    assert part.cost_usd[0, part.column(STRONG)] == pytest.approx(0.01)
    assert all(data.source_of[place] == "sailing" for place in part.prompts)
    assert data.texts[0] == data.prompts[0].lower()


def test_only_the_needed_columns_are_needed(tmp_path: Path) -> None:
    data = load(write(tmp_path, 10, plain=True))
    part = data.sources["cooking"]
    assert np.isnan(part.cost_usd).all() and not part.measured
    assert set(data.categories) == {""}


def test_gaps_and_strangers_are_let_pass(tmp_path: Path) -> None:
    write(tmp_path, 4)
    rows = parquet.read_table(tmp_path / "outcomes.parquet").to_pylist()
    rows[0]["score"] = None
    stranger = {**rows[1], "prompt_id": "nowhere", "model": CHEAP}
    parquet.write_table(pa.Table.from_pylist([*rows, stranger]), tmp_path / "outcomes.parquet")
    part = load(tmp_path).sources["cooking"]
    assert np.isnan(part.score).sum() == 1


def test_answers_stand_where_scores_do(tmp_path: Path) -> None:
    data = load(write(tmp_path, 3))
    assert not data.answers("cooking").any()
    rows = [{"source": "cooking", "prompt_id": "1", "model": CHEAP, "answer": "42"}]
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "answers.parquet")
    answers = data.answers("cooking")
    assert answers[1, data.sources["cooking"].column(CHEAP)] == "42" and answers.astype(bool).sum() == 1


def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"prompts\.parquet: there is no such file"):
        load(tmp_path)
    write(tmp_path, 3)
    with pytest.raises(ConfigError, match="knows no model nobody"):
        load(tmp_path).sources["cooking"].column("nobody")
    (tmp_path / "outcomes.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(ConfigError, match="is no parquet file"):
        load(tmp_path)
    parquet.write_table(pa.table({"source": ["cooking"]}), tmp_path / "outcomes.parquet")
    with pytest.raises(ConfigError, match="has no column prompt_id, model, score"):
        load(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(ConfigError, match=r"pip install 'tokenworks\[route\]'"):
        reading.load(tmp_path)
