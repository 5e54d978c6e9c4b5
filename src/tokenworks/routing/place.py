"""What names one endpoint, also after the catalogue was priced anew and made new objects."""

from __future__ import annotations

from tokenworks.schema import Endpoint

Place = tuple[str, str, str, str]


def place_of(endpoint: Endpoint) -> Place:
    """Provider, its name for the model, quantization, model.

    The tag alone is not enough: engines of our own that run the same model share theirs.
    """
    return endpoint.provider, endpoint.upstream_id, endpoint.quantization, endpoint.model
