"""Rankings over HTTP: who may see what, what is refused, and files."""

import csv
import importlib
import io
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest

from tokenworks.config.settings import RankingsSettings
from tokenworks.ledger.outside import OutsideRow
from tokenworks.rankings.views import VIEWS

Called = Callable[..., Any]
ADMINS = {name for name, view in VIEWS.items() if view.audience == "admin"}
PUBLIC = RankingsSettings(public=True)
MARKUP = "<img src=x onerror=alert(1)>"


def put(client: Any, **fields: Any) -> None:
    client.record(
        "k_1",
        age_s=1,
        **{"uncached_input_tokens": 90, "output_tokens": 10, "cost_nano_usd": 10**9, "app": MARKUP, **fields},
    )


def kinds(answer: Any) -> set[str]:
    return {each["kind"] for each in answer["columns"]}


async def test_every_view_answers_as_described_and_money_is_for_admins(called: Called) -> None:
    client = called()
    _, admin = client.new_key("boss", "admin")
    _, member = client.new_key()
    put(client, session="s")
    spec = (await client.get("/openapi.json")).json()
    described = spec["paths"]["/v1/rankings/{view}"]["get"]["responses"]["200"]["content"]
    for view in VIEWS:
        found = await client.get(f"/v1/rankings/{view}", headers=admin)
        assert found.status_code == 200, view
        jsonschema.validate(found.json(), described["application/json"]["schema"])
        assert found.json()["view"] == view
        seen = await client.get(f"/v1/rankings/{view}", headers=member)
        if view in ADMINS:
            assert (seen.status_code, "an admin key" in seen.text) == (403, True), view
        else:
            assert not {"usd", "usd_mtok"} & kinds(seen.json()), view
            assert "usd" not in str(seen.json()["rows"]) + str(seen.json()["total"]), view


async def test_the_list_of_views(called: Called) -> None:
    client = called()
    _, admin = client.new_key("boss", "admin")
    _, member = client.new_key()
    client.store.replace_outside("article", [OutsideRow("article", 20500, "week", "a/x", tokens=5)])
    spec = (await client.get("/openapi.json")).json()
    for headers, money in ((admin, True), (member, False)):
        found = (await client.get("/v1/rankings", headers=headers)).json()
        described = spec["paths"]["/v1/rankings"]["get"]["responses"]["200"]["content"]["application/json"]
        jsonschema.validate(found, described["schema"])
        assert [each["view"] for each in found["data"]] == list(VIEWS)
        assert ("usd" in kinds(found["data"][0])) is money
        assert found["sources"] == [
            {"source": "article", "first": "2026-02-16", "last": "2026-02-16", "rows": 1}
        ]


async def test_without_a_key_nothing_unless_rankings_are_public(called: Called) -> None:
    client = called()
    put(client)
    for path in ("/v1/rankings", "/v1/rankings/model", "/v1/rankings/model/chart"):
        assert (await client.get(path)).status_code == 401
    client = called(rankings=PUBLIC)
    for path in ("/v1/rankings", "/v1/rankings/model", "/v1/rankings/model/chart"):
        assert (await client.get(path)).status_code == 200
        wrong = await client.get(path, headers={"authorization": "Bearer tw-wrong"})
        assert wrong.status_code == 401  # a key that is not valid is never let through
    found = (await client.get("/v1/rankings/model")).json()
    assert not {"usd"} & kinds(found) and found["rows"][0]["tokens"] == 100
    for view in ADMINS:
        refused = await client.get(f"/v1/rankings/{view}")
        assert (refused.status_code, "needs an admin key" in refused.text) == (401, True)


async def test_private_traffic_is_for_admins(called: Called) -> None:
    client = called(rankings=PUBLIC)
    _, admin = client.new_key("boss", "admin")
    _, member = client.new_key()
    put(client)
    put(client, private=True)

    async def tokens(headers: dict[str, str], path: str = "model", **params: str) -> Any:
        found = await client.get(f"/v1/rankings/{path}", headers=headers, params=params)
        if found.status_code != 200:
            return found.status_code
        told = found.json()
        return told["total"]["tokens"] if "total" in told else told["series"][0]["values"][-1]

    for path in ("model", "model/chart", "app", "context"):
        assert await tokens(admin, path) == 200
        assert await tokens(admin, path, private="exclude") == 100
        assert await tokens(admin, path, private="include") == 200
        for headers in (member, {}):
            assert await tokens(headers, path) == 100
            assert await tokens(headers, path, private="exclude") == 100
            assert await tokens(headers, path, private="include") == 403


async def test_what_a_key_team_or_user_did_is_for_admins(called: Called) -> None:
    client = called(rankings=PUBLIC)
    _, admin = client.new_key("boss", "admin")
    key_id, member = client.new_key("ann")
    client.record(key_id, age_s=1, output_tokens=7)
    found = await client.get("/v1/rankings/model", headers=admin, params={"key": "ann"})
    assert found.json()["total"]["tokens"] == 7
    for name in ("key", "team", "user"):
        for headers, status in ((member, 403), ({}, 401)):
            refused = await client.get("/v1/rankings/model", headers=headers, params={name: "ann"})
            assert (refused.status_code, "what a key, team or user did" in refused.text) == (status, True)
        assert (
            await client.get("/v1/rankings/model/chart", headers=member, params={name: "x"})
        ).status_code == 403


REFUSED = [
    ("weather", {}, "no such view; there are model, author, country"),
    ("models", {}, "write model for models"),
    ("model", {"at": "2026-W61"}, "2026-W61: 2026 has 53 weeks"),
    ("model", {"at": "2026-02", "unit": "week"}, "write it like 2026-W08"),
    ("model", {"at": "9000-W01"}, "has not begun"),
    ("model", {"unit": "year"}, "'day', 'week' or 'month'"),
    ("model", {"timezone": "Mars"}, "IANA name such as"),
    ("model", {"top": "0"}, "greater than or equal to 1"),
    ("model", {"private": "maybe"}, "'include' or 'exclude'"),
    ("model", {"format": "xlsx"}, "'json', 'csv' or 'parquet'"),
    ("model", {"source": "nobody"}, "no source of that name"),
    ("model", {"against": "nobody"}, "no source of that name"),
    ("app", {"provider": "acme"}, "can't be narrowed by provider; it can by model"),
    ("model", {"model": "a\0b"}, "characters that can be stored"),
    ("model", {"key": "nobody"}, "tokenworks key list"),
    ("finish/chart", {}, "has no chart; there are charts of"),
    ("model/chart", {"weeks": "53"}, "weeks must be from 1 to 52"),
    ("model/chart", {"weeks": "1000"}, "less than or equal to 104"),
    ("model/chart", {"unit": "day", "weeks": "14"}, "weeks must be from 1 to 13"),
]


async def test_what_is_refused_names_the_fix(called: Called) -> None:
    client = called()
    _, admin = client.new_key("boss", "admin")
    for path, params, fix in REFUSED:
        refused = await client.get(f"/v1/rankings/{path}", headers=admin, params=params)
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, 400), (path, params)
        assert fix in refused.json()["error"]["message"], (path, params)


async def test_markup_stays_data(called: Called) -> None:
    client = called(rankings=PUBLIC)
    put(client, model=f"a/{MARKUP}")
    found = await client.get("/v1/rankings/app")
    assert found.headers["content-type"] == "application/json"
    assert [row["app"] for row in found.json()["rows"]] == [MARKUP]
    found = await client.get("/v1/rankings/model", params={"app": MARKUP})
    assert found.json()["rows"][0]["model"] == f"a/{MARKUP}"
    refused = await client.get(f"/v1/rankings/{MARKUP}")
    assert refused.status_code == 400 and refused.headers["content-type"] == "application/json"


async def test_files(called: Called) -> None:
    client = called(rankings=PUBLIC)
    _, admin = client.new_key("boss", "admin")
    put(client)
    for headers, money in ((admin, True), ({}, False)):
        found = await client.get("/v1/rankings/model", headers=headers, params={"format": "csv"})
        assert found.headers["content-type"].startswith("text/csv")
        assert found.headers["content-disposition"].startswith('attachment; filename="model-20')
        rows = list(csv.DictReader(io.StringIO(found.text)))
        assert (rows[0]["model"], rows[0]["tokens"], "cost_usd" in rows[0]) == ("acme/fast", "100", money)
    found = await client.get("/v1/rankings/model", params={"format": "parquet"})
    table = importlib.import_module("pyarrow.parquet").read_table(io.BytesIO(found.content))
    assert table.column("tokens").to_pylist() == [100] and found.headers["content-disposition"].endswith(
        '.parquet"'
    )


async def test_a_missing_package_is_told_to_the_caller(
    called: Called, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(importlib.import_module("sys").modules, "pyarrow", None)
    refused = await called(rankings=PUBLIC).get("/v1/rankings/model", params={"format": "parquet"})
    assert (refused.status_code, "pip install" in refused.text) == (400, True)


async def test_charts_sources_and_time_zones(called: Called) -> None:
    client = called(rankings=RankingsSettings(public=True, timezone="Asia/Shanghai"))
    put(client)
    client.store.replace_outside("article", [OutsideRow("article", 20500, "week", "minimax/m", tokens=5)])
    spec = (await client.get("/openapi.json")).json()
    described = spec["paths"]["/v1/rankings/{view}/chart"]["get"]["responses"]["200"]["content"]
    drawn = (await client.get("/v1/rankings/app/chart")).json()
    jsonschema.validate(drawn, described["application/json"]["schema"])
    assert drawn["series"] == [{"name": MARKUP, "values": [100]}]
    drawn = (await client.get("/v1/rankings/country/chart", params={"source": "article"})).json()
    assert (drawn["labels"], drawn["series"]) == (["2026-W08"], [{"name": "CN", "values": [5]}])
    assert (await client.get("/v1/rankings/model")).json()["timezone"] == "Asia/Shanghai"
    found = await client.get("/v1/rankings/model", params={"timezone": "UTC", "against": "article"})
    assert found.json()["timezone"] == "UTC" and "share_there" in found.json()["rows"][0]
    found = await client.get("/v1/rankings/model", params={"source": "article"})
    assert (found.json()["period"], found.json()["total"]["tokens"]) == ("2026-W08", 5)
