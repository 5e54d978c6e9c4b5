"""What a batch of records adds to the tables of decisions."""

import pytest
from deciding import DAY, START_US, record, told

from tokenworks.ledger import decided
from tokenworks.ledger.decided import Call, Decided, Outcome, SavingsRow, rows
from tokenworks.ledger.record import MAX_PAYLOAD, MAX_TOKENS, Record, decode, encode
from tokenworks.ledger.rollups import DAY_US


def test_records_without_a_decision_add_nothing() -> None:
    assert rows([record(1), record(2)]) == ([], [])


def test_each_cell_comes_once_and_in_order() -> None:
    batch = [record(1, told()), record(2, told(task="math")), record(3, told(), time_us=START_US + DAY_US)]
    found = rows([*batch, record(4, told())])
    keys = [row[:3] for row in found.learnt]
    assert keys == sorted(set(keys)) and len(keys) == 6
    assert found.learnt[0] == (DAY, "code", "acme/fast", 1.0, 0.5, 2, 200, 80, 40, 10, 200)
    assert all(isinstance(value, int) for row in found.learnt for value in row[5:])
    assert [row[0] for row in found.decisions] == [each.id for each in batch] + [record(4).id]


def test_a_model_that_was_judged_but_not_called_has_no_calls() -> None:
    [cell] = rows([record(1, told(calls=(), outcomes=(Outcome("m", 0.5, 1.0),)))]).learnt
    assert cell == (DAY, "code", "m", 1.0, 0.5, 0, 0, 0, 0, 0, 0)


@pytest.mark.parametrize("cut", range(1, 40, 3))
def test_a_torn_decision_is_left_out_and_told(cut: int, caplog) -> None:
    torn = record(1, decided.encode(told())[:-cut])
    found = rows([torn, record(2, told())])
    assert len(found.decisions) == 1 and found.decisions[0][0] == record(2).id
    assert caplog.text.count(torn.id) == 1


def test_not_a_number_is_no_weight() -> None:
    nan = float("nan")
    odd = told(outcomes=(Outcome("m", nan, 0.5), Outcome("m", 0.5, nan)), propensity=nan)
    found = rows([record(1, odd)])
    cell = next(row for row in found.learnt if row[2] == "m")
    assert all(value == value for value in (*cell, *found.decisions[0]))


def test_amounts_have_their_limits() -> None:
    odd = told(calls=(Call("m", 2**62, 2**62, 2**62, 2**62, 2**62),), outcomes=())
    [cell] = rows([record(1, odd)]).learnt
    assert cell[5:7] == (1, MAX_TOKENS)


def test_it_goes_through_a_record_and_an_older_one_without_the_last_fields() -> None:
    one = record(1, told())
    assert rows([decode(encode(one))]) == rows([one])
    older = decided._decode(decided.encode(["code", "cascade", "s", 1.0, 5, 9, b"", [], []]))
    assert (older.served_id, older.served, older.served_us) == ("", "", 0)


def test_a_decision_too_large_for_a_record_is_dropped_and_the_record_kept() -> None:
    huge = record(1, told(detail=b"x" * MAX_PAYLOAD))
    kept = decode(encode(huge))
    assert (kept.id, kept.decision) == (huge.id, b"")
    assert rows([kept]) == ([], [])


def test_an_unserved_decision_has_the_records_own_model() -> None:
    [row] = rows(
        [Record("gen-1-a", 5, model="m", decision=decided.encode(Decided("t", "direct", "s", 1.0, 1, 0)))]
    )[0]
    assert row[:8] == ("gen-1-a", 5, "", "", "t", "direct", "m", "s")


def test_saved_may_be_less_than_nothing() -> None:
    assert SavingsRow("", 1, 50, 20).saved_nano_usd == -30
