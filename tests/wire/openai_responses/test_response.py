"""The response object."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.responses import Response
from wire_answers import telling

from tokenworks.schema import Usage
from tokenworks.wire.openai_responses import response
from tokenworks.wire.peek import raw
from tokenworks.wire.signature import MESSAGES, RESPONSES


def read(body: bytes) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(body)
    Response.model_validate(value)
    return value


def test_what_was_asked_is_repeated() -> None:
    asked = {
        "instructions": "be kind",
        "tools": [{"type": "function", "name": "f", "parameters": {}, "strict": None}],
        "tool_choice": {"type": "function", "name": "f"},
        "temperature": 0.5,
        "top_p": None,
        "text": {"format": {"type": "json_object"}, "verbosity": "low"},
        "reasoning": {"effort": "low"},
        "metadata": {"a": "b"},
        "previous_response_id": "resp_1",
        "max_output_tokens": 9,
        "parallel_tool_calls": False,
        "store": False,
        "truncation": "auto",
        "user": "u",
    }
    fields = {key: raw(value) for key, value in {**asked, "input": "secret", "model": "other"}.items()}
    made = read(response.under_way(response.fixed(telling(asked=fields), 1600)))
    for key, value in asked.items():
        assert made[key] == (value if value is not None else response.ECHOED[key]), key
    assert "input" not in made
    assert (made["id"], made["model"], made["provider"], made["created_at"]) == (
        "gen-1",
        "acme/fast",
        "acme",
        1600,
    )
    assert (made["status"], made["output"], "usage" in made) == ("in_progress", [], False)


def test_what_was_not_asked_is_as_it_is_by_default() -> None:
    made = read(response.under_way(response.fixed(telling(), 1600)))
    assert {key: made[key] for key in response.ECHOED} == response.ECHOED


@pytest.mark.parametrize(
    ("stop", "status", "reason"),
    [
        ("stop", "completed", None),
        ("tool_calls", "completed", None),
        ("odd", "completed", None),
        ("length", "incomplete", "max_output_tokens"),
        ("content_filter", "incomplete", "content_filter"),
        ("refusal", "incomplete", "content_filter"),
    ],
)
def test_a_response_that_has_ended(stop: str, status: str, reason: str | None) -> None:
    usage = response.usage_told(telling(), Usage(1, 2, 3, 10, 4), 25_750)
    fixed = response.fixed(telling(), 1600)
    item = json.dumps(response.message("m", "completed", response.text_part("a"))).encode()
    made = read(response.ended(fixed, stop, [item, item], usage, 1700))
    assert (made["status"], made["completed_at"]) == (status, 1700 if status == "completed" else None)
    assert made["incomplete_details"] == ({"reason": reason} if reason else None)
    assert len(made["output"]) == 2
    assert made["usage"]["input_tokens_details"] == {"cached_tokens": 2, "cache_write_tokens": 3}
    assert made["usage"]["cost"] == 2.575e-05
    assert made["usage"]["cost_details"]["upstream_inference_output_cost"] == 2e-05


def test_a_response_that_failed() -> None:
    made = read(response.failed(response.fixed(telling(), 1600), [], response.error_code(429), "broken"))
    assert (made["status"], made["error"]) == ("failed", {"code": "rate_limit_exceeded", "message": "broken"})
    assert response.error_code(400) == "invalid_prompt"
    assert response.error_code(502) == response.error_code(504) == "server_error"


def test_ids_tell_the_kind() -> None:
    assert response.item_id("msg", "gen-abc", 7) == "msg_abc007"


def test_reasoning_items() -> None:
    assert response.reasoning("rs", "", "", "", "completed") == {
        "id": "rs",
        "type": "reasoning",
        "summary": [],
        "status": "completed",
    }
    made = response.reasoning("rs", "t", "sig", MESSAGES, "completed")
    assert made["summary"] == [{"type": "summary_text", "text": "t"}]
    assert made["encrypted_content"] == f"{MESSAGES}:sig"
    assert response.reasoning("rs", "t", "sig", RESPONSES, "completed")["encrypted_content"] == "sig"


def test_pictures() -> None:
    assert response.image_call("ig", "aa", "image/jpeg", "completed")["output_format"] == "jpeg"
    assert "output_format" not in response.image_call("ig", "aa", "image/x-odd", "completed")
