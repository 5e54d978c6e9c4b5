from tokenworks.batches.recipes.extract.rows import Char, is_upright, rows


def placed(text: str, left: float, bottom: float, *, turned: bool = False) -> list[Char]:
    """Letters of 5 points, side by side or one above the other."""
    found = []
    for i, sign in enumerate(text):
        x, y = (left, bottom + 5 * i) if turned else (left + 5 * i, bottom)
        found.append(Char(sign, x, y, x + 5, y + 8))
    return found


def test_cells_that_are_drawn_column_by_column_come_back_as_rows() -> None:
    first = placed("Revenue", 10, 100) + placed("Cost", 10, 88)
    second = placed("1,234", 200, 100) + placed("900", 210, 88)
    assert rows(first + second) == ["Revenue 1,234", "Cost 900"]


def test_rows_that_follow_each_other_without_a_break_are_told_apart() -> None:
    chars = placed("Net 5 ", 10, 100) + placed("Tax 6", 10, 88)
    assert rows(chars) == ["Net 5", "Tax 6"]


def test_letters_that_are_drawn_one_by_one_stay_a_word_and_gaps_are_blanks() -> None:
    chars = [*placed("a", 10, 50), *placed("b", 15, 50), *placed("c", 23, 50)]
    assert rows(chars) == ["ab c"]


def test_a_footnote_s_small_sign_stays_in_its_row() -> None:
    raised = [Char("1", 60, 103, 63, 108)]
    assert rows(placed("Sales", 10, 100) + raised + placed("7", 90, 100)) == ["Sales 1 7"]


def test_blanks_without_size_and_no_characters_at_all_do_no_harm() -> None:
    assert rows([]) == []
    assert rows([Char(" ", 0, 0, 0, 0), Char("\r", 0, 0, 0, 0), Char("\n", 0, 0, 0, 0)]) == []


def test_a_turned_page_is_noticed() -> None:
    assert is_upright(placed("upright text", 10, 10))
    assert is_upright([])
    assert not is_upright(placed("turned text", 10, 10, turned=True))
