"""Talking to a server over real HTTP: a scripted one on a loopback port."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from tokenworks.cli.chat import Talk, figures
from tokenworks.errors import UpstreamError

Answer = Callable[[BaseHTTPRequestHandler, dict[str, Any]], None]


def sse(handler: BaseHTTPRequestHandler, *chunks: dict[str, Any] | str) -> None:
    handler.send_response(200)
    handler.send_header("content-type", "text/event-stream")
    handler.end_headers()
    for chunk in chunks:
        data = chunk if isinstance(chunk, str) else json.dumps(chunk)
        handler.wfile.write(f"data: {data}\n\n".encode())


def piece(text: str) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}}]}


USAGE = {"prompt_tokens": 1200, "completion_tokens": 2, "cost": 0.0021}


class Scripted:
    """A server that answers with ``answer`` and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answer: Answer = lambda handler, _: sse(
            handler, piece("Hel"), piece("lo."), {"choices": [], "usage": USAGE}, "[DONE]"
        )


@pytest.fixture
def scripted() -> Iterator[tuple[Scripted, httpx.Client]]:
    script = Scripted()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            script.asked.append(body)
            script.answer(self, body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{server.server_port}", trust_env=False) as client:
        yield script, client
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_answer_goes_to_stdout_and_its_figures_to_stderr(
    scripted: tuple[Scripted, httpx.Client], capsys: pytest.CaptureFixture[str]
) -> None:
    script, client = scripted
    talk = Talk(client, "me/small")
    talk.say("Hi")
    shown = capsys.readouterr()
    assert shown.out == "Hello.\n"
    assert "1,200 tokens in · 2 out" in shown.err
    assert "$0.002100" in shown.err
    talk.say("Again")
    assert script.asked[1]["messages"] == [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "Again"},
    ]
    assert script.asked[1]["model"] == "me/small"


def test_the_servers_own_message_is_what_is_said(scripted: tuple[Scripted, httpx.Client]) -> None:
    script, client = scripted

    def refuse(handler: BaseHTTPRequestHandler, _: dict[str, Any]) -> None:
        body = json.dumps({"error": {"message": "unknown model 'x'; nearest: y", "code": 400}}).encode()
        handler.send_response(400)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    script.answer = refuse
    with pytest.raises(UpstreamError, match="unknown model 'x'; nearest: y"):
        Talk(client, "x").say("Hi")


def test_an_error_in_the_stream_is_an_error(scripted: tuple[Scripted, httpx.Client]) -> None:
    script, client = scripted
    script.answer = lambda handler, _: sse(handler, piece("He"), {"error": {"message": "upstream gone"}})
    with pytest.raises(UpstreamError, match="upstream gone"):
        Talk(client, "x").say("Hi")


def test_ctrl_c_keeps_what_came_of_the_answer(
    scripted: tuple[Scripted, httpx.Client],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, client = scripted
    talk = Talk(client, "x")
    real = httpx.Response.iter_lines

    def interrupted(response: httpx.Response) -> Iterator[str]:
        for line in real(response):
            yield line
            if line:
                raise KeyboardInterrupt

    monkeypatch.setattr(httpx.Response, "iter_lines", interrupted)
    talk.say("Hi")
    assert talk.messages[-1] == {"role": "assistant", "content": "Hel"}
    shown = capsys.readouterr()
    assert shown.out == "Hel\n"
    assert "(stopped)" in shown.err


def test_a_server_that_is_gone() -> None:
    with (
        httpx.Client(base_url="http://127.0.0.1:9", trust_env=False) as client,
        pytest.raises(UpstreamError, match="is the server running"),
    ):
        Talk(client, "x").say("Hi")


def test_figures() -> None:
    assert figures({}, 0.1, 1) == "no usage was reported"
    assert figures({"prompt_tokens": 5, "completion_tokens": 11}, 0.25, 2.0) == (
        "5 tokens in · 11 out · 5.0 tokens/s · first after 0.25 s"
    )
    assert "tokens/s" not in figures({"prompt_tokens": 5, "completion_tokens": 1}, 0.25, 0.0)
