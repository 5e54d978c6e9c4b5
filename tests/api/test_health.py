"""Who may see the metrics, and what there is before anything was counted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tokenworks.plans import keys

Called = Callable[..., Any]
PUBLIC = ["0.0.0.0", "192.0.2.1", "::", "works.example", "localhost.example"]


async def test_healthz(called: Called) -> None:
    answer = await called().get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert (await called().head("/healthz")).status_code == 200  # as some watchers ask


async def test_metrics_before_anything_was_written(called: Called) -> None:
    answer = await called().get("/metrics")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


async def test_metrics_are_what_the_supervisor_wrote(called: Called, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "metrics.prom").write_text('# TYPE a_total counter\na_total{m="ü"} 1.0\n')
    (family,) = text_string_to_metric_families((await called().get("/metrics")).text)
    assert family.samples[0].labels == {"m": "ü"}


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
async def test_metrics_are_open_on_this_machine(called: Called, host: str) -> None:
    assert (await called(host).get("/metrics")).status_code == 200


@pytest.mark.parametrize("host", PUBLIC)
async def test_metrics_take_an_admin_key_elsewhere(called: Called, host: str) -> None:
    client = called(host)
    state = client.app.state
    _, member = keys.create(state.store, "m", state.settings.pepper)
    admin_id, admin = keys.create(state.store, "a", state.settings.pepper, "admin")
    for given, status in (
        ({}, 401),
        ({"authorization": "Bearer nope"}, 401),
        ({"authorization": f"Bearer {member}"}, 403),
    ):
        answer = await client.get("/metrics", headers=given)
        assert answer.status_code == status, given
    assert "--admin" in answer.json()["error"]["message"]
    for given in ({"authorization": f"Bearer {admin}"}, {"x-api-key": admin}):
        assert (await client.get("/metrics", headers=given)).status_code == 200, given
    state.store.revoke_key(admin_id)
    state.keys.reload_if_changed()
    assert (await client.get("/metrics", headers={"authorization": f"Bearer {admin}"})).status_code == 401
    assert (await client.get("/healthz")).status_code == 200  # who watches a server needs no key
