import msgspec
from batching import batch_row, part_rows
from fresh_store import fresh_store

from tokenworks.batches.kept import Kept, Made, Outcome, keep, kept, outcome_of, part_of, result_of
from tokenworks.batches.recipes.recipe import Checked, Part, Skipped


def test_what_a_recipe_needs_again_comes_back_as_it_was(tmp_path) -> None:
    store = fresh_store(f"sqlite:///{tmp_path / 'ledger.db'}")
    row = batch_row()
    assert kept(store, row.id) is None
    what = Kept(
        {"a": [1, {"ä": None}]}, (Skipped("x.pdf", "empty"),), (Made("file-1", "a", "text/csv", "n"),)
    )
    keep(store, row.id, what)
    assert kept(store, row.id) == what
    store.close()


def test_a_parts_request_and_result_are_read() -> None:
    (row,) = part_rows("b", 1)
    part = Part("0001", "l", {"x": 1}, 2, 3)
    assert part_of(msgspec.structs.replace(row, request=msgspec.json.encode(part))) == part
    assert outcome_of(row) == Outcome()
    outcome = Outcome(Checked({"v": 1}, ("odd",)), (Checked(None, ("bad",)),), finish="stop")
    full = msgspec.structs.replace(row, result=msgspec.json.encode(outcome))
    assert outcome_of(full) == outcome and result_of(full) == outcome.checked


def test_a_part_without_an_answer_says_why() -> None:
    (row,) = part_rows("b", 1)
    failed = msgspec.structs.replace(row, result=msgspec.json.encode(Outcome(error="not this")))
    assert result_of(failed) == Checked(None, ("not this",))
    assert result_of(row, "it expired") == Checked(None, ("it expired",))
    assert not result_of(row).ok


def test_of_a_part_that_was_only_answered_badly_the_best_is_shown() -> None:
    (row,) = part_rows("b", 1)
    tries = (Checked({"v": 1}, ("a", "b")), Checked({"v": 2}, ("a",)), Checked(None, ("cut",)))
    failed = msgspec.structs.replace(row, result=msgspec.json.encode(Outcome(None, tries, "no such model")))
    assert result_of(failed) == Checked({"v": 2}, ("no such model", "a"))
