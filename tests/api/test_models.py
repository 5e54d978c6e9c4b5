"""The list of models as each kind of client asks for it, and one model by any of its names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anthropic
import httpx2
import openai
import pytest

from tokenworks.config.settings import EngineSettings, ProviderModelSettings

Called = Callable[..., Any]
Acme = Callable[..., dict[str, Any]]

SMOL = "huggingfacetb/smollm2-135m-instruct"
ENGINES = {"smollm2": EngineSettings(model=SMOL, path="/m/smol.gguf", aliases=("smollm2",))}
FAST = ProviderModelSettings(
    id="acme/fast",
    context_length=131072,
    max_output_tokens=8192,
    input_mtok=0.1,
    output_mtok=0.4,
    cache_read_mtok=0.025,
    aliases=("quick",),
)
DEAR = ProviderModelSettings(id="acme/dear", context_length=8192, input_mtok=75.0, output_mtok=150.0)


async def test_list_holds_what_can_be_called(called: Called, acme: Acme) -> None:
    found = (await called(**acme(FAST, DEAR), engines=ENGINES).get("/v1/models")).json()
    assert [each["id"] for each in found["data"]] == ["acme/dear", "acme/fast", SMOL]
    assert (found["object"], found["total_count"], found["links"]) == ("list", 3, {"next": None})
    assert (found["has_more"], found["first_id"], found["last_id"]) == (False, "acme/dear", SMOL)
    assert "models" not in found
    fast, smol = found["data"][1:]
    assert fast["pricing"] == {
        "prompt": "0.0000001",
        "completion": "0.0000004",
        "input_cache_read": "0.000000025",
    }
    assert fast["top_provider"]["max_completion_tokens"] == 8192
    assert smol["pricing"] == {"prompt": "0", "completion": "0"}
    assert smol["created"] > 1_700_000_000


async def test_nothing_to_call_is_an_empty_list(called: Called) -> None:
    found = (await called().get("/v1/models")).json()
    assert (found["data"], found["total_count"]) == ([], 0)
    assert (found["has_more"], found["first_id"], found["last_id"]) == (False, None, None)
    assert (await called().get("/v1/models/")).json() == found


async def test_official_client_lists_and_retrieves(called: Called, acme: Acme) -> None:
    http = called(**acme(FAST), engines=ENGINES)
    for prefix in ("", "/api"):
        client = openai.AsyncOpenAI(base_url=f"http://tw{prefix}/v1", api_key="k", http_client=http)
        assert [each.id async for each in client.models.list()] == ["acme/fast", SMOL]
        for name in ("acme/fast", "quick", "ACME/Fast", "fast"):
            found = await client.models.retrieve(name)
            assert (found.id, found.owned_by, found.object) == ("acme/fast", "acme", "model")
        with pytest.raises(openai.NotFoundError, match="GET /v1/models lists them"):
            await client.models.retrieve("acme/none")


async def test_official_client_of_the_messages_protocol_pages_to_the_end(called: Called, acme: Acme) -> None:
    app = called(**acme(FAST, DEAR), engines=ENGINES).app
    http = httpx2.AsyncClient(transport=httpx2.ASGITransport(app))
    client = anthropic.AsyncAnthropic(base_url="http://tw/api", api_key="k", http_client=http)
    assert [each.id async for each in client.models.list(limit=1)] == ["acme/dear", "acme/fast", SMOL]
    whole = await client.models.list(limit=1000)
    assert (whole.has_more, whole.last_id, len(whole.data)) == (False, SMOL, 3)
    one = await client.models.retrieve("acme/fast")
    assert (one.id, one.type, one.lifecycle, one.max_input_tokens) == ("acme/fast", "model", "active", 131072)
    await client.close()


async def test_the_coding_client_gets_a_list_of_its_own_beside_the_other(called: Called, acme: Acme) -> None:
    client = called(**acme(FAST, DEAR), engines=ENGINES)
    found = (await client.get("/v1/models", params={"client_version": "0.153.4"})).json()
    assert [each["slug"] for each in found["models"]] == [each["id"] for each in found["data"]]
    assert [each["priority"] for each in found["models"]] == [0, 1, 2]


async def test_the_next_page_keeps_filters(called: Called, acme: Acme) -> None:
    client = called(**acme(FAST, DEAR), engines=ENGINES)
    first = (await client.get("/api/v1/models", params={"limit": 1, "model_authors": "acme"})).json()
    assert (first["total_count"], first["has_more"]) == (2, True)
    link = urlsplit(first["links"]["next"])
    assert link.path == "/api/v1/models"
    assert parse_qs(link.query) == {"limit": ["1"], "model_authors": ["acme"], "offset": ["1"]}
    second = (await client.get(first["links"]["next"])).json()
    assert [each["id"] for each in second["data"]] == ["acme/fast"]
    assert second["links"] == {"next": None}


async def test_what_is_used_most_comes_first_when_asked_for(called: Called, acme: Acme) -> None:
    client = called(**acme(FAST, DEAR), engines=ENGINES)
    key_id, _ = client.new_key()
    client.record(key_id, model="acme/fast", output_tokens=5)
    client.record(key_id, model=SMOL, output_tokens=50)
    client.record(key_id, age_s=8 * 86_400, model="acme/dear", output_tokens=5000)  # long ago
    found = (await client.get("/v1/models", params={"sort": "top-weekly"})).json()
    assert [each["id"] for each in found["data"]] == [SMOL, "acme/fast", "acme/dear"]


async def test_count(called: Called, acme: Acme) -> None:
    client = called(**acme(FAST, DEAR), engines=ENGINES)
    assert (await client.get("/v1/models/count")).json() == {"data": {"count": 3}}
    assert (await client.get("/v1/models/count?q=acme")).json() == {"data": {"count": 2}}


async def test_own_models_and_embeddings_models(called: Called, acme: Acme) -> None:
    client = called(**acme(FAST), engines=ENGINES)
    _, headers = client.new_key()
    every = (await client.get("/v1/models")).json()
    assert (await client.get("/v1/models/user", headers=headers)).json() == every
    assert (await client.get("/v1/embeddings/models")).json()["data"] == []


async def test_one_model_in_an_envelope(called: Called, acme: Acme) -> None:
    client = called(**acme(FAST))
    plain = (await client.get("/v1/models/acme/fast")).json()
    assert (await client.get("/v1/model/acme/fast")).json() == {"data": plain}
    assert (await client.get("/v1/model/acme/none")).status_code == 404


async def test_a_model_that_an_aggregator_is_passed_is_described(called: Called, acme: Acme) -> None:
    client = called(**acme(FAST, accepts_any_model=True), engines=ENGINES)
    for name in ("acme/org/unheard-of", "acme/unheard-of", "acme/org/deep/er:free"):
        answer = await client.get(f"/v1/models/{name}")
        assert answer.status_code == 200, answer.text
        shown = answer.json()
        assert shown["id"].endswith(name.rpartition("/")[2])
        assert shown["context_length"] > 0
        assert shown["pricing"] == {"prompt": "0", "completion": "0"}
    known = (await client.get(f"/v1/models/acme/{SMOL}")).json()
    assert known["id"] == SMOL


@pytest.mark.parametrize("name", ["x" * 5000, "acme/", "%20", "a%0Ab", "%ff", "%00", "acme/fast/extra"])
@pytest.mark.parametrize("path", ["/v1/models/{}", "/v1/model/{}", "/v1/models/{}/endpoints"])
async def test_any_other_name_is_a_404(called: Called, acme: Acme, name: str, path: str) -> None:
    answer = await called(**acme(FAST)).get(path.format(name), follow_redirects=True)
    assert answer.status_code == 404
    assert len(answer.content) < 1000


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=x",
        "offset=-1",
        "offset=99999999999999999999999",
        "max_price=nan",
        "min_price=-1",
        "after_id=no",
    ],
)
async def test_a_query_that_makes_no_sense_is_a_400(called: Called, query: str) -> None:
    answer = await called().get(f"/v1/models?{query}")
    assert answer.status_code == 400, answer.text
    assert query.partition("=")[0] in answer.json()["error"]["message"]
