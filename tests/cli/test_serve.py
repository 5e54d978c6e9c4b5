"""The server as a person starts it: a process of its own, a home folder, an upstream that is real HTTP."""

import json
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tokenworks.cli.init import Prepared
from tokenworks.cli.serve import banner
from tokenworks.config.settings import (
    EngineSettings,
    ProviderModelSettings,
    ProviderSettings,
    ServerSettings,
    Settings,
)

TOKENWORKS = [sys.executable, "-m", "tokenworks"]
START_S = 60


def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*TOKENWORKS, *arguments], capture_output=True, text=True, timeout=60, **options)


@contextmanager
def serving(home: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A running server and its banner; ended with SIGTERM unless it has ended."""
    command = [*TOKENWORKS, "serve", "--home", str(home), "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            yield process, read_banner(process)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def read_banner(process: subprocess.Popen[bytes]) -> str:
    """What it prints until it is ready: everything up to its models and how to try them."""
    assert process.stdout is not None
    text, deadline = "", time.monotonic() + START_S
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while time.monotonic() < deadline:
            if selector.select(0.2):
                piece = os.read(process.stdout.fileno(), 65536).decode()
                text += piece
                if not piece or re.search(r"^(try|models  none).*\n", text, re.MULTILINE):
                    return text
    raise AssertionError(f"not ready after {START_S} s: {text}")


def url_of(shown: str) -> str:
    found = re.search(r"at (http://\S+)", shown)
    assert found, shown
    return found[1]


@pytest.fixture
def upstream() -> Iterator[int]:
    """A provider on a loopback port that says hello; its port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            usage = {"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010}
            head = {"id": "x", "created": 1, "model": asked["model"]}
            if asked.get("stream"):
                delta = [{"index": 0, "delta": {"content": "Hello."}, "finish_reason": None}]
                chunks = [{**head, "choices": delta}, {**head, "choices": [], "usage": usage}]
                body = b"".join(b"data: %s\n\n" % json.dumps(chunk).encode() for chunk in chunks)
                body, kind = body + b"data: [DONE]\n\n", "text/event-stream"
            else:
                message = {"role": "assistant", "content": "Hello."}
                choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
                body = json.dumps({**head, "choices": choices, "usage": usage}).encode()
                kind = "application/json"
            self.send_response(200)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def configure(home: Path, port: int) -> None:
    home.mkdir()
    (home / "tokenworks.toml").write_text(
        f"""\
[providers.acme]
wire = "openai_chat"
base_url = "http://127.0.0.1:{port}/v1"
api_key = "sk-upstream"
allow_private = true
[[providers.acme.models]]
id = "acme/fast"
upstream_id = "fast-1"
context_length = 131072
input_mtok = 0.10
output_mtok = 0.40
"""
    )


def test_from_nothing_to_a_counted_answer(tmp_path: Path, upstream: int) -> None:
    home = tmp_path / "home"
    configure(home, upstream)
    with serving(home) as (process, shown):
        url = url_of(shown)
        assert httpx.get(f"{url}/healthz", trust_env=False).status_code == 200
        assert re.search(r"^models  acme/fast$", shown, re.MULTILINE)
        pasted = re.search(r"^try     (curl .*)$", shown, re.MULTILINE)
        assert pasted
        answer = subprocess.run(["sh", "-c", pasted[1]], capture_output=True, text=True, timeout=30)
        assert json.loads(answer.stdout)["choices"][0]["message"]["content"] == "Hello.", answer
        key = re.search(r"^key     (tw-\S+)", shown, re.MULTILINE)
        assert key
        told = run("chat", "acme/fast", "--once", "Hi", "--home", str(home), "--key", key[1])
        assert (told.returncode, told.stdout) == (0, "Hello.\n"), told.stderr
        assert "1,000 tokens in · 10 out" in told.stderr
        unnamed = run(
            "chat", "--once", "Hi", "--home", str(home), env={**os.environ, "TOKENWORKS_KEY": key[1]}
        )
        assert unnamed.stdout == "Hello.\n"  # the only model there is
        keyless = run("chat", "--once", "Hi", "--home", str(home))
        assert (keyless.returncode, keyless.stdout) == (1, "")
        assert keyless.stderr.startswith("tokenworks: ")
        time.sleep(1.0)
        used = json.loads(run("usage", "--home", str(home), "--json").stdout)
        row = next(row for row in used["rows"] if row["model"] == "acme/fast")
        assert (row["requests"], used["input_tokens"], used["output_tokens"]) == (3, 3000, 30)
        assert used["cost_usd"] == pytest.approx(3 * (1000 * 0.10 + 10 * 0.40) / 1e6, rel=1e-9)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert "no server runs on" in run("chat", "--once", "Hi", "--home", str(home)).stderr


def test_a_key_is_shown_once(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with serving(home) as (_, shown):
        assert "(shown only now)" in shown
        other = run("serve", "--home", str(home), "--port", "0")
        assert other.returncode == 2
        assert other.stderr == f"tokenworks: another server runs on {home}; stop it or use another --home\n"
    with serving(home) as (_, shown):
        assert "tw-" not in shown


def test_a_port_in_use_is_one_line_and_the_new_key_is_not_lost(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("serve", "--home", str(tmp_path / "home"), "--port", str(port))
    assert done.returncode == 2
    assert done.stderr == (
        f"tokenworks: can't listen on 127.0.0.1:{port}: Address already in use; use --port for another port\n"
    )
    assert re.fullmatch(r"key     tw-\S+   \(shown only now\)\n", done.stdout)


def test_a_missing_key_of_a_provider_is_told_at_start(tmp_path: Path) -> None:
    configure(tmp_path / "home", 1)
    config = tmp_path / "home" / "tokenworks.toml"
    config.write_text(config.read_text().replace('api_key = "sk-upstream"', 'api_key_env = "ACME_KEY"'))
    done = run("serve", "--home", str(tmp_path / "home"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"tokenworks: {config}:4: providers.acme: environment variable ACME_KEY is not set; "
        "export it or set api_key\n"
    )


def test_a_host_that_is_none_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    done = run("serve", "--home", str(tmp_path / "home"), "--host", "http://x")
    assert done.returncode == 2
    assert "must be a bare address or host name" in done.stderr
    assert not (tmp_path / "home").exists()


def prepared(settings: Settings, *, new: bool) -> Prepared:
    return Prepared(settings, ("k_1", "tw-secret") if new else None)


ENGINE = EngineSettings("me/small", "/models/small.gguf", aliases=("small",))
ACME = ProviderSettings(
    wire="openai_chat",
    base_url="https://api.acme.example/v1",
    models=(ProviderModelSettings("acme/fast", input_mtok=1.0, output_mtok=1.0),),
)


def test_the_curl_line_uses_what_runs_here_without_a_key() -> None:
    settings = Settings(
        home=Path("/h"),
        source=None,
        engines={"small": ENGINE},
        providers={"acme": ACME},
        secrets={"acme": "k"},
    )
    shown = banner("http://127.0.0.1:8642", settings, prepared(settings, new=True))
    assert "engine  small: me/small, 4 slots" in shown
    assert '"model":"small"' in shown
    assert "authorization" not in shown
    assert "acme/fast, me/small" in shown


def test_the_curl_line_has_a_key_where_one_is_needed() -> None:
    public = Settings(
        home=Path("/h"), source=None, server=ServerSettings(host="0.0.0.0"), engines={"small": ENGINE}
    )
    assert '"authorization: Bearer tw-secret"' in banner("http://x", public, prepared(public, new=True))
    assert '"authorization: Bearer $TOKENWORKS_KEY"' in banner(
        "http://x", public, prepared(public, new=False)
    )
    remote = Settings(home=Path("/h"), source=None, providers={"acme": ACME}, secrets={"acme": "k"})
    assert "authorization: Bearer tw-secret" in banner("http://x", remote, prepared(remote, new=True))


def test_a_server_of_ones_own_is_told_with_its_address() -> None:
    server = EngineSettings("acme/big", runtime="openai_server", url="http://10.0.0.5:8000", slots=0)
    settings = Settings(home=Path("/h"), source=None, engines={"big": server})
    assert "engine  big: acme/big at http://10.0.0.5:8000\n" in banner(
        "http://127.0.0.1:1", settings, prepared(settings, new=False)
    )


def test_no_models_says_how_to_get_one() -> None:
    settings = Settings(home=Path("/h"), source=None)
    shown = banner("http://x", settings, prepared(settings, new=False))
    assert "none yet; tokenworks model add smollm2" in shown
    assert "curl" not in shown
