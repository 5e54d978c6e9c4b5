"""From the name that a caller wrote to the endpoints that serve it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from tokenworks.catalog.market import Market
from tokenworks.catalog.prices import UNKNOWN_PRICE
from tokenworks.catalog.tariff import Tariff, tariff
from tokenworks.errors import ConfigError
from tokenworks.schema import Endpoint, Model, Provider

MAX_NAME = 256  # characters; a longer name is no model's
MAX_REMEMBERED = 1024  # names that are passed on and have a known price
_NEAR = 0.4  # least likeness of a name that is offered instead

Alias = tuple[str, str, str]  # a name of the user's, the model it means, where he wrote it


class Catalog:
    """What can be called now.

    ``models`` holds every known model; ``endpoints`` those of each model that can be called, cheapest
    first; ``providers`` the active ones. ``prices_change_at`` is the first moment at which a price may
    differ from what stands here, None if none will.
    """

    def __init__(
        self,
        models: dict[str, Model],
        providers: dict[str, Provider],
        market: Market,
        aliases: Iterable[Alias] = (),
    ) -> None:
        self.models = models
        self.providers = providers
        self._market = market
        self._open = {name for name, provider in providers.items() if provider.accepts_any_model}
        self._names = spellings(models, market.endpoints(), aliases)
        # ids come first in names, and first wins here
        self._bare = {name.rpartition("/")[2].lower(): model for name, model in reversed(self._names.items())}
        self._take_prices()

    @property
    def priced_at(self) -> datetime:
        """The moment whose prices stand here."""
        return self._market.at

    def tariff(self, name: str) -> Tariff | None:
        """When of the day the model that ``name`` means is cheapest; None where that is all day."""
        found = self.find(name)
        if not found:
            return None
        return tariff(found[0].model, self._market.schedules(found[0].model), self.priced_at.date())

    def move_to(self, at: datetime) -> bool:
        """Take the prices of ``at`` (UTC) in place; whether any listed price changed."""
        changed = self._market.move_to(at)
        self._take_prices()
        return changed

    def _take_prices(self) -> None:
        self.endpoints = self._market.endpoints()
        self.prices_change_at = self._market.next_change()
        self._index = {name: self.endpoints[model] for name, model in self._names.items()}
        self._passed: dict[str, tuple[Endpoint, ...]] = {}

    def find(self, name: str) -> tuple[Endpoint, ...]:
        """Endpoints for ``name``, cheapest first; empty if nothing is called that.

        ``name`` is a model id, an alias, a bare slug or what a provider calls the model, where that is
        clear, in any letter case; or ``PROVIDER/ANYTHING`` for a provider that accepts any model.
        """
        found = self._index.get(name)
        return self._find_rare(name) if found is None else found

    def model(self, name: str) -> Model | None:
        """The model that ``name`` means, known or passed on; None if ``find`` finds nothing either."""
        found = self.find(name)
        if not found:
            return None
        endpoint = found[0]
        known = self.models.get(endpoint.model)
        return known or minimal_model(endpoint.model, endpoint.provider, endpoint.context_length)

    def nearest(self, name: str, n: int = 3) -> list[str]:
        """Up to ``n`` ids of callable models, the likest first; some even if none is like ``name``."""
        bare = name[:MAX_NAME].lower().rpartition("/")[2]
        near = difflib.get_close_matches(bare, self._bare, n=2 * n, cutoff=_NEAR)
        ids = dict.fromkeys(self._bare[slug] for slug in near)
        if len(ids) < n:
            ids.update(dict.fromkeys(sorted(self.endpoints)))
        return list(ids)[:n]

    def _find_rare(self, name: str) -> tuple[Endpoint, ...]:
        if len(name) > MAX_NAME:
            return ()
        found = self._index.get(name.lower()) or self._passed.get(name)
        if found is not None:
            return found
        prefix, _, rest = name.partition("/")
        provider = prefix.lower()
        if provider not in self._open or not rest or not rest.isprintable():
            return ()
        passed = (self._market.pass_on(provider, rest),)
        if passed[0].price is not UNKNOWN_PRICE and len(self._passed) < MAX_REMEMBERED:
            self._passed[name] = passed
        return passed


def minimal_model(name: str, provider: str, context_length: int) -> Model:
    """A row for a model that the catalogue does not know; its author is what stands before the slash."""
    author = name.partition("/")[0] if "/" in name else provider
    return Model(
        id=name,
        name=name,
        author=author,
        country="",
        context_length=context_length,
        source="tokenworks.toml",
    )


def spellings(
    models: Mapping[str, Model],
    endpoints: Mapping[str, Sequence[Endpoint]],
    aliases: Iterable[Alias],
) -> dict[str, str]:
    """Every name that means one callable model → its id: lower case, and ids as they are written.

    ``aliases`` are the user's own. Ids stand over them, they over the catalogue's aliases, those over
    bare slugs, and those over what providers call a model. A name that means two models at one rank
    means none; one of the user's that does so is a ``ConfigError``.
    """
    names = {model.lower(): model for model in endpoints}
    said: dict[str, str] = {}
    for alias, model, where in aliases:
        other = names.get(alias.lower(), said.get(alias.lower(), model))
        if other != model:
            raise ConfigError(f'{where}: alias "{alias}" already means "{other}"; choose another')
        said[alias.lower()] = model
    ranks = (
        said.items(),
        ((alias, model) for model in endpoints for alias in models[model].aliases),
        ((model.rpartition("/")[2], model) for model in endpoints),
        ((each.upstream_id, model) for model, sold in endpoints.items() for each in sold),
    )
    for rank in ranks:
        claims: dict[str, set[str]] = {}
        for name, model in rank:
            claims.setdefault(name.lower(), set()).add(model)
        for name, claimed in claims.items():
            if name not in names:
                names[name] = claimed.pop() if len(claimed) == 1 else ""
    callable_names = {name: model for name, model in names.items() if model}
    return {**callable_names, **{model: model for model in endpoints}}
