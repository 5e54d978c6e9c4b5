"""What can be wrong with any answer."""

from tokenworks.batches.recipes.recipe import Checked, Said
from tokenworks.batches.recipes.soundness import faults, told


def test_a_sound_answer_has_no_faults() -> None:
    assert faults(Said("The answer is 4.")) == []


def test_nothing_cut_off_declined_and_looping_are_faults() -> None:
    assert faults(Said("  \n")) == ["no text and no tool call"]
    assert faults(Said("It goes on", finish="length")) == ["cut off (length)"]
    (declined,) = faults(Said("I'm sorry, but I can't help with that."))
    assert declined.startswith("it declines")
    (looped,) = faults(Said("Well. " + "and so it went on and on, " * 30))
    assert looped.startswith("it ends in a loop")


def test_code_may_decline_and_repeat() -> None:
    assert faults(Said("print('I cannot help you')\n" + "x = f(x, 'again', 12)\n" * 40), prose=False) == []


def test_who_is_asked_again_hears_why() -> None:
    assert told([]) == ""
    said = told([Checked(None, ("first",)), Checked(None, ("no JSON", "too long"))])
    assert "no JSON; too long" in said
    assert "first" not in said
    assert len(told([Checked(None, ("x" * 9000,) * 90)])) < 2500
