"""The tree as clients see it: a status, a stable kind, one JSON shape with a numeric code."""

from __future__ import annotations

import json

import httpx
import openai
import pytest

from tokenworks import errors
from tokenworks.errors import TokenworksError, openai_body, render


def tree(top: type[TokenworksError] = TokenworksError) -> list[type[TokenworksError]]:
    return [top, *(each for child in top.__subclasses__() for each in tree(child))]


ALL = [each for each in tree() if each.__module__ == errors.__name__]
CALLERS_MEET = [each for each in ALL if each not in (TokenworksError, errors.ConfigError)]


def test_kinds_are_unique_names() -> None:
    kinds = [each.kind for each in ALL]
    assert len(set(kinds)) == len(kinds)
    assert all(kind.replace("_", "").isalpha() and kind == kind.lower() for kind in kinds)


@pytest.mark.parametrize("kind", CALLERS_MEET, ids=lambda each: each.__name__)
def test_what_callers_meet_is_never_a_500(kind: type[TokenworksError]) -> None:
    """And what may succeed when sent again is what clients do send again: 408, 429, 5xx."""
    assert 400 <= kind.status < 600 and kind.status != 500
    assert kind.retryable == (kind.status in (408, 429) or kind.status >= 500)


@pytest.mark.parametrize("kind", ALL, ids=lambda each: each.__name__)
def test_body_is_the_shape_that_clients_read(kind: type[TokenworksError]) -> None:
    body = json.loads(render(kind("what to do", provider_name="acme", attempts=None)))
    assert body == {
        "error": {
            "message": "what to do",
            "type": kind.kind,
            "param": None,
            "code": kind.status,
            "metadata": {"provider_name": "acme"},  # what is not known is left out
        }
    }
    assert isinstance(body["error"]["code"], int)


def test_nothing_to_tell_is_no_metadata() -> None:
    assert "metadata" not in json.loads(render(errors.NotFound("gone")))["error"]
    assert "metadata" not in json.loads(render(errors.NotFound("gone", provider_name=None)))["error"]


def test_any_text_survives() -> None:
    said = 'Ünïcode ✓ "quoted" \\ and\nbroken \u2028 \x00 😀'
    assert json.loads(openai_body(400, "x", said, param=said))["error"]["message"] == said


def test_an_error_says_its_line() -> None:
    error = errors.RateLimited("later", retry_after_s=2.5)
    assert str(error) == error.message == "later"
    assert error.retry_after_s == 2.5
    assert errors.RateLimited("later").retry_after_s is None


@pytest.mark.parametrize(
    ("kind", "seen"),
    [
        (errors.BadRequest, openai.BadRequestError),
        (errors.UnknownModel, openai.BadRequestError),
        (errors.Unauthorized, openai.AuthenticationError),
        (errors.Forbidden, openai.PermissionDeniedError),
        (errors.NotFound, openai.NotFoundError),
        (errors.RateLimited, openai.RateLimitError),
        (errors.UpstreamError, openai.InternalServerError),
        (errors.Unavailable, openai.InternalServerError),
    ],
)
def test_official_client_reads_them(kind: type[TokenworksError], seen: type[openai.APIStatusError]) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(kind.status, content=render(kind("do this")))

    with httpx.Client(transport=httpx.MockTransport(answer)) as http:
        client = openai.OpenAI(base_url="http://tw/v1", api_key="k", max_retries=0, http_client=http)
        with pytest.raises(seen) as raised:
            client.models.list()
    assert "do this" in raised.value.message
    assert raised.value.type == kind.kind
    assert int(raised.value.code or 0) == kind.status
