"""What passes between connection and handler, and that both kinds of handler keep to it."""

from __future__ import annotations

import inspect

import pytest

from tokenworks.gateway.exchange import Exchange as GatewayExchange
from tokenworks.http import asgi
from tokenworks.http.request import Exchange, Request

CALLS = ["client_gone", "client_slow", "client_ready", "shut_down"]


def test_a_request_is_as_it_was_made() -> None:
    request = Request(b"POST", b"/v1/x", {b"host": b"h"}, b"body", keep_alive=False, http10=True)
    assert (request.method, request.target, request.headers) == (b"POST", b"/v1/x", {b"host": b"h"})
    assert (request.body, request.keep_alive, request.http10) == (b"body", False, True)
    plain = Request(b"GET", b"/", {})
    assert (plain.body, plain.keep_alive, plain.http10, plain.held) == (b"", True, False, 0)


def test_a_request_has_no_room_for_more() -> None:
    """Thousands are held at once: a dict for each would show in the memory of open streams."""
    request = Request(b"GET", b"/", {})
    assert not hasattr(request, "__dict__")
    with pytest.raises(AttributeError):
        request.extra = 1  # type: ignore[attr-defined]


def test_the_protocol_is_these_calls() -> None:
    assert [name for name in vars(Exchange) if not name.startswith("_")] == CALLS


@pytest.mark.parametrize("handler", [GatewayExchange, asgi._Cycle])
@pytest.mark.parametrize("call", CALLS)
def test_handlers_answer_every_call(handler: type, call: str) -> None:
    """The connection calls them by name from timers and transports, where a missing one is found too late."""
    assert list(inspect.signature(getattr(handler, call)).parameters) == ["self"]
    assert not inspect.iscoroutinefunction(getattr(handler, call))
