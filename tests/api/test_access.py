"""Who may do what: every path is either open to all on purpose, or asks for a key, some for an admin's."""

from __future__ import annotations

import re
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
# What any key may do. Everything that is neither here nor above is administrative, new paths too.
MEMBERS = {
    "/models/user",
    "/generation",
    "/generation/feedback",
    "/key",
    "/auth/key",
    "/credits",
    "/responses/{response_id}",
    "/responses/{response_id}/input_items",
    "/queued",
    "/queued/{queued_id}",
    "/rankings",
    "/rankings/{view}",
    "/rankings/{view}/chart",
    "/files",
    "/files/{file_id}",
    "/files/{file_id}/content",
    "/batches",
    "/batches/{batch_id}",
    "/batches/{batch_id}/parts",
    "/batches/{batch_id}/cancel",
    "/batches/{batch_id}/pause",
    "/batches/{batch_id}/resume",
    "/batches/{batch_id}/retry",
    "/recipes",
}
# Administrative, and a manager's too, within its team: tests/api/test_reach.py and those of each file.
MANAGERS = {
    "/keys",
    "/keys/{hash}",
    "/keys/{hash}/rotate",
    "/budgets",
    "/budgets/{limit_id}",
    "/budgets/{limit_id}/refund",
    "/sessions",
    "/sessions/{session:path}/stop",
    "/sessions/{session:path}/resume",
    "/audit",
}
MANAGERS_BY_METHOD = {("GET", "/teams"), ("GET", "/teams/{team}")}
BODY = {"name": "x", "scope": "app", "subject": "a", "amount": 1, "action": "slow"}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is about to write the responses that are asked for here."""
    monkeypatch.setattr("tokenworks.api.responses.AGAIN_AFTER_S", 0.0)


def doors() -> Iterator[tuple[str, str, str]]:
    """Method, URL and template of every path but the open ones."""
    for prefix, router in ROUTERS:
        for route in router.routes:
            assert isinstance(route, Route)
            if route.path not in OPEN:
                for method in sorted(route.methods or ()):
                    yield method, prefix + re.sub(r"{[^}]*}", "k_1", route.path), route.path


DOORS = sorted(set(doors()))
ADMINISTRATIVE = [door for door in DOORS if door[2] not in MEMBERS]


def test_no_route_stands_beside_the_routers(called: Called) -> None:
    """One that did would escape the tests below."""
    routes = called().app.routes
    assert {route.path for route in routes if isinstance(route, Route)} == {"/openapi.json", "/docs"}
    assert len([route for route in routes if not isinstance(route, Route)]) == len(ROUTERS)


def test_there_are_doors() -> None:
    templates = {template for _, _, template in DOORS}
    assert templates >= MEMBERS | MANAGERS | {"/activity", "/plans/{plan}/assign", "/teams", "/fair-use"}
    assert (
        OPEN & {route.path for _, router in ROUTERS for route in router.routes if isinstance(route, Route)}
        == OPEN
    )
    assert len(ADMINISTRATIVE) > 50


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
    """A member's key is refused at every door that is not a member's, whatever it brings."""
    client = called()
    _, member = client.new_key()
    _, stray = client.new_key(role="manager")  # of no team
    _, admin = client.new_key(role="admin")
    for body in (None, BODY):
        for headers in (member, stray):
            found = await client.request(method, url, headers=headers, params={"id": "gen-1-x"}, json=body)
            assert (found.status_code == 403) == (template not in MEMBERS), found.text
        found = await client.request(method, url, headers=admin, params={"id": "gen-1-x"}, json=body)
        assert found.status_code not in (401, 403), found.text


@pytest.mark.parametrize(("method", "url", "template"), ADMINISTRATIVE)
async def test_managers_pass_only_where_teams_are_looked_after(
    called: Called, method: str, url: str, template: str
) -> None:
    client = called()
    _, manager = client.new_key(role="manager", team_id="t_1")
    found = await client.request(method, url, headers=manager, json={"name": "x", "key": "k_1"})
    allowed = template in MANAGERS or (method, template) in MANAGERS_BY_METHOD
    assert allowed == (found.status_code != 403), found.text


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
