"""The list of models: what clients of both kinds need of it, and prices to the last digit."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenworks.api.models import pricing
from tokenworks.config.settings import EngineSettings, ProviderModelSettings, ProviderSettings
from tokenworks.schema import Price

Called = Callable[..., Any]

EXACT = re.compile(r"0|(0|[1-9]\d*)\.\d*[1-9]|[1-9]\d*")  # no exponent, no idle zeros
SMOL = "huggingfacetb/smollm2-135m-instruct"
ENGINES = {"smollm2": EngineSettings(model=SMOL, path="/m/smol.gguf", aliases=("smollm2",))}


def acme(*models: ProviderModelSettings, **more: Any) -> dict[str, Any]:
    """Settings of one provider with ``models``, as keyword arguments."""
    settings = ProviderSettings(wire="openai_chat", base_url="https://acme.example/v1", models=models, **more)
    return {"providers": {"acme": settings}, "secrets": {"acme": "sk"}}


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


async def test_list_holds_what_can_be_called(called: Called) -> None:
    found = (await called(**acme(FAST, DEAR), engines=ENGINES).get("/v1/models")).json()
    assert [each["id"] for each in found["data"]] == ["acme/dear", "acme/fast", SMOL]
    assert (found["object"], found["total_count"], found["links"]) == ("list", 3, {"next": None})
    fast, smol = found["data"][1:]
    assert fast["pricing"] == {
        "prompt": "0.0000001",
        "completion": "0.0000004",
        "input_cache_read": "0.000000025",
    }
    assert fast["context_length"] == fast["top_provider"]["context_length"] == 131072
    assert fast["top_provider"]["max_completion_tokens"] == 8192
    assert smol["pricing"] == {"prompt": "0", "completion": "0"}
    assert smol["created"] > 1_700_000_000
    assert (fast["created"], fast["owned_by"]) == (0, "acme")


async def test_nothing_to_call_is_an_empty_list(called: Called) -> None:
    found = (await called().get("/v1/models")).json()
    assert (found["data"], found["total_count"]) == ([], 0)
    assert (await called().get("/v1/models/")).json() == found


async def test_the_cheapest_price_is_the_one_shown(called: Called) -> None:
    given = acme(FAST)
    cheap = ProviderModelSettings(id="acme/fast", context_length=4096, input_mtok=0.05, output_mtok=0.4)
    given["providers"]["outlet"] = acme(cheap)["providers"]["acme"]
    given["secrets"]["outlet"] = "sk"
    (shown,) = (await called(**given).get("/v1/models")).json()["data"]
    assert (shown["pricing"]["prompt"], shown["context_length"]) == ("0.00000005", 4096)


async def test_official_client_lists_and_retrieves(called: Called) -> None:
    http = called(**acme(FAST), engines=ENGINES)
    for prefix in ("", "/api"):
        client = openai.AsyncOpenAI(base_url=f"http://tw{prefix}/v1", api_key="k", http_client=http)
        assert [each.id async for each in client.models.list()] == ["acme/fast", SMOL]
        for name in ("acme/fast", "quick", "ACME/Fast", "fast"):
            found = await client.models.retrieve(name)
            assert (found.id, found.owned_by, found.object) == ("acme/fast", "acme", "model")
        with pytest.raises(openai.NotFoundError, match="GET /v1/models lists them"):
            await client.models.retrieve("acme/none")


async def test_a_model_that_an_aggregator_is_passed_is_described(called: Called) -> None:
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


@pytest.mark.parametrize("name", ["x" * 5000, "acme/", "%20", "a%0Ab", "%ff", "acme/fast/extra"])
async def test_any_other_name_is_a_404(called: Called, name: str) -> None:
    answer = await called(**acme(FAST)).get(f"/v1/models/{name}", follow_redirects=True)
    assert answer.status_code == 404
    assert len(answer.content) < 1000


# --- prices -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mtok", "shown"),
    [
        (0.0, "0"),
        (1.0, "0.000001"),
        (0.07, "0.00000007"),
        (0.0375, "0.0000000375"),
        (1.1, "0.0000011"),
        (0.000001, "0.000000000001"),
        (150.0, "0.00015"),
        (1_000_000.0, "1"),
        (10_000_000.0, "10"),
    ],
)
def test_price_per_token(mtok: float, shown: str) -> None:
    assert pricing(Price("p", mtok, mtok, mtok, mtok)) == dict.fromkeys(
        ("prompt", "completion", "input_cache_read", "input_cache_write"), shown
    )


@pytest.mark.parametrize(
    ("usd", "shown"), [(0.01, "0.01"), (10.0, "10"), (0.005, "0.005"), (1e-9, "0.000000001")]
)
def test_price_per_request(usd: float, shown: str) -> None:
    assert pricing(Price("p", 0.0, 0.0, request_usd=usd))["request"] == shown


@settings(deadline=None, max_examples=200)
@given(st.integers(0, 10**10))
def test_prices_are_exact_decimals(micro: int) -> None:
    """To $10,000 per million in steps of $0.000001: what is shown is what is charged."""
    price = Price("p", micro / 10**6, 0.0)
    shown = pricing(price)["prompt"]
    assert EXACT.fullmatch(shown), shown
    assert Decimal(shown) == Decimal(micro) / 10**12
    assert price.pico_usd[0] == Decimal(shown) * 10**12


# --- the other contract -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def contract(data: Path) -> dict[str, Any]:
    file = data / "openrouter-openapi.json"
    if not file.exists():
        pytest.skip("no openrouter-openapi.json in the test data")
    found = json.loads(file.read_text())
    assert isinstance(found, dict)
    return found


KINDS: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}


def complaints(value: Any, schema: dict[str, Any], document: dict[str, Any], at: str) -> list[str]:
    """What ``schema`` has against ``value``: its type, required keys and closed lists of words."""
    while "$ref" in schema:
        found: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    for union in ("anyOf", "oneOf"):
        if union in schema:
            tried = [complaints(value, each, document, at) for each in schema[union]]
            return min(tried, key=len)
    said: list[str] = []
    for each in schema.get("allOf", ()):
        said += complaints(value, each, document, at)
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(isinstance(value, KINDS[kind]) for kind in kinds):
        return [f"{at}: {value!r} is not {' or '.join(kinds)}"]
    if "enum" in schema and value not in schema["enum"]:
        said.append(f"{at}: {value!r} is not one of {schema['enum']}")
    if isinstance(value, dict):
        said += [f"{at}.{name} is missing" for name in schema.get("required", ()) if name not in value]
        for name, inner in schema.get("properties", {}).items():
            if name in value:
                said += complaints(value[name], inner, document, f"{at}.{name}")
    if isinstance(value, list) and "items" in schema:
        for number, each in enumerate(value):
            said += complaints(each, schema["items"], document, f"{at}[{number}]")
    return said


async def test_answer_keeps_the_aggregators_contract(called: Called, contract: dict[str, Any]) -> None:
    content = contract["paths"]["/models"]["get"]["responses"]["200"]["content"]
    schema = content["application/json"]["schema"]
    secrets = dict.fromkeys(("openai", "anthropic", "google", "deepseek", "openrouter", "acme"), "sk")
    given = acme(FAST, DEAR, accepts_any_model=True)
    answer = (await called(**{**given, "secrets": secrets}, engines=ENGINES).get("/api/v1/models")).json()
    assert len(answer["data"]) > 50
    assert complaints(answer, schema, contract, "answer") == []
    del answer["data"][0]["pricing"]
    assert complaints(answer, schema, contract, "answer") == ["answer.data[0].pricing is missing"]


async def test_listed_prices_are_exact_decimals(called: Called) -> None:
    secrets = dict.fromkeys(("openai", "anthropic", "google", "deepseek", "openrouter", "mistral"), "sk")
    for model in (await called(secrets=secrets).get("/v1/models")).json()["data"]:
        for what, amount in model["pricing"].items():
            assert EXACT.fullmatch(amount), (model["id"], what, amount)
