"""What a worker of batches needs to hand requests in to providers: their keys, and the catalogue of now."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable

from tokenworks.batches.native.errand import USUAL, Pauses
from tokenworks.batches.native.natives import Natives
from tokenworks.batches.native.offer import Offer
from tokenworks.batches.worker import BatchWorker
from tokenworks.catalog.load import load, refresh_prices
from tokenworks.catalog.resolve import Catalog
from tokenworks.config.settings import Settings, UpstreamSettings
from tokenworks.http.timers import Sweeper
from tokenworks.http.upstream import Pool
from tokenworks.providers.bulk.reach import way_of
from tokenworks.providers.bulk.way import Way
from tokenworks.providers.vault import with_vault

ANSWER_S = 600.0  # that a provider may take over a hand-in


def equip(worker: BatchWorker, settings: Settings) -> None:
    """Let ``worker`` hand in what is cheaper so, with the keys that this installation has.

    Where that is switched off it ends what was begun before. What is not needed is not read.
    """

    @functools.cache
    def whole() -> Settings:
        return with_vault(settings, worker.store)

    @functools.cache
    def catalog() -> Catalog:
        return load(whole())

    def now() -> Catalog:
        refresh_prices(catalog())
        return catalog()

    def secret(provider: str) -> str:
        several = whole().provider_keys.get(provider, ())
        return several[0].secret if several else whole().secrets.get(provider, "")

    def ca_file(provider: str) -> str | None:
        given = whole().providers.get(provider)
        return given.ca_file if given is not None else None

    let_hand_in(worker, settings.pepper, now, secret, ca_file=ca_file, plans=settings.batches.native)


def let_hand_in(
    worker: BatchWorker,
    pepper: bytes,
    catalog: Callable[[], Catalog],
    secret: Callable[[str], str],
    pauses: Pauses = USUAL,
    *,
    ca_file: Callable[[str], str | None] = lambda _: None,
    plans: bool = True,
) -> None:
    """The same with this catalogue, on the worker's loop.

    ``secret`` is the key of a provider, ``ca_file`` its own trust roots.
    """
    loop = asyncio.get_running_loop()
    upstream = UpstreamSettings(first_byte_timeout_s=ANSWER_S, max_connections=8)
    pool = Pool(loop, upstream, Sweeper(loop))

    def reach(offer: Offer) -> Way:
        name = offer.endpoint.provider
        return way_of(pool, catalog().providers[name], offer.api, secret(name), ca_file=ca_file(name))

    worker.jobs.natives = Natives(
        worker.store,
        pepper,
        catalog,
        reach,
        worker.patience,
        worker.settling,
        worker.standing,
        pauses,
        plans=plans,
    )
