"""The operator's own rules for ``auto``: the first that fits a request decides, before any prediction.

Rules are compiled once into tests that are single calls into C, so that fifty of them cost about 10 µs.
What is dear to know of a request (its type of task, its language) is worked out only when a rule that
fits in everything else asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import lru_cache

import msgspec

from tokenworks.config.auto import RouteSettings, RouteUse, RouteWhen
from tokenworks.config.check import nearest
from tokenworks.config.glob import is_glob, pattern
from tokenworks.errors import ConfigError

AUTO = "auto"  # what conditions on ``model`` see of every name for it
MAX_CHARS = 256  # of a name that is looked at: callers choose some of them

Lazy = str | Callable[[], str]
_Test = tuple[int, Callable[..., object], bool]  # where the value stands, the test, what it must say

# Where a request's values stand, the dear ones last: tests are made in this order.
_FLAGS = ("auto", "tools", "images", "schema", "stream", "in_session")
_TOKENS, _MODEL, _APP, _SESSION, _KEY, _TEAM, _LANGUAGE, _TASK = range(len(_FLAGS), len(_FLAGS) + 8)
_NAMES = {"model": _MODEL, "app": _APP, "session": _SESSION, "language": _LANGUAGE, "task": _TASK}
_PAIRS = {"key": _KEY, "team": _TEAM}
_FOR_AUTO: _Test = (_FLAGS.index("auto"), bool, True)


class Asked(msgspec.Struct):
    """What rules may look at in a request. ``task`` and ``language`` may be given as functions."""

    auto: bool  # ``auto`` is asked for, by whichever of its names
    model: str = ""  # as it is asked for
    key: tuple[str, str] = ("", "")  # id and name
    team: tuple[str, str] = ("", "")
    app: str = ""
    session: str = ""
    input_tokens: int = 0
    tools: bool = False
    images: bool = False
    schema: bool = False  # a JSON schema of the answer
    stream: bool = False
    language: Lazy = ""
    task: Lazy = ""


class Ruled(msgspec.Struct, frozen=True):
    """What a rule decided."""

    name: str
    use: RouteUse

    @property
    def model(self) -> str:
        """The one model that serves, "" where there is still something to choose."""
        models = self.use.models
        return models[0] if len(models) == 1 and models[0] != AUTO and not is_glob(models[0]) else ""

    def candidates(self, known: Sequence[str]) -> tuple[str, ...]:
        """The models to choose among, in the rule's order; ``known`` in theirs where it names none.

        Plain names stay as they are, whether they are known or not; patterns become those of ``known``
        that they match and none that one with ``!`` matches.
        """
        models = self.use.models
        if not models or models == (AUTO,):
            return tuple(known)
        refused = tuple(each for each in models if each.startswith("!"))
        wanted = [each for each in models if not each.startswith("!")] or ["*"]
        found: dict[str, None] = {}
        for each in wanted:
            if is_glob(each) or each == AUTO:
                fits = pattern(["*" if each == AUTO else each, *refused]).match
                found.update((model, None) for model in known if fits(model.lower()))
            else:
                found[each] = None
        return tuple(found)


class Rules:
    """All ``[[route]]``, compiled."""

    __slots__ = ("_auto", "_named")

    def __init__(self, routes: Iterable[RouteSettings], tasks: Collection[str] = ()) -> None:
        """``tasks`` are all types there are. Raises ConfigError for a rule about another one."""
        self._auto = [(_tests(each.when), Ruled(each.name, each.use)) for each in _checked(routes, tasks)]
        # A request for a named model is looked at by those rules only that ask for its name.
        self._named = [rule for rule in self._auto if _FOR_AUTO not in rule[0]]

    def __bool__(self) -> bool:
        return bool(self._auto)

    @property
    def rewrites(self) -> bool:
        """Whether any rule looks at requests for named models too."""
        return bool(self._named)

    def models(self) -> tuple[str, ...]:
        """Every model that a rule names in full, for a check that it is known."""
        named: dict[str, None] = {}
        for _, ruled in self._auto:
            for each in (*ruled.use.models, ruled.use.strong):
                if each and each != AUTO and not is_glob(each):
                    named[each] = None
        return tuple(named)

    def first(self, asked: Asked) -> Ruled | None:
        """What the first rule that fits decides; None where none does."""
        rules = self._auto if asked.auto else self._named
        if not rules:
            return None
        values = _values(asked)
        for tests, ruled in rules:
            for at, test, wanted in tests:
                value = values[at]
                if value is None:
                    values[at] = value = _worked_out(asked, at)
                if bool(test(value)) is not wanted:
                    break
            else:
                return ruled
        return None


def _values(asked: Asked) -> list[object]:
    """In the order of the constants above; None for what was not worked out yet."""
    return [
        asked.auto,
        asked.tools,
        asked.images,
        asked.schema,
        asked.stream,
        bool(asked.session),
        asked.input_tokens,
        AUTO if asked.auto else _folded(asked.model),
        _folded(asked.app),
        _folded(asked.session),
        (asked.key[0].lower(), asked.key[1].lower()),
        (asked.team[0].lower(), asked.team[1].lower()),
        None,
        None,
    ]


def _worked_out(asked: Asked, at: int) -> str:
    value = asked.task if at == _TASK else asked.language
    return _folded(value if isinstance(value, str) else value())


def _folded(text: str) -> str:
    return text[:MAX_CHARS].lower()


# --- compiling ---------------------------------------------------------------------------------


def _tests(when: RouteWhen) -> tuple[_Test, ...]:
    found = [*_positive(when)]
    if not when.model:
        found.append(_FOR_AUTO)
    if when.not_ is not None:
        found += [(at, test, not wanted) for at, test, wanted in _positive(when.not_)]
    return tuple(sorted(found, key=lambda test: test[0]))


def _positive(when: RouteWhen) -> Iterable[_Test]:
    for at, name in enumerate(_FLAGS):
        value = getattr(when, name, None)
        if value is not None:
            yield at, bool, value
    if isinstance(when.session, bool):
        yield _FLAGS.index("in_session"), bool, when.session
    if when.min_input_tokens is not None:
        yield _TOKENS, when.min_input_tokens.__le__, True
    if when.max_input_tokens is not None:
        yield _TOKENS, when.max_input_tokens.__ge__, True
    for name, at in _NAMES.items():
        globs = getattr(when, name)
        if globs and not isinstance(globs, bool):
            yield at, _one(globs), True
    for name, at in _PAIRS.items():
        globs = getattr(when, name)
        if globs:
            yield _either(at, globs)


def _one(globs: tuple[str, ...]) -> Callable[..., object]:
    """A test of one name in lower case: a look into a set where no pattern is among ``globs``."""
    if any(is_glob(glob) for glob in globs):
        return pattern(globs).match
    return frozenset(glob.lower() for glob in globs).__contains__


def _either(at: int, globs: tuple[str, ...]) -> _Test:
    """A test of an id and a name: one of them is let in, and neither is kept out."""
    if not any(is_glob(glob) for glob in globs):
        meets = frozenset(glob.lower() for glob in globs).isdisjoint
        return at, meets, False
    inside = [glob for glob in globs if not glob.startswith("!")]
    outside = [glob for glob in globs if glob.startswith("!")]
    fits, not_kept_out = pattern(inside).match, pattern(outside).match

    @lru_cache(maxsize=256)  # keys and teams are few, and looking both names up is dear
    def test(names: tuple[str, str]) -> bool:
        one, other = names
        return bool(not_kept_out(one) and not_kept_out(other) and (fits(one) or fits(other)))

    return at, test, True


def _checked(routes: Iterable[RouteSettings], tasks: Collection[str]) -> Iterable[RouteSettings]:
    """``routes``, each looked at for types of tasks that don't exist: its rule would never fit."""
    for route in routes:
        conditions = (route.when.task, route.when.not_.task if route.when.not_ else ())
        for glob in (glob for globs in conditions for glob in globs):
            if tasks and not any(pattern([glob.removeprefix("!")]).match(task) for task in tasks):
                near = nearest(glob, tasks)
                hint = f'did you mean "{near}"?' if near else f"there are: {', '.join(sorted(tasks))}"
                raise ConfigError(f"[[route]] {route.name}: no type of task fits its condition; {hint}")
        yield route
