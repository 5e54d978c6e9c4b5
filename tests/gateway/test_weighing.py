"""What each model promises and costs for one request, and what is known of it beyond that."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from choosing_models import Fixed

from tokenworks.catalog.prices import UNKNOWN_PRICE
from tokenworks.gateway.roster import Entry
from tokenworks.gateway.way import WAYS
from tokenworks.gateway.weighing import LEAST_CALLS, MOST_COMPARED, Weighed, Weigher
from tokenworks.ledger.decided import LearntRow
from tokenworks.ledger.record import Record
from tokenworks.routing.affinity import Affinity
from tokenworks.routing.heads import Corrections
from tokenworks.routing.learner import NOTHING, Learnt, learnt
from tokenworks.routing.need import Need
from tokenworks.schema import Endpoint, Price

CHAT, COMPLETIONS = WAYS["/v1/chat/completions"], WAYS["/v1/completions"]
RIGHTS = {"a/a": 0.6, "b/b": 0.9, "c/c": 0.95}


def entry(model: str, usd: float = 1.0, **more: Any) -> Entry:
    price = more.pop("price", Price("p", usd, usd * 4, usd / 10))
    return Entry(model, (Endpoint(model, "acme", model, price, 100_000, **more),))


def weigher(now: Learnt = NOTHING, affinity: Affinity | None = None, **models: Any) -> Weigher:
    catalog: Any = SimpleNamespace(models=models)
    learner: Any = SimpleNamespace(now=now)
    fixed: Any = Fixed(RIGHTS)
    return Weigher(catalog, affinity if affinity is not None else Affinity(10, 100.0), fixed, learner)


def weighed(one: Weigher, tokens: int = 1000, most: int | None = None, text: str = "hi") -> Weighed:
    body = {"model": "auto", "messages": [{"role": "user", "content": text}], "session_id": "s"}
    asked = CHAT.read(json.dumps(body).encode())
    record = Record(id="gen-1", time_us=1, key_id="k", session="s")
    return one.weigh(CHAT, asked, record, Need(tokens, 5.0, lambda: 0.5, most))


def test_what_is_seen_of_a_request() -> None:
    seen = weighed(weigher())
    assert (seen.said.user, seen.look.task, seen.session, seen.key_id) == ("hi", "knowledge", "s", "k")


PROMPTS = [('"Once"', "Once"), ('["a","b"]', ""), ("[1,2]", "")]


@pytest.mark.parametrize(("prompt", "text"), PROMPTS)
def test_a_legacy_completion(prompt: str, text: str) -> None:
    asked = COMPLETIONS.read(b'{"model":"auto","prompt":%b}' % prompt.encode())
    record = Record(id="gen-1", time_us=1, key_id="k", session="s")
    seen = weigher().weigh(COMPLETIONS, asked, record, Need(10, 0.0, lambda: 0.5))
    assert seen.said.user == text


def test_promises_and_costs() -> None:
    one = weigher()
    entries = [entry("a/a", 1.0), entry("b/b", 2.0), entry("c/c", 20.0)]
    found = one.offers(entries, weighed(one), None, "")
    assert [each.model for each in found.options] == ["a/a", "b/b", "c/c"]
    assert [each.right for each in found.options] == pytest.approx([0.6, 0.9, 0.95])
    assert found.strong.model == "c/c" and found.priors == RIGHTS
    assert found.options[1].cost_usd == pytest.approx(2 * found.options[0].cost_usd)
    assert one.offers(entries, weighed(one), None, "b/b").strong.model == "b/b"
    assert one.offers(entries, weighed(one), None, "not/here").strong.model == "c/c"
    short = one.offers(entries, weighed(one, most=1), None, "").options[0].cost_usd
    assert short == pytest.approx((1000 * 1.0 + 4.0) / 1e6, rel=1e-3)


def test_a_price_that_nobody_knows_counts_like_the_dearest() -> None:
    one = weigher()
    entries = [entry("a/a", price=UNKNOWN_PRICE), entry("b/b", 2.0), entry("c/c", 20.0)]
    found = one.offers(entries, weighed(one), None, "")
    assert found.options[0].cost_usd == found.options[2].cost_usd > 0
    alone = one.offers(entries[:1], weighed(one), None, "")
    assert alone.options[0].cost_usd == 0 and alone.strong.model == "a/a"


def test_what_the_budget_does_not_last_for_is_left_out() -> None:
    one = weigher()
    entries = [entry("a/a", 1.0), entry("b/b", 2.0), entry("c/c", 20.0)]
    costs = [each.cost_usd for each in one.offers(entries, weighed(one), None, "").options]
    found = one.offers(entries, weighed(one), costs[1] * 1.01, "")
    assert [each.model for each in found.options] == ["a/a", "b/b"] and found.strong.model == "b/b"
    empty = one.offers(entries, weighed(one), 0.0, "c/c")
    assert [each.model for each in empty.options] == ["a/a"] and empty.strong.model == "a/a"


def test_a_warm_cache_makes_a_model_cheaper() -> None:
    affinity = Affinity(10, 100.0)
    one = weigher(affinity=affinity)
    place = entry("a/a").endpoints[0]
    cold = one.offers([entry("a/a")], weighed(one), None, "").options[0].cost_usd
    affinity.remember(("k", "a/a", "s"), place, 900, 1.0)
    warm = one.offers([entry("a/a")], weighed(one), None, "")
    assert warm.cached == {"a/a": 900}
    assert warm.options[0].cost_usd == pytest.approx(cold - 900 * 0.9 / 1e6)
    less = one.offers([entry("a/a")], weighed(one, tokens=100), None, "")
    assert less.cached == {"a/a": 100}, "no more than there is to read"


def row(model: str, calls: int, right: float, weight: float, output: int) -> LearntRow:
    tokens = 100 * calls, 0, output * calls, 0, 0
    return LearntRow(0, "knowledge", model, weight, right * weight, calls, *tokens)


def test_what_was_learnt_moves_both() -> None:
    before = weigher().offers([entry("a/a")], weighed(weigher()), None, "").options[0]
    now = learnt([row("a/a", 50, 0.99, 50.0, 4000)], 0, Corrections())
    one = weigher(now)
    after = one.offers([entry("a/a")], weighed(one), None, "").options[0]
    assert after.right > before.right + 0.1 and after.cost_usd > before.cost_usd
    assert one.usual_output("knowledge", "a/a") == pytest.approx(4000, rel=0.3)


def test_usual_lengths_need_calls() -> None:
    few = learnt([row("a/a", LEAST_CALLS - 1, 0.5, 1.0, 100)], 0, Corrections())
    assert weigher(few).usual_output("knowledge", "a/a") == 0.0


def test_families() -> None:
    one = weigher(**{"a/a": SimpleNamespace(author="other")})
    found = one.offers([entry("a/a"), entry("b/b")], weighed(one), None, "")
    assert [each.family for each in found.options] == ["other", "b"]


def test_agreement_of_answers() -> None:
    one = weigher()
    assert one.agreement("The answer is 4.", "It is 4. The answer is 4.", "math") == 1.0
    assert one.agreement("The answer is 4.", "The answer is 5.", "math") == 0.0
    assert one.pattern(["The answer is 4.", "The answer is 5.", "The answer is 4."], "math") == "ABA"
    assert one.agreement("Roses are red.", "", "writing") is None


def test_long_answers_are_compared_by_their_beginning() -> None:
    one = weigher()
    lengths: list[int] = []
    look = one.difficulty.look
    one.difficulty.look = lambda text: lengths.append(len(text)) or look(text)  # type: ignore
    one.agreement("word " * 100_000, "other " * 100_000, "writing")
    assert lengths and max(lengths) <= MOST_COMPARED


def test_an_opinion_of_any_model() -> None:
    asked = CHAT.read(b'{"model":"x","messages":[{"role":"user","content":"hi"}]}')
    assert weigher().opinion(CHAT, asked.fields, "b/b") == ("knowledge", pytest.approx(0.9))
