import msgspec

from tokenworks.batches.recipes.extract.judged import SAID, Grounds, Judged, short
from tokenworks.batches.recipes.extract.sheet import Sheet


def test_it_is_json_between_the_recipe_s_steps() -> None:
    one = Judged("revenue", "542500000", page=5, problems=["wrong"], passed=["quote"], row=6)
    assert msgspec.convert(msgspec.json.decode(msgspec.json.encode(one)), Judged) == one
    assert not one.accepted and Judged("a").problems == []


def test_grounds_have_no_main_page_unless_told() -> None:
    assert Grounds({1: Sheet(1, [])}, None, False).main is None


def test_quotes_in_messages_are_short_and_one_line() -> None:
    assert short("Revenue\n 5") == "“Revenue 5”"
    assert len(short("word " * 100)) == SAID + 2
