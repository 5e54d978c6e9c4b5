"""Errors as clients of the messages wire read them."""

from __future__ import annotations

import json

import anthropic.types
import pytest
from pydantic import TypeAdapter

from tokenworks.wire.anthropic_messages.errors import error_body, error_type

KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
    500: "api_error",
    502: "api_error",
    418: "api_error",
}


@pytest.mark.parametrize(("status", "kind"), KINDS.items())
def test_each_status_has_its_word(status: int, kind: str) -> None:
    assert error_type(status) == kind
    body = error_body(status, 'the "model"\nfailed', "gen-1")
    assert json.loads(body) == {
        "type": "error",
        "error": {"type": kind, "message": 'the "model"\nfailed'},
        "request_id": "gen-1",
    }
    if kind != "request_too_large":  # the official types lack it
        TypeAdapter(anthropic.types.ErrorResponse).validate_json(body)


def test_the_request_may_have_no_id() -> None:
    assert json.loads(error_body(500, "x")) == {
        "type": "error",
        "error": {"type": "api_error", "message": "x"},
    }
