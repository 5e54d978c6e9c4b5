"""What a server offers, and which of it an agent gets."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import pytest

from tokenworks.cli.agents.agent import Model
from tokenworks.cli.agents.offer import Offer, choose, fits, nearest
from tokenworks.errors import ConfigError, UpstreamError

BIG = 200_000


def row(id_: str, **more: Any) -> dict[str, Any]:
    return {"id": id_, "context_length": BIG, **more}


class Scripted:
    """A server with ``documents`` by path; a number is a status with an error."""

    def __init__(self) -> None:
        self.documents: dict[str, Any] = {}
        self.asked: list[tuple[str, str | None]] = []


@pytest.fixture
def scripted() -> Iterator[tuple[Scripted, str]]:
    script = Scripted()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = unquote(self.path)
            script.asked.append((path, self.headers["authorization"]))
            found = script.documents.get(path, 404)
            status = found if isinstance(found, int) else 200
            body = found if isinstance(found, bytes) else json.dumps(found).encode()
            if status != 200:
                body = json.dumps({"error": {"message": f"because {status}"}}).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield script, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_models_are_read(scripted: tuple[Scripted, str]) -> None:
    script, url = scripted
    script.documents["/v1/models"] = {
        "data": [
            row("a/one", name="One", top_provider={"max_completion_tokens": 100}),
            row("A/Local", supported_parameters=["tools", "seed"]),
            row("a/dumb", supported_parameters=["seed"], top_provider=None),
            row("a/vectors", architecture={"output_modalities": ["embeddings"]}),
            row("a/text", architecture={"output_modalities": ["image", "text"]}, supported_parameters=[]),
            {"id": "auto"},
        ]
    }
    with Offer(url, "tw-key", ["a/local"]) as offer:
        assert offer.models() == [
            Model("a/one", "One", BIG, 100),
            Model("A/Local", "A/Local", BIG, tools=True, runs_here=True),
            Model("a/dumb", "a/dumb", BIG, tools=False),
            Model("a/text", "a/text", BIG),
            Model("auto", "auto"),
        ]
    assert script.asked == [("/v1/models", "Bearer tw-key")]


def test_any_name_that_the_server_takes(scripted: tuple[Scripted, str]) -> None:
    script, url = scripted
    listed = [Model("a/one", "One", BIG), Model("a/two", "Two", BIG)]
    script.documents["/v1/models/uno"] = row("a/one", name="One")
    script.documents["/v1/models/A/One:floor"] = row("a/one", name="One")
    script.documents["/v1/models/open/any thing?"] = row("open/any thing?")
    with Offer(url) as offer:
        assert offer.named("a/two", listed) is listed[1]
        assert script.asked == []
        assert offer.named("uno", listed) == listed[0]
        assert offer.named("A/One:floor", listed) == Model("A/One:floor", "One", BIG)
        assert offer.named("open/any thing?", listed).id == "open/any thing?"
        with pytest.raises(ConfigError, match="no model 'twoo' on this server; nearest: a/two, a/one"):
            offer.named("twoo", listed)
    assert {key for _, key in script.asked} == {None}


@pytest.mark.parametrize(
    "answer", [b"<html>", {"object": "list"}, [], {"data": [{"name": "x"}]}, {"data": [1]}]
)
def test_another_program_on_that_port(scripted: tuple[Scripted, str], answer: Any) -> None:
    script, url = scripted
    script.documents["/v1/models"] = answer
    with Offer(url) as offer, pytest.raises(UpstreamError, match="something else than models"):
        offer.models()


def test_refusals_are_told(scripted: tuple[Scripted, str]) -> None:
    script, url = scripted
    script.documents = {"/v1/models": 503, "/v1/models/x": 500}
    with Offer(url) as offer:
        with pytest.raises(UpstreamError, match="/v1/models answered 503: because 503"):
            offer.models()
        with pytest.raises(UpstreamError, match="answered 500"):
            offer.named("x", [])
        script.documents["/v1/models"] = {"data": []}
        with pytest.raises(ConfigError, match="no model yet: tokenworks model add"):
            offer.models()
    with Offer("http://127.0.0.1:9") as offer, pytest.raises(UpstreamError, match="is the server running"):
        offer.models()


AUTO = Model("auto", "auto")
REMOTE, OTHER = Model("b/remote", "r", BIG), Model("c/other", "o", BIG)
SHORT = Model("a/short", "s", 8192)
HERE, SMALL = Model("a/here", "h", BIG, runs_here=True), Model("a/small", "s", 8192, runs_here=True)
DUMB = Model("a/dumb", "d", BIG, tools=False)


@pytest.mark.parametrize(
    ("models", "wanted"),
    [
        ([HERE, REMOTE, AUTO], AUTO),
        ([HERE, REMOTE, OTHER], REMOTE),
        ([HERE, OTHER, REMOTE], OTHER),
        ([SHORT, DUMB, REMOTE], REMOTE),
        ([SHORT, SMALL], SHORT),
        ([SMALL, SHORT, HERE], HERE),
        ([SMALL], SMALL),
        ([AUTO, HERE], HERE),
        ([AUTO, SMALL], SMALL),
        ([AUTO, SMALL, REMOTE], AUTO),
        ([AUTO], AUTO),
    ],
)
def test_choice(models: list[Model], wanted: Model) -> None:
    assert choose(models) is wanted


def test_what_fits() -> None:
    assert [fits(each) for each in (AUTO, REMOTE, SHORT, DUMB)] == [True, True, False, False]
    assert fits(Model("a", "a", 32_768, tools=True))


def test_nearest() -> None:
    models = [Model(name, name) for name in ("acme/fast", "acme/slow", "other/fast-2", "z/zebra")]
    assert nearest("fats", models) == ["acme/fast", "other/fast-2", "acme/slow"]
    assert nearest("OTHER/FAST-3", models, 1) == ["other/fast-2"]
    assert nearest("qqqq", models, 2) == ["acme/fast", "acme/slow"]
