import fnmatch
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenworks.config.glob import bad_glob, is_glob, matches, pattern


@pytest.mark.parametrize(
    ("globs", "name", "allowed"),
    [
        ((), "anything", True),
        ((), "", True),
        (("acme/*",), "acme/large", True),
        (("acme/*",), "acme/", True),
        (("acme/*",), "other/acme/large", False),
        (("acme/large",), "ACME/Large", True),
        (("ACME/Large",), "acme/large", True),
        (("acme/large",), "acme/large-2", False),
        (("gamma-?",), "gamma-1", True),
        (("gamma-?",), "gamma-10", False),
        (("*mini*",), "acme/so-mini-2", True),
        (("*-mini",), "a-mini-mini", True),
        (("a*b*c",), "axxbxxbc", True),
        (("a*b*c",), "axxcxxb", False),
        (("a*a",), "a", False),
        (("**",), "", True),
        (("*",), "two\nlines", True),
        (("acme/*",), "acme/x\n", True),
        (("acme/x",), "acme/x\n", False),
        (("one", "two"), "two", True),
        (("one", "two"), "three", False),
        (("one", "two"), "onetwo", False),
        (("!acme/*",), "acme/large", False),
        (("!acme/*",), "other", True),
        (("acme/*", "!*-preview"), "acme/large", True),
        (("acme/*", "!*-preview"), "acme/large-preview", False),
        (("!*-preview", "acme/*"), "acme/large-preview", False),
        (("acme/*", "!*-preview"), "other", False),
        (("[ab]",), "a", False),  # no sets
        (("[ab]",), "[ab]", True),
        (("a.b",), "axb", False),
        (("a|b",), "a", False),
        ((r"a\d",), "a1", False),
        (("",), "", True),
        (("",), "x", False),
    ],
)
def test_patterns(globs: tuple[str, ...], name: str, allowed: bool) -> None:
    assert matches(globs, name) is allowed


texts = st.text(alphabet="ab.*?-", max_size=8)


@given(texts, st.text(alphabet="ab.-*?", max_size=10))
def test_it_is_fnmatch_without_sets(glob: str, name: str) -> None:
    assert matches((glob,), name) == fnmatch.fnmatchcase(name, glob)


@given(st.lists(texts, max_size=4), st.lists(texts, max_size=3), st.text(alphabet="ab.-", max_size=8))
def test_order_does_not_matter_and_what_is_left_out_stays_out(
    inside: list[str], outside: list[str], name: str
) -> None:
    globs = (*inside, *(f"!{glob}" for glob in outside))
    wanted = (not inside or any(matches((glob,), name) for glob in inside)) and not any(
        matches((glob,), name) for glob in outside
    )
    assert matches(globs, name) is matches(tuple(reversed(globs)), name) is wanted


def test_no_name_takes_long() -> None:
    begin = time.perf_counter()
    assert not matches(("*a" * 25 + "*b",), "a" * 5000)
    assert time.perf_counter() - begin < 1


@given(
    st.lists(st.one_of(texts, texts.map("!{}".format)), max_size=4), st.text(alphabet="abAB.-", max_size=8)
)
def test_one_pattern_says_the_same(globs: list[str], name: str) -> None:
    assert (pattern(globs).match(name.lower()) is not None) is matches(tuple(globs), name)


def test_what_stands_for_more_than_itself() -> None:
    assert [is_glob(text) for text in ("a*", "?", "!a", "a", "a!", "[a]")] == [True] * 3 + [False] * 3


def test_what_is_no_pattern() -> None:
    assert bad_glob("a") is bad_glob("x" * 200) is None
    for text in ("", " ", "a\nb", "x" * 201):
        assert bad_glob(text) == "must be 1 to 200 printable characters, such as acme/*"
