"""What a real server answers, held against OpenRouter's own OpenAPI description, as JSON Schema.

A new path is one line in ``CHECKS``, a new stream one in ``STREAMS``. Where we differ on purpose stands in
``adapted`` and nowhere else.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012
from serving import Server, acme, chat

from tokenworks.api import endpoint_card, listing, model_card
from tokenworks.catalog.load import load
from tokenworks.catalog.presets import presets
from tokenworks.config.settings import Settings
from tokenworks.ledger.record import Record
from tokenworks.ledger.store import open_store
from tokenworks.providers.scripted import Fault, Reply, Script, When, running

CONTRACT = "urn:contract"
EXACT = re.compile(r"0|(0|[1-9]\d*)\.\d*[1-9]|[1-9]\d*")  # no exponent, no idle zeros
SCRIPT = Script(
    reply=(
        Reply(when=When(model="limited"), fault=Fault(kind="status", status=429, retry_after_s=7)),
        Reply(when=When(model="broken"), fault=Fault(kind="garbage", at_byte=0)),
        Reply(when=When(model="dies"), tokens=20, fault=Fault(kind="early_close", after_chunk=4)),
    )
)
MORE = """
supported_parameters = ["tools", "temperature", "max_tokens"]
quantization = "fp8"
"""
FAULTY = """
[[providers.acme.models]]
id = "acme/{name}"
upstream_id = "{name}"
context_length = 4096
input_mtok = 1.0
output_mtok = 1.0
"""


class Check(NamedTuple):
    """One request and what the contract says of its answer. ``{...}`` in ``path`` is filled from ``made``."""

    operation: str  # in the contract: method and path
    path: str  # as it is asked for, below /api/v1
    status: int = 200
    who: str = "member"  # member, admin, stranger
    body: dict[str, Any] | None = None


def of(model: str, **more: Any) -> dict[str, Any]:
    return {**chat("hello"), "model": f"acme/{model}", **more}


def message(model: str, **more: Any) -> dict[str, Any]:
    """A request for a message."""
    return of(model, max_tokens=100, **more)


def response(model: str, **more: Any) -> dict[str, Any]:
    """A request for a response."""
    return {"model": f"acme/{model}", "input": "hello", **more}


CHECKS = [
    Check("post /messages", "/messages", 200, body=message("fast")),
    Check("post /messages", "/messages", 400, body=message("none")),
    Check("post /responses", "/responses", 200, body=response("fast")),
    Check("post /responses", "/responses", 400, body=response("none")),
    Check("post /embeddings", "/embeddings", 200, body=response("fast")),
    Check("post /embeddings", "/embeddings", 400, body=response("none")),
    Check("get /models", "/models"),
    Check("get /models", "/models?limit=1&offset=1&sort=newest&client_version=1.0.0"),
    Check("get /models", "/models?limit=0", 400),
    Check("get /models/user", "/models/user"),
    Check("get /models/count", "/models/count"),
    Check("get /embeddings/models", "/embeddings/models"),
    Check("get /model/{author}/{slug}", "/model/acme/fast"),
    Check("get /model/{author}/{slug}", "/model/acme/none", 404),
    Check("get /models/{author}/{slug}/endpoints", "/models/acme/fast/endpoints"),
    Check("get /models/{author}/{slug}/endpoints", "/models/acme/none/endpoints", 404),
    Check("get /endpoints/zdr", "/endpoints/zdr"),
    Check("get /providers", "/providers"),
    Check("get /generation", "/generation?id={generation}"),
    Check("get /generation", "/generation?id={streamed}"),
    Check("get /generation", "/generation?id=gen-1-none", 404),
    Check("get /generation", "/generation?id={generation}", 401, "stranger"),
    Check("get /credits", "/credits"),
    Check("get /credits", "/credits", 401, "stranger"),
    Check("get /key", "/key"),
    Check("get /key", "/auth/key"),
    Check("get /key", "/key", 401, "stranger"),
    Check("get /keys", "/keys", 200, "admin"),
    Check("get /keys", "/keys?offset=-1", 400, "admin"),
    Check("get /keys", "/keys", 401, "stranger"),
    Check("post /keys", "/keys", 201, "admin", {"name": "made", "expires_at": "2099-01-01T00:00:00Z"}),
    Check("post /keys", "/keys", 201, "admin", {"name": "made", "limit": 5, "limit_reset": "monthly"}),
    Check("post /keys", "/keys", 400, "admin", {"name": "made", "limit": -5}),
    Check("get /keys/{hash}", "/keys/{hash}", 200, "admin"),
    Check("get /keys/{hash}", "/keys/none", 404, "admin"),
    Check("patch /keys/{hash}", "/keys/{hash}", 200, "admin", {"name": "renamed"}),
    Check("patch /keys/{hash}", "/keys/{hash}", 200, "admin", {"limit": 5, "limit_reset": "weekly"}),
    Check("get /keys/{hash}", "/keys/{hash}", 200, "admin"),
    Check("patch /keys/{hash}", "/keys/{hash}", 400, "admin", {"limit_reset": "hourly"}),
    Check("delete /keys/{hash}", "/keys/{doomed}", 200, "admin"),
    Check("get /activity", "/activity?date={today}", 200, "admin"),
    Check("get /activity", "/activity", 200, "admin"),
    Check("get /activity", "/activity?date=2000-01-01", 400, "admin"),
    Check("get /activity", "/activity", 403),
    Check("post /chat/completions", "/chat/completions", body=of("fast")),
    Check("post /chat/completions", "/chat/completions", 400, body=of("none")),
    Check("post /chat/completions", "/chat/completions", 401, "stranger", of("fast")),
    Check("post /chat/completions", "/chat/completions", 429, body=of("limited")),
    Check("post /chat/completions", "/chat/completions", 502, body=of("broken")),
]


class Stream(NamedTuple):
    """One streamed request; every event must be one of the contract's."""

    operation: str
    path: str
    body: dict[str, Any]
    data_only: bool = True  # the contract describes ``{"data": ...}``; else ``{"event": ..., "data": ...}``


STREAMS = [
    Stream("post /messages", "/messages", message("fast", stream=True), data_only=False),
    Stream("post /responses", "/responses", response("fast", stream=True)),
    Stream("post /chat/completions", "/chat/completions", of("fast", stream=True)),
    Stream(
        "post /chat/completions",
        "/chat/completions",
        of("fast", stream=True, stream_options={"include_usage": True}),
    ),
    Stream("post /chat/completions", "/chat/completions", of("dies", stream=True)),
]


# --- the contract -----------------------------------------------------------------------------


def adapted(contract: dict[str, Any]) -> dict[str, Any]:
    """The contract without what can't be true here.

    Its list of providers is closed and has only its own; ours are named by whoever configures them. And in
    a stream it leaves out what is null, which we pass on from providers as they send it.
    """
    found = _without_names(contract)
    assert isinstance(found, dict)
    chunk = found["components"]["schemas"]["ChatStreamChunk"]["properties"]
    for name in ("usage", "system_fingerprint"):
        chunk[name] = {"anyOf": [chunk[name], {"type": "null"}]}
    return found


def _without_names(value: Any) -> Any:
    if isinstance(value, dict):
        names = value.get("enum")
        if isinstance(names, list) and {"DeepInfra", "Amazon Bedrock"} <= {str(name) for name in names}:
            value = {key: each for key, each in value.items() if key != "enum"}
        return {key: _without_names(each) for key, each in value.items()}
    return [_without_names(each) for each in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def contract(data: Path) -> dict[str, Any]:
    file = data / "openrouter-openapi.json"
    if not file.exists():
        pytest.skip("no openrouter-openapi.json in the test data")
    return adapted(json.loads(file.read_text()))


def said_of(
    contract: dict[str, Any], operation: str, status: int, value: Any, kind: str = "application/json"
) -> list[str]:
    """What the contract has against ``value`` as an answer; empty when nothing."""
    method, _, path = operation.partition(" ")
    where = ["paths", path, method, "responses", str(status), "content", kind, "schema"]
    pointer = "/".join(part.replace("~", "~0").replace("/", "~1") for part in where)
    registry: Registry[Any] = Registry().with_resource(CONTRACT, DRAFT202012.create_resource(contract))
    validator = Draft202012Validator({"$ref": f"{CONTRACT}#/{pointer}"}, registry=registry)
    return [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(value)]


# --- the server -------------------------------------------------------------------------------


class Made:
    """A server with some past, and who may ask it."""

    def __init__(self, server: Server) -> None:
        self.url = f"{server.url}/api/v1"
        _, admin = server.new_key("boss", "--admin")
        self.headers: dict[str, dict[str, str]] = {
            "member": server.headers,
            "admin": {"authorization": f"Bearer {admin}"},
            "stranger": {"authorization": "Bearer tw-nobody"},
        }
        self.names = {
            "generation": self.ask("POST", "/chat/completions", of("fast")).json()["id"],
            "streamed": self.ask("POST", "/chat/completions", of("fast", stream=True)).headers[
                "x-generation-id"
            ],
            "hash": self.new_key(),
            "doomed": self.new_key(),
            "today": time.strftime("%Y-%m-%d", time.gmtime()),
        }

    def new_key(self) -> str:
        made = self.ask("POST", "/keys", {"name": "somebody"}, "admin").json()
        return str(made["data"]["hash"])

    def ask(
        self, method: str, path: str, body: dict[str, Any] | None = None, who: str = "member"
    ) -> httpx.Response:
        return httpx.request(method, self.url + path, json=body, headers=self.headers[who], timeout=20)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    with running(SCRIPT) as provider:
        faulty = [FAULTY.format(name=name) for name in ("limited", "broken", "dies")]
        config = "".join((acme(provider.base_url), MORE, *faulty))
        server = Server(tmp_path_factory.mktemp("contract") / "home", config)
        try:
            use_yesterday(server)
            yield Made(server.start())
        finally:
            server.close()


def use_yesterday(server: Server) -> None:
    """Some use of a day that is over, so that it has something to tell."""
    second = int(time.time()) - 86_400
    store = open_store(f"sqlite:///{server.home / 'tokenworks.db'}")
    store.append(
        "yesterday",
        1,
        [
            Record(
                id=f"gen-{second}-old",
                time_us=second * 1_000_000,
                key_id=server.key_id,
                model="acme/fast",
                provider="acme",
                outcome="ok",
                output_tokens=5,
                cost_nano_usd=1000,
            )
        ],
    )
    store.close()


# --- the tests --------------------------------------------------------------------------------


def test_the_contract_is_held_against_something(contract: dict[str, Any]) -> None:
    """What is missing or wrong is found, through references, and our only liberty is the one we took."""
    fine = {"data": {"total_credits": 1, "total_usage": 1}}
    assert said_of(contract, "get /credits", 200, fine) == []
    assert said_of(contract, "get /credits", 200, {"data": {"total_usage": "1"}}) != []
    error = {"error": {"code": 404, "message": "m"}}
    assert said_of(contract, "get /generation", 404, error) == []
    assert said_of(contract, "get /generation", 404, {"error": {"code": "404", "message": "m"}}) != []


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: f"{check.operation} {check.status} {check.path}")
def test_answers(contract: dict[str, Any], made: Made, check: Check) -> None:
    method = check.operation.partition(" ")[0].upper()
    answer = made.ask(method, check.path.format(**made.names), check.body, check.who)
    assert answer.status_code == check.status, answer.text
    assert said_of(contract, check.operation, check.status, answer.json()) == []


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: f"{stream.path} {stream.body['model']}")
def test_streams(contract: dict[str, Any], made: Made, stream: Stream) -> None:
    answer = made.ask("POST", stream.path, stream.body)
    assert answer.status_code == 200, answer.text
    events = list(parsed(answer.text))
    assert len(events) > 2
    assert ("error" in events[-1]["data"]) == (stream.body["model"] == "acme/dies")
    for event in events:
        if stream.data_only:
            event = {"data": event["data"]}
        assert said_of(contract, stream.operation, 200, event, "text/event-stream") == [], event


def parsed(text: str) -> Iterator[dict[str, Any]]:
    """The events of a stream but for comments and the end mark."""
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line and not line.startswith(":"))
        if fields and fields["data"] != "[DONE]":
            yield {**fields, "data": json.loads(fields["data"])}


def test_the_whole_catalogue(contract: dict[str, Any], tmp_path: Path) -> None:
    """Every model of every known provider, with prices that nobody has to round."""
    catalog = load(Settings(home=tmp_path, source=None, secrets=dict.fromkeys(presets(), "sk")))
    rows = listing.rows(catalog)
    assert len(rows) > 100
    cards = [model_card.describe(row.model, row.endpoints) for row in rows]
    answer = {"data": cards, "total_count": len(cards), "links": {"next": None}}
    assert said_of(contract, "get /models", 200, answer) == []
    endpoints = [
        endpoint_card.describe(row.model, each, catalog.providers[each.provider], None)
        for row in rows
        for each in row.endpoints
    ]
    assert said_of(contract, "get /endpoints/zdr", 200, {"data": endpoints}) == []
    for card in cards:
        for what, amount in card["pricing"].items():
            assert what == "overrides" or EXACT.fullmatch(amount), (card["id"], what, amount)


def test_there_is_something_to_tell_of_every_kind(made: Made) -> None:
    """An empty list keeps every contract."""
    for path in ("/models", "/providers", "/activity"):
        assert made.ask("GET", path, who="admin").json()["data"], path
    assert made.ask("GET", "/models/acme/fast/endpoints").json()["data"]["endpoints"]
    assert made.ask("GET", "/models/acme/fast").json()["supported_parameters"]


def test_no_more_liberty_is_taken_than_is_told(data: Path, contract: dict[str, Any]) -> None:
    given = json.loads((data / "openrouter-openapi.json").read_text())["components"]["schemas"]
    ours = contract["components"]["schemas"]
    for name, schema in given.items():
        if "DeepInfra" not in json.dumps(schema) and name != "ChatStreamChunk":
            assert ours[name] == schema, name
    assert "enum" not in ours["ProviderName"]
