"""The description of what the data plane serves is true to it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tokenworks import errors
from tokenworks.api import hot_paths

CHAT = hot_paths.PATHS["/v1/chat/completions"]["post"]
OURS = [
    each for each in vars(errors).values() if isinstance(each, type) and each.__module__ == errors.__name__
]
# What no request to a hot path is answered with.
NOT_HERE = {errors.TokenworksError, errors.ConfigError, errors.NotFound}


def fits(value: Any, schema: dict[str, Any]) -> bool:
    """As much of JSON Schema as these descriptions use."""
    kinds: dict[str, Any] = {
        "object": dict,
        "array": list,
        "string": str,
        "integer": int,
        "number": (int, float),
        "null": type(None),
    }
    kind = schema.get("type", "object")
    if not any(isinstance(value, kinds[each]) for each in ([kind] if isinstance(kind, str) else kind)):
        return False
    if not isinstance(value, dict):
        return True
    known = schema.get("properties", {})
    return all(name in value for name in schema.get("required", ())) and all(
        fits(value[name], known[name]) for name in value.keys() & known.keys()
    )


@pytest.mark.parametrize("kind", [each for each in OURS if each not in NOT_HERE], ids=lambda k: k.__name__)
def test_every_error_a_caller_can_meet_is_described(kind: type[errors.TokenworksError]) -> None:
    response = CHAT["responses"][str(kind.status)]
    assert response["description"]
    body = json.loads(errors.render(kind("do this", provider_name="acme")))
    assert fits(body, response["content"]["application/json"]["schema"])


def test_nothing_else_is_described() -> None:
    statuses = {str(each.status) for each in OURS if each not in NOT_HERE}
    assert set(CHAT["responses"]) == {"200", *statuses}


def test_security_is_a_scheme_that_is_there() -> None:
    for path in hot_paths.PATHS.values():
        for operation in path.values():
            assert all(set(each) <= set(hot_paths.SECURITY) for each in operation["security"])


def test_a_request_is_required_what_the_gateway_requires() -> None:
    schema = CHAT["requestBody"]["content"]["application/json"]["schema"]
    assert schema["required"] == ["model", "messages"]
    assert schema["additionalProperties"] is True  # what is not listed is passed on
    assert set(schema["required"]) <= set(schema["properties"])


def test_both_kinds_of_answer_are_described() -> None:
    content = CHAT["responses"]["200"]["content"]
    assert set(content) == {"application/json", "text/event-stream"}
    answer = {
        "id": "gen-1",
        "object": "chat.completion",
        "created": 1,
        "model": "acme/fast",
        "provider": "acme",
        "choices": [{"index": 0}],
        "system_fingerprint": None,
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2, "cost": 5e-7},
    }
    schema = content["application/json"]["schema"]
    assert fits(answer, schema)
    for name in schema["required"]:
        assert not fits({k: v for k, v in answer.items() if k != name}, schema), name
