"""The names under which callers leave the choice of the model to the works."""

from __future__ import annotations

AUTO = "tokenworks/auto"
# The last one is what clients of an aggregator write; its own router is not meant.
AUTO_NAMES = frozenset(("auto", AUTO, "openrouter/auto"))
