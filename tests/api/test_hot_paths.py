"""The description of what the data plane serves is true to it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tokenworks import errors
from tokenworks.api import hot_paths
from tokenworks.gateway.way import WAYS

POSTS = {path: operations["post"] for path, operations in hot_paths.PATHS.items()}
OURS = [
    each for each in vars(errors).values() if isinstance(each, type) and each.__module__ == errors.__name__
]
# What no request to a hot path is answered with.
NOT_HERE = {errors.TokenworksError, errors.ConfigError, errors.NotFound}
MET = [each for each in OURS if each not in NOT_HERE]
MORE = {"/v1/responses": {str(errors.NotFound.status)}}  # the response that it goes on from
MESSAGES = ("/v1/messages", "/v1/messages/count_tokens")


def fits(value: Any, schema: dict[str, Any]) -> bool:
    return bool(Draft202012Validator(schema).is_valid(value))


def schemas(operation: dict[str, Any]) -> list[dict[str, Any]]:
    bodies = [operation["requestBody"], *operation["responses"].values()]
    return [content["schema"] for body in bodies for content in body["content"].values()]


def test_what_is_served_is_what_is_described() -> None:
    assert set(POSTS) == set(WAYS)


@pytest.mark.parametrize("path", POSTS)
def test_schemas_are_schemas(path: str) -> None:
    for schema in schemas(POSTS[path]):
        Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("kind", MET, ids=lambda kind: kind.__name__)
def test_every_error_a_caller_can_meet_is_described(path: str, kind: type[errors.TokenworksError]) -> None:
    response = POSTS[path]["responses"][str(kind.status)]
    assert response["description"]
    body = json.loads(WAYS[path].render(kind("do this", provider_name="acme")))
    schema = response["content"]["application/json"]["schema"]
    assert fits(body, schema), body
    assert not fits({"message": "do this"}, schema)


@pytest.mark.parametrize("path", POSTS)
def test_nothing_else_is_described(path: str) -> None:
    statuses = {str(each.status) for each in MET} | MORE.get(path, set())
    assert set(POSTS[path]["responses"]) == {"200", "202", *statuses}


@pytest.mark.parametrize("path", POSTS)
def test_security_is_a_scheme_that_is_there(path: str) -> None:
    assert [set(each) for each in POSTS[path]["security"]] == [{name} for name in hot_paths.SECURITY]


@pytest.mark.parametrize("path", POSTS)
def test_what_is_not_listed_is_passed_on(path: str) -> None:
    schema = POSTS[path]["requestBody"]["content"]["application/json"]["schema"]
    assert schema["additionalProperties"] is True
    assert set(schema["required"]) <= set(schema["properties"])


@pytest.mark.parametrize("path", POSTS)
def test_both_kinds_of_answer_are_described_where_there_are_two(path: str) -> None:
    content = POSTS[path]["responses"]["200"]["content"]
    schema = POSTS[path]["requestBody"]["content"]["application/json"]["schema"]
    assert ("text/event-stream" in content) == ("stream" in schema["properties"])
    assert "application/json" in content


def test_one_protocol_has_errors_of_its_own() -> None:
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": "m"}}
    for path, operation in POSTS.items():
        schema = operation["responses"]["400"]["content"]["application/json"]["schema"]
        assert fits(error, schema) == (path in MESSAGES)
