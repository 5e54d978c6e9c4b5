import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenworks.providers.scripted.words import count, first, groups, speech, spoken, widths


@given(st.text(alphabet=st.sampled_from("ab\n\t é\u2003")))
def test_pieces_joined_again_are_the_text(text: str) -> None:
    assert "".join(spoken(text)) == text
    assert "".join(widths(text, 3)) == text
    for n in (1, 2, 7):
        assert "".join(groups(text, n)) == text


@given(st.text(alphabet=st.sampled_from("ab\n é\u2003\x1f")), st.integers(0, 10))
def test_the_first_words_are_as_many_as_asked(text: str, n: int) -> None:
    cut = first(text, n)
    assert count(cut) == min(n, count(text))
    assert text.startswith(cut)


@pytest.mark.parametrize("n", [1, 27, 1000])
def test_a_speech_has_exactly_its_words(n: int) -> None:
    assert count(speech(n)) == len(spoken(speech(n))) == n


def test_groups_fall_back_to_characters() -> None:
    assert groups("one two three four", 2) == ["one two", " three four"]
    assert groups("abc", 3) == ["a", "b", "c"]
    assert groups("abc", 5) == ["a", "b", "c"]
    assert groups("", 3) == []
