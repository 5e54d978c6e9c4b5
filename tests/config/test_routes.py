"""``[[route]]`` in a config file: what is read, and with which line what can't be is refused."""

import tomllib
from pathlib import Path

import pytest

from tokenworks.config.auto import RouteSettings, RouteUse, RouteWhen
from tokenworks.config.check import Source
from tokenworks.config.routes import MAX_ROUTES, routes
from tokenworks.errors import ConfigError


def read(text: str) -> tuple[RouteSettings, ...]:
    return routes(Source(Path("t.toml"), text, tomllib.loads(text)))


def test_no_rules() -> None:
    assert read("") == read("route = []") == ()


def test_rules_are_read_in_order_and_named_by_their_place() -> None:
    text = """
[[route]]
use = "acme/fast"

[[route]]
name = "bulk"
when = { task = ["translation", "extraction"], key = "ci-*", min_input_tokens = 100, stream = false }
use = ["acme/fast", "other/*"]

[[route]]
[route.when]
session = true
language = "de"
[route.when.not]
app = "Editor"
session = "night-*"
[route.use]
models = "acme/fast"
quality = 1
max_cost_usd = 0.01
cascade = false
strong = "acme/large"
"""
    first, second, third = read(text)
    assert first == RouteSettings("route 1", RouteWhen(), RouteUse(("acme/fast",)))
    assert second.name == "bulk"
    assert second.when == RouteWhen(
        task=("translation", "extraction"), key=("ci-*",), min_input_tokens=100, stream=False
    )
    assert second.use == RouteUse(("acme/fast", "other/*"))
    assert third.name == "route 3"
    assert third.when == RouteWhen(
        session=True, language=("de",), not_=RouteWhen(app=("Editor",), session=("night-*",))
    )
    assert third.use == RouteUse(("acme/fast",), 1.0, 0.01, False, "acme/large")


RULE = '[[route]]\nuse = "a"\n'
REFUSED = {
    "[route]\nuse = 1": "1: route: must be an array of tables ([[route]]), not a table",
    "route = [1]": "1: route: must be a table ([[route]]), not a whole number",
    "[[route]]\nname = 'x'": '1: route: use is missing; add use = "author/slug"',
    RULE + "whn = {}": '3: route: unknown key "whn"; did you mean "when"?',
    RULE + "name = 3": "3: route: name must be text in quotes, not a whole number",
    RULE + "name = ' '": "3: route: name must be 1 to 100 printable characters",
    RULE + "when = 'code'": '3: route.when: must be a table (when = { task = "code" }), not text',
    RULE + "when = { tsk = 'a' }": '3: route.when: unknown condition "tsk"; did you mean "task"?',
    RULE + "when.task = 3": (
        '3: route.when: task must be text in quotes or a list of texts ("..." or ["...", "..."]), '
        "not a whole number"
    ),
    RULE + "when.task = []": "3: route.when: task must list 1 to 200 texts",
    RULE + "when.task = ['a', 1]": "3: route.when: task must hold texts only, not a whole number",
    RULE + "when.key = ''": "3: route.when: key must be 1 to 200 printable characters, such as acme/*",
    RULE + "when.tools = 'yes'": "3: route.when: tools must be true or false, not text",
    RULE + "when.tools = 1": "3: route.when: tools must be true or false, not a whole number",
    RULE + "when.session = 1": "3: route.when: session must be text in quotes or a list of texts",
    RULE + "when.min_input_tokens = true": (
        "3: route.when: min_input_tokens must be a whole number, not true or false"
    ),
    RULE + "when.max_input_tokens = -1": "3: route.when: max_input_tokens must be from 0 to 1000000000",
    RULE + "[route.when]\nmin_input_tokens = 2\nmax_input_tokens = 1": (
        "5: route.when: max_input_tokens must not be below min_input_tokens"
    ),
    RULE + "when.not = 1": '3: route.when.not: must be a table (not = { task = "code" }), not a whole',
    RULE + "when.not = {}": "3: route.when: not is empty; add a condition",
    RULE + "[route.when.not]\n\nnot = { task = 'a' }": '5: route.when.not: unknown condition "not"',
    RULE + "[route.when.not]\nmodel = 'a'": "4: route.when.not: model needs one beside not, as in when = {",
    "[[route]]\nuse = 1": (
        '2: route: use must be text in quotes or a list of texts ("..." or ["...", "..."]) '
        "or a table ({ quality = 0.9 }), not a whole number"
    ),
    "[[route]]\nuse = []": "2: route: use must list 1 to 200 texts",
    "[[route]]\nuse = {}": '2: route: use is empty; add models = ["author/slug"]',
    "[[route]]\nuse = { model = 'a' }": '2: route.use: unknown key "model"; did you mean "models"?',
    "[[route]]\nuse.quality = 1.5": "2: route.use: quality must be from 0 to 1",
    "[[route]]\nuse.quality = nan": "2: route.use: quality must be from 0 to 1",
    "[[route]]\nuse.quality = true": "2: route.use: quality must be a number, not true or false",
    "[[route]]\nuse.max_cost_usd = -1": "2: route.use: max_cost_usd must be from 0 to 1000000",
    "[[route]]\nuse.cascade = 'no'": "2: route.use: cascade must be true or false, not text",
    "[[route]]\nuse.strong = ['a']": "2: route.use: strong must be text in quotes, not a list",
    "[[route]]\nuse.strong = 'a/*'": '2: route.use: strong must name one model such as "author/slug"',
    "[[route]]\nuse.models = {}": "2: route.use: models must be text in quotes or a list of texts",
    RULE + "name = 'x'\n" + RULE + "name = 'x'": "6: route: name is that of a rule above; give each its own",
    RULE + RULE + "name = 'route 1'": "5: route: name is that of a rule above",
    RULE * (MAX_ROUTES + 1): f"{2 * MAX_ROUTES + 1}: route: 1000 rules at most; join some with lists",
}


@pytest.mark.parametrize(("text", "message"), REFUSED.items(), ids=range(len(REFUSED)))
def test_what_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert str(caught.value).startswith(f"t.toml:{message}")
    assert "\n" not in str(caught.value)
