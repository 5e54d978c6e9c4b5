from tokenworks.batches.recipes.extract.unreadable import Unreadable


def test_it_says_why() -> None:
    assert str(Unreadable("is empty: 0 bytes")) == "is empty: 0 bytes"
