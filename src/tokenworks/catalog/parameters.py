"""Which request fields are honoured: what a model can do, met with what its provider passes on.

Fields are named as aggregators list them (``supported_parameters``). A field that a model must have
learnt, such as ``tools``, needs a feature in the model's row; any other is a matter of the provider alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

VOCABULARY = (
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "structured_outputs",  # response_format with a JSON schema
    "response_format",
    "reasoning",
    "include_reasoning",
    "reasoning_effort",
    "verbosity",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "top_a",
    "stop",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "repetition_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "prediction",
    "web_search_options",
)
FEATURES: Mapping[str, tuple[str, ...]] = {  # word in a model's row → the fields that need it
    "tools": ("tools", "tool_choice", "parallel_tool_calls"),
    "structured_outputs": ("structured_outputs",),
    "reasoning": ("reasoning", "include_reasoning"),
    "effort": ("reasoning_effort",),
    "verbosity": ("verbosity",),
}
SAMPLING = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "top_a",
    "frequency_penalty",
    "presence_penalty",
    "repetition_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
)
GROUPS: Mapping[str, tuple[str, ...]] = {"sampling": SAMPLING}  # words that `without` may use besides
# What any language model takes, unless its row says otherwise.
COMMON = ("max_tokens", "temperature", "top_p", "stop")
# What the door of our own engines passes to llama.cpp. It calls repetition_penalty something else, and
# does not enforce tool_choice.
ENGINE = (
    "tools",
    "parallel_tool_calls",
    "structured_outputs",
    "response_format",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "stop",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
)

_LEARNT = frozenset(field for fields in FEATURES.values() for field in fields)


class Traits(msgspec.Struct, frozen=True):
    """What is known of a model: ``features`` that it has, and fields or groups that it is ``without``."""

    features: tuple[str, ...]
    without: tuple[str, ...] = ()


def understood(traits: Traits) -> tuple[str, ...]:
    """The fields that such a model understands wherever it is served."""
    json = ("response_format",) if "structured_outputs" in traits.features else ()
    return _met(traits, (*COMMON, *json, *_LEARNT), (), constrained=False)


def honoured(
    traits: Traits | None, passed: Sequence[str], without: Iterable[str] = (), *, constrained: bool = False
) -> tuple[str, ...] | None:
    """The fields honoured by a provider that passes on ``passed``; None where either is unknown.

    ``without`` are exceptions of this offer. ``constrained``: the provider's sampler enforces JSON
    schemas, so that the model need not have learnt to follow them.
    """
    return _met(traits, passed, without, constrained=constrained) if traits and passed else None


def _met(
    traits: Traits, passed: Iterable[str], without: Iterable[str], *, constrained: bool
) -> tuple[str, ...]:
    able = {field for feature in traits.features for field in FEATURES[feature]}
    if constrained:
        able.add("structured_outputs")
    kept = {field for field in passed if field in able or field not in _LEARNT}
    kept.difference_update(
        field for word in (*traits.without, *without) for field in GROUPS.get(word, (word,))
    )
    return tuple(field for field in VOCABULARY if field in kept)
