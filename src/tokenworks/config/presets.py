"""``[presets.NAME]``: request bodies by name, for models called ``@preset/NAME``."""

from __future__ import annotations

import math
from typing import Any

from tokenworks.config.check import Source, describe
from tokenworks.config.lines import KeyPath

PREFIX = "@preset/"  # of what callers write as the model

_WHOLE = (-(2**63), 2**64 - 1)  # what fits both JSON readers and the hand-over to workers


def preset(source: Source, path: KeyPath, value: object) -> dict[str, Any]:
    """The request body in the table ``value`` at ``path``; ``ConfigError`` for what JSON can't carry."""
    body = source.table(value, path)
    if not body:
        raise source.refuse(path, 'is empty; add model = "author/slug" or other fields of a request')
    if "model" in body:
        model = body["model"]
        if not isinstance(model, str) or not model:
            raise source.refuse(path, f"model must be text in quotes, not {describe(model)}", at="model")
        if model.startswith(PREFIX):
            raise source.refuse(path, "model can't be a preset itself; name a model", at="model")
    for key, content in body.items():
        _check(source, (*path, key), content)
    return body


def _check(source: Source, path: KeyPath, value: object) -> None:
    """Refuse what no JSON document holds: dates, infinities and whole numbers of more than 64 bits."""
    if isinstance(value, dict):
        for key, content in value.items():
            _check(source, (*path, key), content)
    elif isinstance(value, list):
        for position, content in enumerate(value):
            _check(source, (*path, position), content)
    elif isinstance(value, float) and not math.isfinite(value):
        raise source.refuse(path, "must be a finite number")
    elif isinstance(value, int) and not _WHOLE[0] <= value <= _WHOLE[1]:
        raise source.refuse(path, "must fit into 64 bits")
    elif not isinstance(value, str | int | float):
        raise source.refuse(path, f"must be something that JSON knows, not {describe(value)}; quote it")
