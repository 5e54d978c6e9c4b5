"""The application's edges: every error in one shape, and a description that is whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from tokenworks.api import hot_paths
from tokenworks.errors import NotFound, StoreError

Called = Callable[..., Any]

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "api.md"


def error_of(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    error = answer.json()["error"]
    assert error["code"] == status
    assert isinstance(error["type"], str) and "\n" not in error["message"]
    return dict(error)


@pytest.mark.parametrize(
    "path", ["/v1", "/v1/nothing", "/../etc/passwd", "/%00", "/v1/ü", "/a%0Ab", "/%ff", "/" + "x" * 5000]
)
async def test_no_such_path_says_where_paths_are_listed(called: Called, path: str) -> None:
    error = error_of(await called().get(path), 404)
    assert error["type"] == "not_found"
    assert "/docs" in error["message"]
    assert len(error["message"]) < 300


async def test_wrong_method_says_which_is_right(called: Called) -> None:
    answer = await called().post("/v1/models")
    error = error_of(answer, 405)
    assert "POST" in error["message"]
    assert answer.headers["allow"] == "GET"
    error_of(await called().put("/healthz", content=b"{broken"), 405)
    for path in hot_paths.PATHS:  # served by the data plane
        for prefix in ("", "/api"):
            answer = await called().get(prefix + path)
            assert "GET" in error_of(answer, 405)["message"]
            assert answer.headers["allow"] == "POST"
    error_of(await called().post("/v1/messages"), 404)  # what is offered is not what is missing


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/", "GET, HEAD"),
        ("/v1/keys", "GET, POST"),
        ("/api/v1/keys/k_1", "DELETE, GET, PATCH"),
        ("/docs", "GET"),
    ],
)
async def test_all_methods_of_a_path_are_named(called: Called, path: str, allowed: str) -> None:
    answer = await called().put(path)
    error_of(answer, 405)
    assert answer.headers["allow"] == allowed


async def test_our_own_errors_keep_status_and_retry_after(called: Called) -> None:
    client = called()

    @client.app.get("/busy")
    async def busy() -> None:
        raise StoreError("the store is locked", retry_after_s=2.4, store="sqlite")

    @client.app.get("/soon")
    async def soon() -> None:
        raise StoreError("the store is locked", retry_after_s=0.01)

    @client.app.get("/gone")
    async def gone() -> None:
        raise NotFound("it is gone")

    answer = await client.get("/busy")
    assert error_of(answer, 503)["metadata"] == {"store": "sqlite"}
    assert answer.headers["retry-after"] == "2"
    assert (await client.get("/soon")).headers["retry-after"] == "1"  # 0 would mean: at once
    answer = await client.get("/gone")
    assert error_of(answer, 404)["message"] == "it is gone"  # not the message of an unknown path
    assert "retry-after" not in answer.headers


async def test_a_wrong_parameter_is_a_400_that_names_it(called: Called) -> None:
    client = called()

    error = error_of(await client.get("/v1/models", params={"offset": "many"}), 400)
    assert error["param"] == "query.offset"
    assert error["message"].startswith("query.offset: ")


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(inner)


async def test_description_is_whole(called: Called) -> None:
    client = called()
    document = (await client.get("/openapi.json")).json()
    assert document == (await client.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    paths = document["paths"]
    assert set(paths) >= {"/healthz", "/metrics", "/v1/models", *hot_paths.PATHS}
    assert not [path for path in paths if path.startswith("/api/")]  # the same again, not listed twice
    assert document["components"]["securitySchemes"] == hot_paths.SECURITY
    operations = [operation for path in paths.values() for operation in path.values()]
    assert all(operation["summary"] and operation["responses"] for operation in operations)
    names = [operation["operationId"] for operation in operations if "operationId" in operation]
    assert len(set(names)) == len(names)
    for node in nodes(document):
        if "$ref" in node:
            found: Any = document
            for part in node["$ref"].removeprefix("#/").split("/"):
                found = found[part]
    json.dumps(document)


async def test_every_description_is_true_to_what_is_done(called: Called) -> None:
    """Malformed is 400 here, never 422; who may be refused is told so; every schema is one."""
    document = (await called().get("/openapi.json")).json()
    assert set(document["components"]) == {"schemas", "securitySchemes"}
    assert not [name for name in document["components"]["schemas"] if "Validation" in name]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            answers = operation["responses"]
            assert "422" not in answers, path
            if "security" in operation:
                assert operation["security"] == [{"bearer": []}, {"apiKey": []}]
                assert "401" in answers, path
            if operation.get("parameters") or "requestBody" in operation:
                named = [each["in"] for each in operation.get("parameters", ())]
                assert "400" in answers or set(named) == {"path"}, (method, path)
            for answer in answers.values():
                for content in answer.get("content", {}).values():
                    assert content["schema"], (method, path)
                    Draft202012Validator.check_schema(content["schema"])


async def test_every_path_stands_in_the_documentation(called: Called) -> None:
    text = DOCUMENTATION.read_text()
    for path in (await called().get("/openapi.json")).json()["paths"]:
        assert f"`{path}`" in text or f" {path}`" in text, f"{path} is missing in docs/api.md"


async def test_docs_page(called: Called) -> None:
    answer = await called().get("/docs")
    assert answer.status_code == 200
    assert "/openapi.json" in answer.text
