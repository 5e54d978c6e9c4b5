"""The operator's rules: what fits, what it costs to find out, and what is then used."""

import random
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenworks.config.auto import RouteSettings, RouteUse, RouteWhen
from tokenworks.config.glob import matches
from tokenworks.errors import ConfigError
from tokenworks.routing.rules import Asked, Ruled, Rules


def rule(
    name: str, use: RouteUse | str = "acme/fast", not_: RouteWhen | None = None, **when: Any
) -> RouteSettings:
    return RouteSettings(
        name, RouteWhen(**when, not_=not_), RouteUse((use,)) if isinstance(use, str) else use
    )


def first(asked: Asked, *routes: RouteSettings) -> str | None:
    found = Rules(routes).first(asked)
    return None if found is None else found.name


def test_without_rules_nothing_is_decided() -> None:
    assert not Rules([])
    assert Rules([]).first(Asked(auto=True)) is None
    assert Rules([rule("a")])


def test_the_first_that_fits_decides() -> None:
    rules = (rule("code", task=("code",)), rule("long", min_input_tokens=1000), rule("rest"))
    assert first(Asked(True, task="code", input_tokens=2000), *rules) == "code"
    assert first(Asked(True, task="chat", input_tokens=2000), *rules) == "long"
    assert first(Asked(True, task="chat", input_tokens=999), *rules) == "rest"
    assert first(Asked(True, task="chat"), *rules[:2]) is None


FULL = Asked(
    auto=True,
    model="auto",
    key=("k_1", "ci-main"),
    team=("t_1", "Research"),
    app="Editor 2",
    session="night-7",
    input_tokens=500,
    tools=True,
    images=False,
    schema=True,
    stream=False,
    language="de",
    task="code",
)


@pytest.mark.parametrize(
    ("when", "fits"),
    [
        ({"task": ("code",)}, True),
        ({"task": ("math", "code")}, True),
        ({"task": ("cod",)}, False),
        ({"task": ("c*",)}, True),
        ({"key": ("k_1",)}, True),
        ({"key": ("ci-main",)}, True),
        ({"key": ("CI-*",)}, True),
        ({"key": ("k_2", "ci")}, False),
        ({"key": ("!ci-*",)}, False),
        ({"key": ("*", "!k_1")}, False),
        ({"key": ("!k_2",)}, True),
        ({"team": ("research",)}, True),
        ({"team": ("t_?",)}, True),
        ({"team": ("other",)}, False),
        ({"app": ("editor*",)}, True),
        ({"app": ("editor",)}, False),
        ({"model": ("auto",)}, True),
        ({"model": ("*",)}, True),
        ({"model": ("gpt-*",)}, False),
        ({"language": ("de", "fr")}, True),
        ({"language": ("en",)}, False),
        ({"session": True}, True),
        ({"session": False}, False),
        ({"session": ("night-*",)}, True),
        ({"session": ("day-*",)}, False),
        ({"min_input_tokens": 500}, True),
        ({"min_input_tokens": 501}, False),
        ({"max_input_tokens": 500}, True),
        ({"max_input_tokens": 499}, False),
        ({"tools": True}, True),
        ({"tools": False}, False),
        ({"images": True}, False),
        ({"images": False}, True),
        ({"schema": True}, True),
        ({"schema": False}, False),
        ({"stream": True}, False),
        ({"stream": False}, True),
    ],
)
def test_each_condition_and_its_opposite(when: dict[str, Any], fits: bool) -> None:
    assert (first(FULL, rule("r", **when)) == "r") is fits
    about_a_name = {"model": ("*",)} if "model" in when else {}
    assert (first(FULL, rule("r", not_=RouteWhen(**when), **about_a_name)) == "r") is not fits


def test_none_of_what_is_under_not_may_hold() -> None:
    refused = RouteWhen(task=("code",), app=("editor",))
    assert first(Asked(True, task="chat", app="shell"), rule("r", not_=refused)) == "r"
    assert first(Asked(True, task="code", app="shell"), rule("r", not_=refused)) is None
    assert first(Asked(True, task="chat", app="editor"), rule("r", not_=refused)) is None


def test_named_models_are_only_looked_at_by_rules_about_their_names() -> None:
    every, big = rule("every"), rule("big", model=("big/*",), not_=RouteWhen(model=("big/keep",)))
    named = Asked(False, model="Big/One")
    assert first(named, every, big) == "big"
    assert first(Asked(False, model="big/keep"), every, big) is None
    assert first(Asked(False, model="small/one"), every, big) is None
    assert first(Asked(True, model="anything/auto"), big, every) == "every"
    assert not Rules([every]).rewrites
    assert Rules([every, big]).rewrites


def test_what_is_dear_is_worked_out_once_and_only_where_all_else_fits() -> None:
    asked: list[str] = []

    def task() -> str:
        asked.append("task")
        return "code"

    def language() -> str:
        asked.append("language")
        return "de"

    rules = Rules(
        [
            rule("1", task=("code",), tools=True),
            rule("2", task=("code",), key=("other",)),
            rule("3", task=("code",), app=("x*",), language=("de",)),
        ]
    )
    assert rules.first(Asked(True, task=task, language=language)) is None
    assert asked == []
    chat = Rules(
        [rule("a", task=("chat",)), rule("b", task=("math",), language=("fr",)), rule("c", task=("code",))]
    )
    found = chat.first(Asked(True, task=task, language=language))
    assert found is not None
    assert found.name == "c"
    assert asked == ["task", "language"]


names = st.text(alphabet="ab*?!", min_size=1, max_size=4)
globs = st.lists(names, min_size=1, max_size=3).map(tuple)
plain = st.text(alphabet="abAB", max_size=4)


@given(globs, globs, plain, plain, st.booleans())
def test_names_fit_as_globs_do_everywhere(
    app: tuple[str, ...], key: tuple[str, ...], name: str, key_id: str, negated: bool
) -> None:
    inside = tuple(each for each in key if not each.startswith("!"))
    kept_out = any(
        not matches((each,), one) for each in key if each.startswith("!") for one in (key_id, name)
    )
    key_fits = not kept_out and (not inside or matches(inside, key_id) or matches(inside, name))
    conditions = [matches(app, name), key_fits]
    if negated:
        wanted, made = not any(conditions), rule("r", not_=RouteWhen(app=app, key=key))
    else:
        wanted, made = all(conditions), rule("r", app=app, key=key)
    assert (first(Asked(True, app=name, key=(key_id, name)), made) == "r") is wanted


def test_types_of_tasks_that_do_not_exist_are_refused() -> None:
    tasks = ("code", "math", "translation")
    Rules([rule("ok", task=("code", "trans*", "!math"))], tasks)
    with pytest.raises(ConfigError) as caught:
        Rules([rule("mine", task=("translate",))], tasks)
    assert str(caught.value) == (
        '[[route]] mine: no type of task fits its condition; did you mean "translation"?'
    )
    with pytest.raises(ConfigError, match="there are: code, math, translation"):
        Rules([rule("mine", not_=RouteWhen(task=("z*",)))], tasks)


KNOWN = ("acme/fast", "acme/slow", "acme/slow-2", "other/one")


@pytest.mark.parametrize(
    ("models", "model", "candidates"),
    [
        ((), "", KNOWN),
        (("auto",), "", KNOWN),
        (("acme/fast",), "acme/fast", ("acme/fast",)),
        (("new/alias",), "new/alias", ("new/alias",)),
        (("other/one", "acme/fast"), "", ("other/one", "acme/fast")),
        (("other/*", "ACME/*"), "", ("other/one", "acme/fast", "acme/slow", "acme/slow-2")),
        (("acme/*", "!*-2"), "", ("acme/fast", "acme/slow")),
        (("!acme/*",), "", ("other/one",)),
        (("other/one", "auto"), "", ("other/one", "acme/fast", "acme/slow", "acme/slow-2")),
        (("acme/*", "acme/fast"), "", ("acme/fast", "acme/slow", "acme/slow-2")),
        (("none/*",), "", ()),
    ],
)
def test_what_is_used(models: tuple[str, ...], model: str, candidates: tuple[str, ...]) -> None:
    ruled = Ruled("r", RouteUse(models))
    assert (ruled.model, ruled.candidates(KNOWN)) == (model, candidates)


def test_models_that_rules_name() -> None:
    use = RouteUse(("acme/fast", "acme/*", "auto"), strong="acme/large")
    assert Rules([rule("a", use), rule("b", "acme/fast")]).models() == ("acme/fast", "acme/large")


def test_fifty_rules_take_microseconds() -> None:
    """About 15 µs of an idle core; ten times that is far from one look at the prompt (200 µs)."""
    dice = random.Random(5)
    choices: list[dict[str, Any]] = [
        {"key": ("ci-*", "batch-*"), "min_input_tokens": 100},
        {"app": ("editor*",), "tools": False},
        {"team": ("research", "sales"), "app": ("shell",)},
        {"task": ("math",), "tools": True},
    ]
    rules = Rules([rule(str(n), **dice.choice(choices)) for n in range(50)])
    best = min(_spent_s(rules) for _ in range(20))
    assert best < 150e-6, f"{best * 1e6:.0f} µs"


def _spent_s(rules: Rules) -> float:
    asked = Asked(
        True, "auto", ("k_1", "alice"), ("t_1", "dev"), "cli/1", "s", 900, tools=True, task=lambda: "code"
    )
    begin = time.process_time()
    for _ in range(50):
        rules.first(asked)
    return (time.process_time() - begin) / 50
