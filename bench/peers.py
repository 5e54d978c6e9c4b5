"""The gateways that are compared: how each is installed, configured and started.

Every peer listens on 127.0.0.1 only, runs as one worker and talks to the scripted upstream. Versions are
pinned. A peer that cannot be had on this machine raises ``Absent`` with the reason, and the benchmark goes
on without it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar

from native import WORK

UPSTREAM_KEY = "sk-upstream"


class Absent(Exception):
    """This peer cannot run here; the text says why."""


@dataclass(frozen=True)
class Place:
    """Where one instance lives: its scratch folder, its ports and what it may ask of the upstream."""

    folder: Path
    port: int
    stream_port: int  # a second free port; nginx serves streams there, others use ``port`` for both
    spare_port: int  # a third one, for a peer's own metrics
    upstream: int
    models: Sequence[str]  # scripts of the upstream that will be asked for


@dataclass(frozen=True)
class Launch:
    """How to start an instance and how to talk to it."""

    argv: list[str]
    ready_path: str
    port: int
    stream_port: int
    env: Mapping[str, str] = field(default_factory=dict)
    headers: Sequence[str] = ()
    key: str = UPSTREAM_KEY
    model_prefix: str = ""
    probe: bool = True  # whether one request is sent before the peer counts as ready


class Peer:
    """One gateway. ``prepare`` installs, ``launch`` writes the configuration and says how to start it."""

    name = ""
    settle_s = 0.3  # after a load, until its trailing work is done and its CPU time is read
    connections = 32
    relay_share = 1.0  # of the streams of the relay case: slow peers get fewer, so that they keep the pace
    rate = 300.0  # most requests per second in the open loop
    warmup = 2000  # requests before the first measurement

    def prepare(self) -> str:
        """Installs the peer if needed and returns its version. Raises Absent."""
        raise NotImplementedError

    def launch(self, place: Place) -> Launch:
        """Writes what the peer reads at start into ``place.folder``."""
        raise NotImplementedError


class Direct(Peer):
    """No gateway: what the upstream and the load generator do by themselves."""

    name = "direct"
    settle_s = 0.0

    def prepare(self) -> str:
        return "scripted upstream"

    def launch(self, place: Place) -> Launch:
        return Launch([], "/stats", place.upstream, place.upstream, probe=False)


NGINX = """\
daemon off;
worker_processes 1;
worker_rlimit_nofile 16384;
pid {folder}/nginx.pid;
error_log {folder}/error.log error;
{user}
events {{ worker_connections 8192; }}
http {{
    access_log off;
    client_max_body_size 64m;
    client_body_buffer_size 512k;  # otherwise bodies above 16 KB go through a file
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 100000000;
    upstream scripted {{
        server 127.0.0.1:{upstream};
        keepalive 256;
        keepalive_requests 100000000;
    }}
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{ proxy_pass http://scripted; proxy_buffering on; }}
    }}
    server {{
        listen 127.0.0.1:{stream_port} backlog=4096;
        location / {{ proxy_pass http://scripted; proxy_buffering off; }}
    }}
}}
"""


class Nginx(Peer):
    """The system's nginx as a plain proxy: no keys, no accounting. The yardstick."""

    name = "nginx"

    def prepare(self) -> str:
        program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
        if not program:
            raise Absent("nginx is not installed (Debian: apt-get install nginx-light)")
        done = subprocess.run([program, "-v"], capture_output=True, text=True, check=True)
        self.program = program
        return done.stderr.strip().rpartition("/")[2]

    def launch(self, place: Place) -> Launch:
        config = place.folder / "nginx.conf"
        config.write_text(
            NGINX.format(
                folder=place.folder,
                user="user root;" if os.geteuid() == 0 else "",
                upstream=place.upstream,
                port=place.port,
                stream_port=place.stream_port,
            )
        )
        argv = [
            self.program,
            "-p",
            str(place.folder),
            "-c",
            str(config),
            "-e",
            str(place.folder / "error.log"),
        ]
        return Launch(argv, "/v1/models", place.port, place.stream_port)


class Bare(Peer):
    """``bare_relay.py``: what uvloop, httptools and the kernel take where nothing else is done."""

    name = "bare"

    def prepare(self) -> str:
        return f"uvloop {version('uvloop')}, httptools {version('httptools')}"

    def launch(self, place: Place) -> Launch:
        script = Path(__file__).with_name("bare_relay.py")
        argv = [sys.executable, str(script), "--port", str(place.port), "--upstream", str(place.upstream)]
        return Launch(argv, "/v1/models", place.port, place.port)


def install(name: str, requirement: str) -> Path:
    """Folder ``bin`` of the peer's own virtual environment holding ``requirement``. Raises Absent."""
    folder = WORK / "peers" / name
    done_mark = folder / "installed.txt"
    if not (done_mark.exists() and done_mark.read_text() == requirement):
        print(f"installing {requirement} into {folder.relative_to(WORK.parent)} …", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", requirement]
        done = subprocess.run(pip, capture_output=True, text=True)
        if done.returncode:
            raise Absent(f"pip could not install {requirement}: {last_line(done.stderr)}")
        done_mark.write_text(requirement)
    return folder / "bin"


def npm_install(name: str, packages: Mapping[str, str], overrides: Mapping[str, str]) -> tuple[str, Path]:
    """Path of node, and the peer's own folder whose ``node_modules`` holds ``packages``. Raises Absent."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if not npm or not node:
        raise Absent("node and npm are not installed")
    folder = WORK / "peers" / name
    wanted = json.dumps({"private": True, "dependencies": packages, "overrides": overrides})
    done_mark = folder / "installed.txt"
    if not (done_mark.exists() and done_mark.read_text() == wanted):
        print(f"installing {name} with npm …", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "package.json").write_text(wanted)
        argv = [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(argv, cwd=folder, capture_output=True, text=True)
        if done.returncode:
            raise Absent(f"npm could not install {name}: {last_line(done.stderr)}")
        done_mark.write_text(wanted)
    return node, folder


def last_line(text: str) -> str:
    """The last line that is not empty, which is where package tools put the reason."""
    return ([line.strip() for line in text.splitlines() if line.strip()] or ["no output"])[-1]


class LiteLLM(Peer):
    """LiteLLM proxy, one worker, no database, one master key."""

    name = "litellm"
    requirement = "litellm[proxy]==1.106.2"
    connections = 8
    relay_share = 0.2
    rate = 20.0
    warmup = 60

    def prepare(self) -> str:
        self.bin = install(self.name, self.requirement)
        return self.requirement.partition("==")[2]

    def launch(self, place: Place) -> Launch:
        base = f"http://127.0.0.1:{place.upstream}/v1"
        models = [
            {
                "model_name": model,
                "litellm_params": {"model": f"openai/{model}", "api_base": base, "api_key": UPSTREAM_KEY},
            }
            for model in place.models
        ]
        config = place.folder / "config.yaml"  # JSON is YAML
        config.write_text(
            json.dumps(
                {
                    "model_list": models,
                    "general_settings": {"master_key": "sk-bench"},
                    "litellm_settings": {"telemetry": False, "num_retries": 0, "request_timeout": 600},
                }
            )
        )
        argv = [str(self.bin / "litellm"), "--config", str(config), "--host", "127.0.0.1"]
        argv += ["--port", str(place.port), "--num_workers", "1", "--telemetry", "False"]
        env = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "NO_DOCS": "True"}
        env["AIOHTTP_CONNECTOR_LIMIT_PER_HOST"] = "4096"  # by default streams beyond 500 wait without a word
        env["AIOHTTP_CONNECTOR_LIMIT"] = "4096"
        return Launch(argv, "/health/liveliness", place.port, place.port, env=env, key="sk-bench")


class VllmRouter(Peer):
    """vllm-router, round robin over one worker."""

    name = "vllm-router"
    requirement = "vllm-router==0.1.17"

    def prepare(self) -> str:
        self.bin = install(self.name, self.requirement)
        return self.requirement.partition("==")[2]

    def launch(self, place: Place) -> Launch:
        argv = [str(self.bin / "vllm-router"), "--host", "127.0.0.1", "--port", str(place.port)]
        argv += ["--worker-urls", f"http://127.0.0.1:{place.upstream}", "--policy", "round_robin"]
        argv += ["--log-level", "error", "--prometheus-host", "127.0.0.1"]
        argv += ["--prometheus-port", str(place.spare_port)]
        return Launch(argv, "/health", place.port, place.port)


# The server has no option for its address, so it is told at the socket.
LOOPBACK = """\
const net = require("net");
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (first, ...rest) {
  const port = typeof first === "object" && first !== null ? first.port : first;
  const done = rest.filter((value) => typeof value === "function");
  return listen.call(this, { port: Number(port), host: "127.0.0.1" }, ...done);
};
"""


class Portkey(Peer):
    """Portkey's open gateway on node, with the hono that makes streams work (a fresh install answers 500)."""

    name = "portkey"
    packages: ClassVar = {"@portkey-ai/gateway": "1.15.2"}
    overrides: ClassVar = {"@hono/node-server": "1.13.7", "hono": "4.9.7"}
    rate = 100.0
    relay_share = 0.5
    warmup = 3000

    def prepare(self) -> str:
        self.node, self.folder = npm_install(self.name, self.packages, self.overrides)
        (self.folder / "loopback.cjs").write_text(LOOPBACK)
        return self.packages["@portkey-ai/gateway"]

    def launch(self, place: Place) -> Launch:
        server = self.folder / "node_modules/@portkey-ai/gateway/build/start-server.js"
        argv = [self.node, "--require", str(self.folder / "loopback.cjs"), str(server)]
        argv += [f"--port={place.port}", "--headless"]
        headers = [
            "x-portkey-provider: openai",
            f"x-portkey-custom-host: http://127.0.0.1:{place.upstream}/v1",
        ]
        env = {"TRUSTED_CUSTOM_HOSTS": "127.0.0.1,localhost", "NODE_ENV": "production"}
        return Launch(argv, "/", place.port, place.port, env=env, headers=headers)


TOKENWORKS = """\
[providers.acme]
wire = "openai_chat"
base_url = "http://127.0.0.1:{upstream}/v1"
api_key = "{key}"
allow_private = true
"""
TOKENWORKS_MODEL = """\
[[providers.acme.models]]
id = "acme/{name}"
upstream_id = "{name}"
context_length = 131072
input_mtok = 0.10
output_mtok = 0.40
"""


class Tokenworks(Peer):
    """Tokenworks with one worker and full accounting: keys, prices, journal, drainer, store."""

    name = "tokenworks"
    limits: ClassVar[Sequence[str]] = ()  # what its key is made with
    settle_s = 1.3  # its records reach the store within a second; that work is counted

    def __init__(self, command: Sequence[str] = ()) -> None:
        self.command = list(command) or [sys.executable, "-m", "tokenworks"]

    def prepare(self) -> str:
        try:
            done = subprocess.run([*self.command, "--version"], capture_output=True, text=True, timeout=60)
        except FileNotFoundError as error:
            raise Absent(f"{self.command[0]} not found") from error
        if done.returncode:
            raise Absent(f"{' '.join(self.command)} --version: {last_line(done.stderr or done.stdout)}")
        return last_line(done.stdout).split()[-1]

    def launch(self, place: Place) -> Launch:
        rows = "".join(TOKENWORKS_MODEL.format(name=name) for name in place.models)
        config = TOKENWORKS.format(upstream=place.upstream, key=UPSTREAM_KEY)
        (place.folder / "tokenworks.toml").write_text(config + rows)
        key = self.ask(place.folder, "key", "create", "bench", "--json", *self.limits)["key"]
        argv = [
            *self.command,
            "serve",
            "--home",
            str(place.folder),
            "--port",
            str(place.port),
            "--workers",
            "1",
        ]
        return Launch(
            argv, "/healthz", place.port, place.port, key=str(key), model_prefix="acme/", probe=False
        )

    def ask(self, home: Path, *args: str) -> dict[str, object]:
        """What a command of the CLI prints with ``--json``. Raises Absent with its error otherwise."""
        argv = [*self.command, "--home", str(home), *args]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise Absent(f"{' '.join(args)}: {last_line(done.stderr or done.stdout)}")
        answer: dict[str, object] = json.loads(done.stdout)
        return answer

    def usage(self, home: Path) -> dict[str, object]:
        """The ledger's sums: ``requests``, ``input_tokens``, ``output_tokens``, ``cost_usd``, ``rows``."""
        return self.ask(home, "usage", "--json")


class LimitedTokenworks(Tokenworks):
    """The same with three budget windows and five limits on its key, none of which is ever reached."""

    name = "tokenworks-limited"
    limits: ClassVar[Sequence[str]] = (
        *("--budget", "10000/5h", "--budget", "20000/day", "--budget", "100000/month"),
        *("--limit", "requests:100M/1min", "--limit", "requests:1000M/day", "--limit", "tokens:100000M/1min"),
        *("--limit", "output_tokens:100000M/1min", "--limit", "concurrent:100000"),
    )


def peers(tokenworks: Sequence[str] = ()) -> dict[str, Peer]:
    """Every peer by name, in the order of the tables."""
    known = [
        Direct(),
        Nginx(),
        Bare(),
        Tokenworks(tokenworks),
        LimitedTokenworks(tokenworks),
        VllmRouter(),
        Portkey(),
        LiteLLM(),
    ]
    return {peer.name: peer for peer in known}
