"""What a suffix of the model's name wishes: ``author/slug:floor``."""

from __future__ import annotations

import msgspec

from tokenworks.routing.wishes import Sort, Wishes

# The last three name no way of choosing endpoints: what they ask for is up to the gateway.
VARIANTS = frozenset(("floor", "nitro", "exacto", "free", "thinking", "extended", "online"))
_SORTS: dict[str, Sort] = {"floor": "price", "nitro": "throughput", "exacto": "exacto"}


def split(name: str) -> tuple[str, str]:
    """The model's name and its suffix, "" without one.

    Only suffixes with a meaning are cut: other colons are a part of the name ("some-model:8b").
    """
    model, colon, suffix = name.rpartition(":")
    suffix = suffix.lower()
    return (model, suffix) if colon and model and suffix in VARIANTS else (name, "")


def apply(wishes: Wishes, variant: str) -> Wishes:
    """``wishes`` with what ``variant`` adds. A ``sort`` that the caller spelled out goes before it."""
    if variant == "free":
        return msgspec.structs.replace(wishes, free=True)
    sort = _SORTS.get(variant)
    if sort is None or wishes.sort is not None:
        return wishes
    return msgspec.structs.replace(wishes, sort=sort)
