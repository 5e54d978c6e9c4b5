"""The rows of captures fit the tables that hold them."""

from tokenworks.ledger.captured import CAPTURE_COLUMNS, GIVEN_COLUMNS, CaptureRow


def test_columns_are_those_of_the_table(store) -> None:
    columns = {row[1] for row in store._connection().execute("PRAGMA table_info(captures)")}
    assert set(CAPTURE_COLUMNS) == columns
    assert (*GIVEN_COLUMNS, "seq") == CAPTURE_COLUMNS
    assert CaptureRow("g", 1, 2, "k", "m", "t", 0.5, b"x").seq == 0, "the store gives the number"
