"""The table of abilities."""

from datetime import date

from tokenworks.catalog.abilities import abilities


def test_the_table_is_dated_and_says_where_it_is_from() -> None:
    table = abilities()
    assert date.fromisoformat(table.checked) and table.source


def test_a_family_is_reached_before_a_shorter_name_of_it() -> None:
    """The first match counts, so no earlier row may swallow a later one."""
    names = [family.match for family in abilities().families]
    swallowed = [
        (early, late) for place, early in enumerate(names) for late in names[place + 1 :] if early in late
    ]
    assert not swallowed


def test_larger_is_more_able_and_never_absurd() -> None:
    table = abilities()
    sizes = [table.by_size(size) for size in (0, 0.1, 1, 8, 70, 400)]
    assert sizes == sorted(sizes)
    assert sizes[0] > -5 and sizes[-1] < 4
    assert all(-5 < family.ability < 4 for family in table.families)
