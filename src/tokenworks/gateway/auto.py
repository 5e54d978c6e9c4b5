"""Requests for ``auto``: which model is asked, which one next, and what that is expected to cost."""

from __future__ import annotations

import contextlib
import functools
import random
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from tokenworks.catalog.auto import AUTO_NAMES
from tokenworks.catalog.resolve import Catalog
from tokenworks.config.auto import AutoSettings
from tokenworks.errors import BadRequest, Unauthorized
from tokenworks.gateway import hearing
from tokenworks.gateway.caller import MAX_LABEL, Caller
from tokenworks.gateway.choice import need_of
from tokenworks.gateway.choosing import choose
from tokenworks.gateway.course import Course
from tokenworks.gateway.roster import Entry, Roster
from tokenworks.gateway.way import Way
from tokenworks.gateway.weighing import Weighed, Weigher
from tokenworks.ledger.record import Record
from tokenworks.plans.allowance import Allowance
from tokenworks.routing import eligible, explore, knobs, variant, wishes
from tokenworks.routing.affinity import Affinity
from tokenworks.routing.checks import Expected
from tokenworks.routing.checks.language import spoken
from tokenworks.routing.difficulty import Difficulty
from tokenworks.routing.health import Health
from tokenworks.routing.knobs import Knobs
from tokenworks.routing.learner import Learner
from tokenworks.routing.need import Need
from tokenworks.routing.rules import Asked as Ask
from tokenworks.routing.rules import Ruled, Rules
from tokenworks.schema import NANO_USD, Endpoint
from tokenworks.wire import pairs
from tokenworks.wire.pairing import Asked
from tokenworks.wire.peek import MALFORMED, Fields

if TYPE_CHECKING:
    from tokenworks.plans.keys import Key

# What a model is asked once only: it may do something, or something is kept of it elsewhere.
_ACTING = (
    "tools",
    "functions",
    "mcp_servers",
    "container",
    "web_search_options",
    "conversation",
    "background",
)
# Answers that are not only text are served as they come.
_UNCHECKED = (*_ACTING, "modalities", "audio", "logit_bias", "best_of")
_NOTHING = (b"null", b"[]", b"{}", b"false")
_decode = msgspec.json.Decoder().decode
# Every name for it, and the suffix that it has: one goes behind the name of whichever model is chosen.
NAMES: Mapping[str, str] = {name: "" for name in AUTO_NAMES} | {
    f"{name}:{suffix}": suffix for name in AUTO_NAMES for suffix in variant.VARIANTS
}


class Auto:
    """What one worker needs to decide."""

    def __init__(
        self,
        settings: AutoSettings,
        rules: Rules,
        catalog: Catalog,
        health: Health,
        affinity: Affinity,
        difficulty: Difficulty,
        learner: Learner,
        now: Callable[[], float],
    ) -> None:
        self.settings = settings
        self.rules = rules
        self.weigher = Weigher(catalog, affinity, difficulty, learner)
        self.now = now
        self.rewrites = rules.rewrites
        self.draw = random.Random().random  # noqa: S311 - exploration, no secret
        plain = difficulty.look("")
        self.roster = Roster(
            catalog,
            health,
            lambda models: [guess.right for guess in difficulty.guess(plain, models)],
        )

    # --- what is asked ------------------------------------------------------------------------

    def course(
        self,
        way: Way,
        asked: Asked,
        caller: Caller,
        record: Record,
        allowance: Allowance | None,
        *,
        local_only: bool,
    ) -> Course | None:
        """How this request is answered; None where its model is named and no rule says otherwise.

        Raises BadRequest where no model can serve it, Forbidden or Unauthorized where none may.
        """
        for_auto = asked.model in NAMES
        if way.wire in (pairs.EMBEDDINGS, pairs.COUNT):
            if for_auto and way.wire == pairs.EMBEDDINGS:
                raise BadRequest(f"'auto' chooses among models that write; name a model of {way.kind}")
            return None
        need = need_of(asked, record, self.now(), self.draw)
        # What is dear to know is not worked out for named models, unless a rule asks for it.
        weigh = functools.cache(lambda: self.weigher.weigh(way, asked, record, need))
        ruled = self._ruled(asked, caller, record, need, weigh, for_auto=for_auto)
        if ruled is None and not for_auto:
            return None
        weighed = weigh()
        wanted = [knobs.of_fields(asked.fields)]
        if caller.wanted is not knobs.NOTHING:
            wanted.insert(0, caller.wanted)
        if allowance is not None and allowance.routing is not None:
            wanted.insert(0, knobs.of_key(allowance.routing))
        if ruled is not None:  # the operator has the last word
            wanted.append(knobs.of_rule(ruled.use))
        turned = knobs.merged(self.settings, *wanted)
        entries = self._entries(asked, caller, weighed, turned, ruled, allowance, local_only=local_only)
        return self._course(way, asked, weighed, turned, ruled, entries, allowance)

    def shadows(self, asked: Asked, course: Course) -> bool:
        """Whether the strong model answers as well, to learn from: some of what a cheaper one answers."""
        share = self.settings.shadow
        return (
            share > 0
            and not asked.stream
            and not _says(asked.fields, _ACTING)
            and course.route.first.model != course.route.strong.model
            and explore.shadowed(self.draw(), share)
        )

    def opinion(self, way: Way, fields: Fields, model: str, course: Course | None) -> tuple[str, float]:
        """The type of task, and P(the answer of ``model`` is right) as far as it is known by now."""
        if course is not None:
            return course.decision.task, course.right
        return self.weigher.opinion(way, fields, model)

    # --- what is known ------------------------------------------------------------------------

    def _ruled(
        self,
        asked: Asked,
        caller: Caller,
        record: Record,
        need: Need,
        weigh: Callable[[], Weighed],
        *,
        for_auto: bool,
    ) -> Ruled | None:
        if not self.rules:
            return None
        fields, key = asked.fields, caller.key
        return self.rules.first(
            Ask(
                auto=for_auto,
                model=asked.model,
                key=(key.id, key.name),
                team=self._team(key),
                app=record.app,
                session=record.session,
                input_tokens=need.input_tokens,
                tools="tools" in fields,
                images="image" in need.modalities,
                schema="structured_outputs" in need.parameters,
                stream=asked.stream,
                language=lambda: spoken(weigh().said.user),
                task=lambda: weigh().look.task,
            )
        )

    @staticmethod
    def _team(key: Key) -> tuple[str, str]:
        return key.team_id, key.team_id

    def _entries(
        self,
        asked: Asked,
        caller: Caller,
        weighed: Weighed,
        turned: Knobs,
        ruled: Ruled | None,
        allowance: Allowance | None,
        *,
        local_only: bool,
    ) -> Sequence[Entry]:
        """Models that can serve it, in the order of the rule where there is one."""
        allows = _allows(allowance)
        who = (caller.key.id, caller.key.allowance_version) if allows is not None else None
        roster, need = self.roster, weighed.need
        lists = roster.lists(turned, allows, who, local_only=local_only)
        names: Sequence[str] = lists.whole if ruled is None else ruled.candidates(lists.whole)
        if names == lists.whole:
            names = lists.short
        if not names:
            if local_only:
                raise Unauthorized("no API key; without one 'auto' means models run here, and there are none")
            raise BadRequest(
                "no model is left for 'auto': check allowed_models, excluded_models and the key's rules"
            )
        wish = variant.apply(wishes.read(asked.fields.get("provider")), NAMES.get(asked.model, ""))
        entries, excluded = roster.able(names, wish, need, allows, local_only=local_only)
        if names is lists.short is not lists.whole and not any(each.sound for each in entries):
            # None of the usual ones can do this: it is too long, has pictures, or goes to few providers.
            entries, excluded = roster.able(lists.whole, wish, need, allows, local_only=local_only)
        if not entries:
            if excluded:
                raise eligible.refusal(excluded)
            raise BadRequest(f"no model called {' or '.join(names)[:MAX_LABEL]} can be asked by this key")
        return roster.shortened(entries, turned.strong)

    def _course(
        self,
        way: Way,
        asked: Asked,
        weighed: Weighed,
        turned: Knobs,
        ruled: Ruled | None,
        entries: Sequence[Entry],
        allowance: Allowance | None,
    ) -> Course:
        offers = self.weigher.offers(entries, weighed, _left_usd(allowance), turned.strong)
        route, told = choose(
            weighed,
            offers,
            turned,
            ruled,
            checkable=_checkable(way, asked, turned),
            most_explored=self.settings.explore,
            uniform=self.draw(),
        )
        expected = None
        if route.checked:
            said = weighed.said
            expected = _expected_of(asked.fields, weighed.need, told.task, said.user or said.system)
        suffix = NAMES.get(asked.model, "")
        return Course(told, route, offers.prices, self.weigher, expected, f":{suffix}" if suffix else "")


def _checkable(way: Way, asked: Asked, turned: Knobs) -> bool:
    """Whether an answer can be held back and another model be asked.

    Not where tools may be called, nor where several answers are wanted, nor of a stream, unless its caller
    lets it be held back.
    """
    fields = asked.fields
    return (
        turned.cascade
        and way.wire in hearing.HEARD
        and (turned.buffer or not asked.stream)
        and not _says(fields, _UNCHECKED)
        and bytes(fields.get("n", b"1")) in (b"1", b"null")
    )


def _says(fields: Fields, names: Sequence[str]) -> bool:
    """Whether any of these fields says something."""
    return any(bytes(fields[name]) not in _NOTHING for name in names if name in fields)


def _allows(allowance: Allowance | None) -> Callable[[Endpoint], bool] | None:
    """Tells which endpoints this key may use; None: all. What its plan does not include is not chosen, unless
    the wallet pays for it."""
    if allowance is None:
        return None
    own = allowance.allows if allowance.restricts else None
    plan = allowance.subscription
    if plan is None or plan.spec.used_up == "pay_as_you_go":
        return own
    return lambda each: plan.weight(each.model) is not None and (own is None or own(each))


def _left_usd(allowance: Allowance | None) -> float | None:
    """What is left of the tightest budget; None where money is not limited."""
    if allowance is None or not allowance.money:
        return None
    return min(account.left for account in allowance.money) / NANO_USD


def _expected_of(fields: Fields, need: Need, task: str, prompt: str) -> Expected:
    schema, json = None, False
    given = fields.get("response_format") or fields.get("text")
    if given is not None:
        with contextlib.suppress(*MALFORMED):  # its provider will say what is wrong with it
            schema, json = _schema(_decode(given))
    return Expected(
        prompt=prompt,
        task=task,
        schema=schema,
        json=json,
        language="",
        max_output_tokens=need.max_output_tokens,
    )


def _schema(given: object) -> tuple[dict[str, object] | None, bool]:
    """The JSON schema in a ``response_format`` or a ``text``, and whether JSON is wanted at all."""
    if not isinstance(given, dict):
        return None, False
    inner = given.get("format", given)
    if not isinstance(inner, dict):
        return None, False
    kind = inner.get("type")
    holder = inner.get("json_schema", inner)
    schema = holder.get("schema") if isinstance(holder, dict) else None
    return (schema if isinstance(schema, dict) else None), kind in ("json_schema", "json_object")
