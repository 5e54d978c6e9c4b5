"""What a caller must never get: another host called in our name, a secret, or what is an administrator's."""

from __future__ import annotations

import asyncio
import json
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from doorway import Door, provider
from full_requests import BODIES, request_for
from raw_provider import Asked, RawProvider, Sent
from serving import Server, chat, serving
from siege import PROVIDERS, besieged, obliging

from tokenworks.gateway.way import WAYS
from tokenworks.providers.scripted import Fault, Reply, Script, When, running

# --- no other host ------------------------------------------------------------------------------

TRAP = "http://127.0.0.1:{port}/trap"
# Fields with which other gateways and clients name an upstream.
FIELDS = ("base_url", "api_base", "endpoint", "url", "host", "proxy", "webhook", "callback_url", "server_url")
HEADERS = (
    "x-forwarded-host: {trap}",
    "x-forwarded-for: {trap}",
    "x-forwarded-server: {trap}",
    "x-original-url: {trap}",
    "x-rewrite-url: {trap}",
    "x-base-url: {trap}",
    "x-portkey-custom-host: {trap}",
    "forwarded: host={trap};for={trap}",
    "via: {trap}",
    "referer: {trap}",
    "http-referer: {trap}",
    "proxy-authorization: Basic {trap}",
    "cookie: {trap}",
)
# What a provider may be sent beside the body.
SENT_ON = {
    "host",
    "user-agent",
    "accept",
    "accept-encoding",
    "content-type",
    "content-length",
    "authorization",
    "x-api-key",
    "anthropic-version",
}


class Trap(asyncio.Protocol):
    """Nobody should ever come here."""

    visits: list[str]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.visits.append(str(transport.get_extra_info("peername")))


def lured(body: dict[str, Any], trap: str) -> list[dict[str, Any]]:
    """``body`` naming the trap wherever somebody might think of it."""
    return [
        {**body, **dict.fromkeys(FIELDS, trap)},
        {**body, "provider": dict.fromkeys(FIELDS, trap)},
        {**body, "provider": {"order": [trap], "url": trap}},
        {**body, "metadata": {"user_id": trap}, "user": trap, "session_id": trap},
        {**body, "model": trap},
        {**body, "model": f"{body['model']}@{trap}"},
        {**body, "models": [trap]},
        {**body, "fallbacks": [{"model": trap, "base_url": trap}]},
        json.loads(re.sub(r"https://images\.example/[\w.]+", trap, json.dumps(body))),
    ]


@pytest.mark.parametrize("path", BODIES)
async def test_a_caller_can_not_name_a_host(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Addresses in a body are data, and headers from a caller end here."""
    loop = asyncio.get_running_loop()
    called: set[int] = set()
    connect = loop.create_connection

    async def spied(make: Any, host: Any = None, port: Any = None, **more: Any) -> Any:
        called.add(port)
        return await connect(make, host, port, **more)

    monkeypatch.setattr(loop, "create_connection", spied)
    Trap.visits = []
    server = await loop.create_server(Trap, "127.0.0.1", 0)
    trap = TRAP.format(port=server.sockets[0].getsockname()[1])
    headers = [line.format(trap=trap) for line in HEADERS]
    async with besieged(tmp_path / "home", obliging) as siege:
        for name in PROVIDERS:
            body = request_for(BODIES[path], name, path, stream=False)
            for each in lured(body, trap):
                met = await siege.post(path, json.dumps(each).encode(), *headers)
                assert met.heard.status in (200, 400), met.heard
                for asked in met.asked:
                    assert names_of_headers(asked) <= SENT_ON
                    assert b"Bearer " + siege.door.key.encode() not in asked.head
                    assert trap.encode() not in asked.head
        assert called <= {int(siege.upstream.origin.rpartition(":")[2]), siege.door.port}
        absolute = await siege.post(trap, json.dumps(body).encode())
        assert absolute.heard.status in (400, 404)
    assert Trap.visits == []
    server.close()


def names_of_headers(asked: Asked) -> set[str]:
    return {line.split(":")[0].lower() for line in asked.head.decode().split("\r\n")[1:] if line}


async def test_an_image_is_passed_on_as_an_address(tmp_path: Path) -> None:
    """By those who fetch it themselves, or not at all: never by this server."""
    picture = "http://127.0.0.1:9/picture.png"
    content = [{"type": "image_url", "image_url": {"url": picture}}, {"type": "text", "text": "look"}]
    body = {"messages": [{"role": "user", "content": content}]}
    async with besieged(tmp_path / "home", obliging) as siege:
        for name in ("chat", "messages", "responses"):
            asked = json.dumps({**body, "model": f"acme/{name}"}).encode()
            met = await siege.post("/v1/chat/completions", asked)
            assert met.heard.status == 200
            assert picture.encode() in met.asked[0].body


async def test_a_provider_can_not_send_us_elsewhere(tmp_path: Path) -> None:
    """A redirect is an answer like any other that is none."""
    Trap.visits = []
    server = await asyncio.get_running_loop().create_server(Trap, "127.0.0.1", 0)
    trap = TRAP.format(port=server.sockets[0].getsockname()[1])
    line = f"text/html\r\nlocation: {trap}\r\nrefresh: 0; url={trap}"
    async with RawProvider(lambda _: Sent((b"moved",), line, status)) as upstream:
        for status in (301, 302, 303, 307, 308):
            door = Door(tmp_path / str(status), {"acme": provider(upstream.base_url)})
            await door.open()
            assert (await door.post(chat())).status_code == 502
            await door.close()
    assert Trap.visits == []
    server.close()


async def test_without_a_key_nothing_is_told_of_a_providers_model(tmp_path: Path) -> None:
    """Not even how many tokens it would be."""
    async with besieged(tmp_path / "home", obliging) as siege:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{siege.door.port}") as stranger:
            for path in WAYS:
                for name in PROVIDERS:
                    body = request_for(BODIES[path], name, path, stream=False)
                    del body["models"]
                    answer = await stranger.post(path, json=body)
                    assert answer.status_code == 401 or "offers" in answer.text, (path, name, answer.text)
        assert siege.upstream.requests == []


# --- no secret ----------------------------------------------------------------------------------

IN_FILE = "sk-file-9f8e7d6c5b4a39281706"
IN_VAULT = "sk-vault-0a1b2c3d4e5f60718293"
CONFIG = """
[providers.acme]
wire = "openai_chat"
base_url = "{base_url}"
api_key = "{in_file}"
allow_private = true
[providers.vaulted]
wire = "anthropic_messages"
base_url = "{origin}"
allow_private = true
"""
MODEL = """
[[providers.{provider}.models]]
id = "{provider}/{name}"
upstream_id = "{provider}-{name}"
context_length = 8192
"""
KEYS = {"acme": IN_FILE, "vaulted": IN_VAULT}


def faults(secret: str) -> dict[str, Fault]:
    """All ways to complain, with the key repeated in the complaint."""
    words = f"the key {secret} is not good enough"
    return {
        "refused": Fault(kind="status", status=401, message=words),
        "forbidden": Fault(kind="status", status=403, message=words),
        "picky": Fault(kind="status", status=400, message=words),
        "limited": Fault(kind="status", status=429, message=words),
        "broken": Fault(kind="status", status=500, message=words),
        "body": Fault(kind="error_body", message=words),
        "dies": Fault(kind="error_event", message=words, after_chunk=3),
        "garbage": Fault(kind="garbage", at_byte=0),
        "closes": Fault(kind="close"),
    }


NAMES = (*faults(""), "fast")
READABLE = (
    "/",
    "/docs",
    "/openapi.json",
    "/healthz",
    "/metrics",
    "/v1/models",
    "/v1/models?client_version=1.0.0",
    "/v1/models/user",
    "/v1/models/vaulted/fast",
    "/v1/models/vaulted/fast/endpoints",
    "/v1/providers",
    "/v1/endpoints/zdr",
    "/v1/key",
    "/v1/credits",
    "/v1/keys",
    "/v1/activity",
    "/nothing",
)
SCRIPT = Script(
    reply=tuple(
        Reply(when=When(model=f"{provider}-{name}"), tokens=20, fault=fault)
        for provider, secret in KEYS.items()
        for name, fault in faults(secret).items()
    )
)


class Run(NamedTuple):
    """A server after a rough hour."""

    server: Server
    admin: str
    asked: list[dict[str, str]]  # headers that providers saw
    heard: list[tuple[str, str]]  # what was asked, and all that came back, headers too


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    home = tmp_path_factory.mktemp("security") / "home"
    with running(SCRIPT) as upstream:
        config = CONFIG.format(base_url=upstream.base_url, origin=upstream.origin, in_file=IN_FILE)
        config += "".join(MODEL.format(provider=provider, name=name) for provider in KEYS for name in NAMES)
        home.mkdir()
        (home / "tokenworks.toml").write_text(config)
        command = [sys.executable, "-m", "tokenworks", "--home", str(home), "provider", "key", "add"]
        added = subprocess.run(
            [*command, "vaulted", "team", "--stdin"],
            input=IN_VAULT,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert added.returncode == 0, added.stderr
        with serving(home, config) as server:
            _, admin = server.new_key("boss", "--admin")
            heard = [(added.stdout, added.stderr), *everything(server, admin)]
            yield Run(server, admin, [request.headers for request in upstream.requests], heard)


def everything(server: Server, admin: str) -> list[tuple[str, str]]:
    heard = []

    def note(what: str, answer: httpx.Response) -> None:
        heard.append((what, f"{answer.headers}\n{answer.text}"))

    with httpx.Client(base_url=server.url, timeout=20) as client:
        for key in (server.key, admin, "tw-wrong-key", ""):
            client.headers["authorization"] = f"Bearer {key}" if key else ""
            for model in (*(f"{provider}/{name}" for provider in KEYS for name in NAMES), "acme/none"):
                for stream in (False, True):
                    body = {**chat(), "model": model, "stream": stream}
                    note(f"chat {model}", client.post("/v1/chat/completions", json=body))
                    body["max_tokens"] = 100
                    note(f"messages {model}", client.post("/v1/messages", json=body))
                    asked = {"model": body["model"], "input": "hello", "stream": stream}
                    note(f"responses {model}", client.post("/v1/responses", json=asked))
            for path in READABLE:
                note(path, client.get(path))
    return heard


def test_both_keys_were_used(run: Run) -> None:
    """Or it would be easy to keep them."""
    seen = "\n".join(str(headers) for headers in run.asked)
    assert IN_FILE in seen and IN_VAULT in seen
    assert run.server.key not in seen and run.admin not in seen, "callers' keys are not the providers'"


@pytest.mark.parametrize("secret", [IN_FILE, IN_VAULT])
def test_no_answer_holds_a_key_of_a_provider(run: Run, secret: str) -> None:
    """Even where the provider itself repeats it in its complaint."""
    assert {what for what, said in run.heard if secret in said} == set()


def test_no_answer_holds_a_key_of_a_caller(run: Run) -> None:
    for secret in (run.server.key, run.admin):
        assert {what for what, said in run.heard if secret in said} == set()


def test_nothing_that_is_written_down_holds_a_secret(run: Run) -> None:
    """The log, the metrics, the journal and the store; the configuration is the user's own."""
    pepper = (run.server.home / "pepper").read_bytes()
    master = (run.server.home / "vault.key").read_bytes().strip()
    secrets = [
        IN_FILE.encode(),
        IN_VAULT.encode(),
        run.server.key.encode(),
        run.admin.encode(),
        pepper,
        master,
    ]
    files = [
        file
        for file in run.server.home.rglob("*")
        if file.is_file() and file.name not in ("tokenworks.toml", "pepper", "vault.key")
    ]
    assert {"serve.log", "tokenworks.db", "metrics.prom"} <= {file.name for file in files}
    for file in files:
        content = file.read_bytes()
        found = [secret[:8] for secret in secrets if secret in content]
        assert found == [], f"{file.name} holds {found}"
    assert "Traceback" not in run.server.log()


def test_files_are_for_their_owner_only(run: Run) -> None:
    home = run.server.home
    ours = {
        str(file.relative_to(home)): stat.S_IMODE(file.stat().st_mode)
        for file in home.rglob("*")
        # The first two are this test's own, and what is in a closed folder is closed.
        if file.name not in ("tokenworks.toml", "serve.log") and file.parent != home / "run"
    }
    assert {"pepper", "vault.key", "tokenworks.db", "run", "journal"} <= set(ours)
    assert any(name.endswith(".journal") for name in ours)
    assert any(name.endswith(".inflight") for name in ours)
    assert {name: oct(mode) for name, mode in ours.items() if mode & 0o077} == {}


# --- nothing of an administrator's, nothing of another's -------------------------------------------

ADMIN = [
    ("GET", "/v1/keys"),
    ("POST", "/v1/keys"),
    ("GET", "/v1/keys/{hash}"),
    ("PATCH", "/v1/keys/{hash}"),
    ("DELETE", "/v1/keys/{hash}"),
    ("GET", "/v1/activity"),
]


@pytest.mark.parametrize(("method", "path"), ADMIN)
def test_administration_is_for_administrators(run: Run, method: str, path: str) -> None:
    """However the path is spelled; a body that could be used is sent along."""
    server = run.server
    path = path.format(hash=server.key_id)
    spellings = [path, f"/api{path}", f"{path}/", f"{path}?a=b", path.replace("/v1", "/v1/."), f"/{path}"]
    spellings += [path.replace("keys", "%6beys"), path.replace("keys", "KEYS")]
    body = {"name": "mine", "disabled": True} if method in ("POST", "PATCH") else None
    for headers, allowed in (
        ({"authorization": f"Bearer {server.key}"}, (403, 404, 405)),
        ({"x-api-key": server.key, "x-role": "admin"}, (403, 404, 405)),
        ({"authorization": "Bearer wrong"}, (401, 404, 405)),
        ({}, (401, 404, 405)),
    ):
        for spelled in spellings:
            with httpx.Client(base_url=server.url, follow_redirects=True) as client:
                answer = client.request(method, spelled, json=body, headers=headers)
            assert answer.status_code in allowed, (spelled, answer.status_code, answer.text)
            if spelled in (path, f"/api{path}"):
                assert answer.status_code == allowed[0]
    assert httpx.get(f"{server.url}/v1/key", headers=server.headers).status_code == 200, "it was harmed"


def test_what_is_one_keys_own_is_no_other_keys(run: Run) -> None:
    server = run.server
    _, other = server.new_key("other")
    mine, theirs = server.headers, {"authorization": f"Bearer {other}"}
    asked = {"model": "acme/fast", "input": "my secret plan"}
    with httpx.Client(base_url=server.url, timeout=20) as client:
        first = client.post("/v1/responses", json=asked, headers=mine).json()["id"]
        for path in (
            f"/v1/responses/{first}",
            f"/v1/responses/{first}/input_items",
            f"/v1/generation?id={first}",
        ):
            assert client.get(path, headers=mine).status_code == 200, path
            refused = client.get(path, headers=theirs)
            assert refused.status_code == 404 and "plan" not in refused.text
        assert client.delete(f"/v1/responses/{first}", headers=theirs).status_code == 404
        on = {"model": "acme/fast", "input": "go on", "previous_response_id": first}
        assert client.post("/v1/responses", json=on, headers=theirs).status_code == 404
        assert client.post("/v1/responses", json=on, headers=mine).status_code == 200
        cached = {"x-openrouter-cache": "true"}
        for headers, status in ((mine, "MISS"), (mine, "HIT"), (theirs, "MISS")):
            once = {**asked, "store": False}
            answer = client.post("/v1/responses", json=once, headers={**headers, **cached})
            assert answer.headers["x-openrouter-cache-status"] == status
