"""Who may do what: every path is either open to all on purpose, or asks for a key, some for an admin's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.routing import Route

from tokenworks.api.app import ROUTERS

Called = Callable[..., Any]

OPEN = {
    "/",
    "/healthz",
    "/metrics",  # its own rule: tests/api/test_health.py
    "/models",
    "/models/",
    "/models/count",
    "/models/{name:path}",
    "/model/{name:path}",
    "/models/{name:path}/endpoints",
    "/embeddings/models",
    "/endpoints/zdr",
    "/providers",
}
ADMINS = {"/keys", "/keys/{hash}", "/activity"}


def doors() -> Iterator[tuple[str, str, str]]:
    """Method, URL and template of every path but the open ones."""
    for prefix, router in ROUTERS:
        for route in router.routes:
            assert isinstance(route, Route)
            if route.path not in OPEN:
                for method in sorted(route.methods or ()):
                    yield method, prefix + route.path.replace("{hash}", "k_1"), route.path


DOORS = sorted(set(doors()))


def test_there_are_doors() -> None:
    templates = {template for _, _, template in DOORS}
    assert templates >= ADMINS | {"/key", "/auth/key", "/credits", "/generation", "/models/user"}
    assert (
        OPEN & {route.path for _, router in ROUTERS for route in router.routes if isinstance(route, Route)}
        == OPEN
    )


@pytest.mark.parametrize(("method", "url", "template"), DOORS)
async def test_nobody_passes_without_a_key(called: Called, method: str, url: str, template: str) -> None:
    client = called()
    key_id, revoked = client.new_key()
    client.store.revoke_key(key_id)
    for headers in ({}, {"authorization": "Bearer tw-" + "x" * 43}, {"x-api-key": b"\xfc"}, revoked):
        answer = await client.request(method, url, headers=headers, params={"id": "gen-1-x"})
        assert answer.status_code == 401, (headers, answer.text)
        assert answer.json()["error"]["type"] == "authentication_error"


@pytest.mark.parametrize(("method", "url", "template"), DOORS)
async def test_only_admins_pass_where_others_are_looked_after(
    called: Called, method: str, url: str, template: str
) -> None:
    client = called()
    _, member = client.new_key()
    _, admin = client.new_key(role="admin")
    found = await client.request(method, url, headers=member, params={"id": "gen-1-x"})
    assert (found.status_code == 403) == (template in ADMINS), found.text
    found = await client.request(method, url, headers=admin, params={"id": "gen-1-x"})
    assert found.status_code not in (401, 403), found.text


async def test_a_key_comes_in_either_header(called: Called) -> None:
    client = called()
    _, headers = client.new_key("mine")
    secret = headers["authorization"].removeprefix("Bearer ")
    for given in (
        headers,
        {"authorization": f"bearer  {secret} "},
        {"authorization": secret},
        {"x-api-key": secret},
    ):
        answer = await client.get("/v1/key", headers=given)
        assert answer.status_code == 200, given
        assert answer.json()["data"]["name"] == "mine"
    both = {"authorization": "Bearer nonsense", "x-api-key": secret}
    assert (await client.get("/v1/key", headers=both)).status_code == 401  # as on the hot paths


async def test_open_paths_are_open(called: Called) -> None:
    for path in (
        "/v1/models",
        "/v1/models/count",
        "/v1/providers",
        "/v1/endpoints/zdr",
        "/v1/embeddings/models",
    ):
        for prefix in ("", "/api"):
            assert (await called().get(prefix + path)).status_code == 200
