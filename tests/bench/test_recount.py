import sqlite3
from pathlib import Path

import pytest
from fresh_store import fresh_store
from ranking_records import ranking_records

from recount import check_sqlite


@pytest.fixture
def file(tmp_path: Path) -> Path:
    store = fresh_store(f"sqlite:///{tmp_path / 'r.db'}")
    records = ranking_records(400)
    for start in range(0, 400, 50):
        store.append("w", start + 1, records[start : start + 50])
    store.close()
    return tmp_path / "r.db"


def test_true_roll_ups_are_found_true(file: Path) -> None:
    found = check_sqlite(file)
    assert len(found) == 14
    assert all(rows > 0 and differ == 0 for rows, differ in found.values()), found


@pytest.mark.parametrize(
    ("table", "lie"),
    [
        ("day_model", "UPDATE day_model SET output_tokens = output_tokens + 1 WHERE rowid_is_first"),
        ("hour_model_provider", "DELETE FROM hour_model_provider WHERE rowid_is_first"),
        ("day_energy", "UPDATE day_energy SET energy_mj = energy_mj + 1 WHERE rowid_is_first"),
        ("day_speed", "UPDATE day_speed SET requests = requests + 1 WHERE rowid_is_first"),
        ("week_session", "UPDATE week_session SET last_us = last_us + 1 WHERE rowid_is_first"),
        ("day_label", "DELETE FROM day_label WHERE rowid_is_first"),
        ("week_share", "UPDATE week_share SET tokens = tokens + 1 WHERE rowid_is_first"),
        ("day_attempt", "UPDATE day_attempt SET failures = failures + 1 WHERE rowid_is_first"),
    ],
)
def test_a_lie_is_found(file: Path, table: str, lie: str) -> None:
    with sqlite3.connect(file) as connection:
        bucket = "week" if table.startswith("week") else table.split("_")[0]
        first = f"{bucket} = (SELECT min({bucket}) FROM {table})"
        assert connection.execute(lie.replace("rowid_is_first", first)).rowcount > 0
    connection.close()
    wrong = {name for name, (_, differ) in check_sqlite(file).items() if differ}
    assert wrong == {table}
