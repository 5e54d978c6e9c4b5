"""The caller's own wishes about providers, applied to the catalogue's order (cheapest first)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tokenworks.errors import BadRequest
from tokenworks.schema import Endpoint
from tokenworks.wire.peek import MALFORMED


class Wishes(msgspec.Struct, frozen=True):
    """The ``provider`` object of a request, as far as it orders or leaves out providers."""

    order: tuple[str, ...] | None = None
    only: tuple[str, ...] | None = None
    ignore: tuple[str, ...] | None = None
    allow_fallbacks: bool | None = None


_decode = msgspec.json.Decoder(Wishes | None).decode
_NONE = Wishes()


def read(raw: msgspec.Raw) -> Wishes:
    """Raises BadRequest when a field that is understood has the wrong type."""
    try:
        return _decode(raw) or _NONE
    except MALFORMED as error:
        raise BadRequest(f"'provider' is malformed: {error}") from None


def rank(endpoints: Sequence[Endpoint], wishes: Wishes) -> list[Endpoint]:
    """``endpoints`` in the order to be tried. Pure; raises BadRequest when nothing is left."""
    left = list(endpoints)
    if wishes.only:
        left = [e for e in left if e.provider in wishes.only]
    if wishes.ignore:
        left = [e for e in left if e.provider not in wishes.ignore]
    if wishes.order:
        place = {name: i for i, name in reversed(list(enumerate(wishes.order)))}  # the first mention counts
        if wishes.allow_fallbacks is False:
            left = [e for e in left if e.provider in place]
        last = len(wishes.order)
        left.sort(key=lambda e: place.get(e.provider, last))
    elif wishes.allow_fallbacks is False:
        left = left[:1]
    if not left:
        offered = ", ".join(sorted({e.provider for e in endpoints}))
        raise BadRequest(f"no provider is left after 'provider' was applied; this model has: {offered}")
    return left
