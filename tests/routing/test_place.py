"""What names an endpoint."""

from __future__ import annotations

from collections.abc import Callable

from tokenworks.routing.place import place_of
from tokenworks.schema import Endpoint, Price


def test_a_new_price_is_no_new_place_but_another_engine_is(endpoint: Callable[..., Endpoint]) -> None:
    old = endpoint("acme", 1.0, quantization="fp8")
    assert place_of(old) == ("acme", "m", "fp8", "a/m")
    assert place_of(endpoint("acme", price=Price("new", 9.0, 9.0), quantization="fp8")) == place_of(old)
    places = {
        place_of(endpoint("local", upstream_id="one", engine="one")),
        place_of(endpoint("local", upstream_id="two", engine="two")),
        place_of(endpoint("acme")),
        place_of(endpoint("acme", model="a/other")),
        place_of(old),
    }
    assert len(places) == 5
