"""From a name to endpoints: ids, aliases, slugs, letter case, passing on, and what is near."""

from datetime import UTC, datetime

import pytest

from tokenworks.catalog.market import Market
from tokenworks.catalog.offers import Sold
from tokenworks.catalog.resolve import MAX_NAME, MAX_REMEMBERED, Alias, Catalog
from tokenworks.catalog.schedule import Schedule
from tokenworks.catalog.sellers import Seller
from tokenworks.errors import ConfigError
from tokenworks.schema import Model, Price, Provider

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PRICE = Price(id="p", input_mtok=1, output_mtok=2)


def model(name: str, *aliases: str) -> Model:
    return Model(
        id=name, name=name, author=name.partition("/")[0], country="", context_length=4096, aliases=aliases
    )


def catalog(
    *sold: tuple[str, str],
    known: tuple[Model, ...] = (),
    aliases: tuple[Alias, ...] = (),
    open_: bool = False,
) -> Catalog:
    """A catalogue of (model id, upstream id) at one provider "acme"."""
    provider = Provider(
        name="acme", title="", wire="openai_chat", base_url="https://x.example", accepts_any_model=open_
    )
    models = {each.id: each for each in (*(model(name) for name, _ in sold), *known)}
    goods = [Sold(name, "acme", upstream, Schedule.fixed(PRICE), 4096, None) for name, upstream in sold]
    market = Market([Seller(provider, None)], goods, [], models, NOW)
    return Catalog(models, {"acme": provider}, market, aliases)


def meaning(found: Catalog, name: str) -> str | None:
    endpoints = found.find(name)
    return endpoints[0].model if endpoints else None


def test_every_spelling_of_one_model() -> None:
    found = catalog(("Maker/Big-1", "big-one-0925"), known=(model("Maker/Big-1", "biggie"),))
    for name in ("Maker/Big-1", "maker/big-1", "MAKER/BIG-1", "big-1", "Big-1", "biggie", "BIG-ONE-0925"):
        assert meaning(found, name) == "Maker/Big-1", name
    assert found.find("maker/big-1") is found.find("Maker/Big-1")
    assert found.model("biggie") is found.models["Maker/Big-1"]


@pytest.mark.parametrize("name", ["", "/", "big", "maker/", "maker/big-1 ", "acme/big-1", "x" * 5000])
def test_what_means_nothing(name: str) -> None:
    found = catalog(("maker/big-1", "big-one"))
    assert found.find(name) == ()
    assert found.model(name) is None


def test_a_slug_of_two_authors_means_neither() -> None:
    found = catalog(("one/chat", "c1"), ("two/chat", "c2"))
    assert meaning(found, "chat") is None
    assert meaning(found, "two/chat") == "two/chat"


def test_an_ambiguous_name_is_not_rescued_by_a_lower_rank() -> None:
    found = catalog(("one/chat", "c1"), ("two/chat", "c2"), ("three/other", "chat"))
    assert meaning(found, "chat") is None


def test_ids_stand_over_aliases_over_slugs_over_upstream_ids() -> None:
    found = catalog(
        ("a/x", "four"),
        ("b/three", "x1"),
        ("c/y", "b/three"),
        ("d/z", "y"),
        known=(model("d/z", "three", "a/x"),),
    )
    assert meaning(found, "a/x") == "a/x"  # an id, though it is an alias of d/z
    assert meaning(found, "three") == "d/z"  # an alias, though it is the slug of b/three
    assert meaning(found, "y") == "c/y"  # a slug, though d/z is sold under it
    assert meaning(found, "four") == "a/x"


def test_the_user_s_aliases_stand_over_the_catalogue_s() -> None:
    known = (model("a/x", "quick"), model("b/y"))
    found = catalog(("a/x", "x"), ("b/y", "y"), known=known, aliases=(("Quick", "b/y", "providers.acme"),))
    assert meaning(found, "quick") == "b/y"


@pytest.mark.parametrize(
    "aliases",
    [
        (("a/x", "b/y", "providers.acme"),),
        (("quick", "a/x", "providers.acme"), ("QUICK", "b/y", "providers.other")),
    ],
)
def test_the_user_s_aliases_must_mean_one_model(aliases: tuple[Alias, ...]) -> None:
    with pytest.raises(ConfigError, match=r'^providers\.\w+: alias "\S+" already means "a/x"'):
        catalog(("a/x", "x"), ("b/y", "y"), aliases=aliases)


def test_the_same_alias_twice_for_one_model_is_fine() -> None:
    twice = (("quick", "a/x", "providers.acme"), ("quick", "a/x", "providers.other"), ("a/x", "a/x", "e"))
    assert meaning(catalog(("a/x", "x"), aliases=twice), "quick") == "a/x"


def test_passing_on_needs_an_open_provider() -> None:
    assert catalog(("a/x", "x")).find("acme/other") == ()
    found = catalog(("a/x", "x"), open_=True)
    (endpoint,) = found.find("acme/Other:7b")
    assert (endpoint.provider, endpoint.upstream_id, endpoint.price.id) == ("acme", "Other:7b", "unknown")
    (nested,) = found.find("ACME/maker/model")
    assert (nested.upstream_id, nested.model) == ("maker/model", "maker/model")
    assert found.find("other/model") == ()
    assert found.find("acme/") == ()
    assert found.find("acme/line\nbreak") == ()
    assert found.find("acme/" + "x" * MAX_NAME) == ()


def test_a_model_that_is_passed_on_can_be_described() -> None:
    described = catalog(open_=True).model("acme/other")
    assert described is not None
    assert (described.id, described.author) == ("acme/other", "acme")
    assert described.context_length > 0


def test_names_of_callers_do_not_pile_up() -> None:
    found = catalog(open_=True)
    for n in range(MAX_REMEMBERED + 10):
        assert found.find(f"acme/{n}")
    assert len(found._passed) <= MAX_REMEMBERED


def test_near_names() -> None:
    found = catalog(("maker/gpt-4o-mini", "x"), ("maker/gpt-4o", "y"), ("other/kimi-k2.5", "z"))
    assert found.nearest("gpt4o-mini", 1) == ["maker/gpt-4o-mini"]
    assert found.nearest("wrong/kimi-k25")[0] == "other/kimi-k2.5"
    assert found.nearest("KIMI")[0] == "other/kimi-k2.5"


def test_something_is_offered_even_if_nothing_is_near() -> None:
    found = catalog(("a/b", "x"), ("c/d", "y"))
    for name in ("", "qqqqqqqqqq", "\x00" * 100_000):
        assert found.nearest(name) == ["a/b", "c/d"]
    assert catalog().nearest("anything") == []
