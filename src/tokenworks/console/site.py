"""What every page reads, and where a request finds it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import cache

import jinja2
from fastapi import Request

from tokenworks.catalog.load import Catalog
from tokenworks.config.settings import Settings
from tokenworks.console.drift_reading import DriftReading
from tokenworks.console.formats import FILTERS
from tokenworks.console.session import Signer
from tokenworks.console.slowing import Failures
from tokenworks.console.static_files import Shelf
from tokenworks.console.strings import Strings
from tokenworks.engines.link import EngineLink
from tokenworks.gateway.auto import Auto
from tokenworks.ledger.store import Store
from tokenworks.plans.keys import KeyBook
from tokenworks.routing.health import Health


def _now_us() -> int:
    return time.time_ns() // 1000


class Site:
    """Everything that pages share in one worker, built once.

    ``keys``, ``health`` and ``auto`` belong to the loop's thread: read them in ``async`` routes and
    dependencies only. ``store`` may be asked from any thread; a route that does is a plain ``def``.
    """

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        store: Store,
        keys: KeyBook,
        *,
        health: Health | None = None,
        auto: Auto | None = None,
        engines: EngineLink | None = None,
        stop: asyncio.Event | None = None,
        now_us: Callable[[], int] = _now_us,
        strict: bool = False,
    ) -> None:
        """``stop`` is set when the worker drains: answers that go on for long end then.

        ``strict``: a string that is missing is an error, not shown by its name.
        """
        self.settings = settings
        self.catalog = catalog
        self.store = store
        self.keys = keys
        self.health = health
        self.auto = auto
        self.engines = engines
        self.stop = stop or asyncio.Event()
        self.now_us = now_us
        self.signer = Signer(settings.pepper, now_us)
        self.failures = Failures(now_us)
        self.strings = Strings.load(strict=strict)
        self.shelf = Shelf.load()
        self.drift = DriftReading(store)
        self.live_streams = 0  # that are open now
        self.templates = _templates()


@cache
def _templates() -> jinja2.Environment:
    """Every template; they know nothing of the site they are shown by."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("tokenworks.console"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters.update(FILTERS)
    return made


def site_of(request: Request) -> Site:
    """The site that a request is for."""
    site: Site = request.app.state.site
    return site
