"""Agents started against a real server: small programs that read their settings as the real ones do."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import Server, acme, serving

from tokenworks.cli.agents import AGENTS
from tokenworks.providers.scripted import ScriptedProvider, running

CONFIG = """
[engines.small]
model = "local/small"
path = "/nowhere/small.gguf"
context_length = 8192
aliases = ["tiny"]
"""

# One program for all four: it finds server, key and model where the agent of its name would, asks the
# server, notes what it was given and ends with $STATUS. With $WAIT it waits for a signal first.
FAKE = '''
#!PYTHON
import json, os, re, signal, stat, sys, tomllib, urllib.error, urllib.request
from pathlib import Path

env, argv = os.environ, sys.argv
name = Path(argv[0]).name
folder = None

def filled(text):
    """OpenClaw's way to name a variable."""
    return re.sub(r"\\$\\{(\\w+)\\}", lambda found: env[found[1]], text)

if name == "claude":
    folder = Path(argv[argv.index("--settings") + 1]).parent
    base, key, model = env["ANTHROPIC_BASE_URL"] + "/v1", env["ANTHROPIC_AUTH_TOKEN"], env["ANTHROPIC_MODEL"]
elif name == "codex":
    settings = tomllib.loads("\\n".join(argv[at + 1] for at, each in enumerate(argv) if each == "-c"))
    provider = settings["model_providers"][settings["model_provider"]]
    base, key = provider["base_url"], env[provider["env_key"]] if "env_key" in provider else None
    model = argv[argv.index("-m") + 1]
elif name == "openclaw":
    folder = Path(env["OPENCLAW_CONFIG_PATH"]).parent
    settings = json.loads(filled(Path(env["OPENCLAW_CONFIG_PATH"]).read_text()))
    where, _, model = settings["agents"]["defaults"]["model"]["primary"].partition("/")
    provider = settings["models"]["providers"][where]
    base, key = provider["baseUrl"], provider.get("apiKey")
    assert settings["agents"]["defaults"]["workspace"] == os.getcwd()
else:
    folder = Path(env["OPENCODE_CONFIG_DIR"])
    settings = json.loads((folder / "opencode.json").read_text())
    where, _, model = settings["model"].partition("/")
    options = settings["provider"][where]["options"]
    base, key = options["baseURL"], options.get("apiKey")
    key = env["TOKENWORKS_KEY"] if key == "{env:TOKENWORKS_KEY}" else key

headers = {"content-type": "application/json", **({"authorization": "Bearer " + key} if key else {})}
body = {"model": model, "messages": [{"role": "user", "content": "hello " + name}]}
data = None if name == "claude" else json.dumps(body).encode()
path = "/models" if name == "claude" else "/chat/completions"
try:
    with urllib.request.urlopen(urllib.request.Request(base + path, data, headers), timeout=20) as answer:
        said = json.load(answer)
except urllib.error.HTTPError as error:
    said = json.load(error)
files = [each for each in folder.rglob("*") if each.is_file()] if folder else []
note = {"argv": argv[1:], "env": dict(env), "model": model, "said": said, "folder": str(folder or ""),
        "files": {each.name: each.read_text() for each in files},
        "modes": [stat.S_IMODE(each.stat().st_mode) for each in ([folder, *files] if folder else [])]}
Path(env["NOTE"]).write_text(json.dumps(note))
if "WAIT" in env:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: sys.exit(20 + number))
    print("ready", flush=True)
    signal.pause()
sys.exit(int(env.get("STATUS", "0")))
'''

USERS = (
    ".claude/settings.json",
    ".codex/config.toml",
    ".codex/auth.json",
    ".openclaw/openclaw.json",
    ".config/opencode/opencode.json",
)


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedProvider]:
    with running() as one:
        yield one


@pytest.fixture(scope="module")
def server(provider: ScriptedProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With one provider's model, and one that would run here."""
    with serving(tmp_path_factory.mktemp("launch") / "home", acme(provider.base_url) + CONFIG) as one:
        yield one


class User:
    """Somebody with files of his own, the four programs in PATH, and a folder for temporary files."""

    def __init__(self, folder: Path, server_home: Path) -> None:
        self.home, self.bin, self.temporary = folder / "user", folder / "bin", folder / "temporary"
        self.note, self.work = folder / "note.json", folder / "work"
        for each in (self.home, self.bin, self.temporary, self.work):
            each.mkdir()
        for name in USERS:
            file = self.home / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"the user's own {name}")
        self.server_home = server_home
        for name in AGENTS:
            self.add(name)

    def add(self, name: str) -> None:
        program = self.bin / name
        program.write_text(FAKE.strip().replace("PYTHON", sys.executable))
        program.chmod(0o755)

    def env(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name.startswith("PYTHON")}
        paths = {"PATH": f"{self.bin}:/bin", "HOME": str(self.home), "TMPDIR": str(self.temporary)}
        return {**kept, **paths, "NOTE": str(self.note), **more}

    def command(self, *args: str) -> list[str]:
        return [sys.executable, "-m", "tokenworks", "--home", str(self.server_home), "launch", *args]

    def launch(self, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run the command; what was the user's own must stay as it is, and nothing may be left."""
        before = self.own()
        done = subprocess.run(
            self.command(*args),
            env=self.env(**env),
            cwd=self.work,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert self.own() == before
        assert list(self.temporary.iterdir()) == []
        return done

    def own(self) -> dict[str, tuple[int, int, bytes]]:
        """Every file of the user's home and work, with its mode and time."""
        files = [each for top in (self.home, self.work) for each in top.rglob("*")]
        return {
            str(each): (
                each.stat().st_mode,
                each.stat().st_mtime_ns,
                each.read_bytes() if each.is_file() else b"",
            )
            for each in files
        }

    def noted(self) -> dict[str, Any]:
        """What the agent was given; {} where none ran."""
        found = json.loads(self.note.read_text()) if self.note.exists() else {}
        assert isinstance(found, dict)
        return found


@pytest.fixture
def user(tmp_path: Path, server: Server) -> User:
    return User(tmp_path, server.home)


@pytest.mark.parametrize("name", AGENTS)
def test_an_agent_works_against_the_server(
    name: str, user: User, server: Server, provider: ScriptedProvider
) -> None:
    provider.reset()
    done = user.launch(name, "--", "-p", "do it", "--model", "x", TOKENWORKS_KEY=server.key, STATUS="7")
    assert done.returncode == 7, done.stderr
    assert done.stderr == f"{name} on acme/fast at {server.url}\n"
    noted = user.noted()
    assert noted["model"] == "acme/fast"
    assert noted["argv"][-4:] == ["-p", "do it", "--model", "x"]
    if name == "claude":
        assert [each["id"] for each in noted["said"]["data"]] == ["acme/fast", "local/small"]
    else:
        assert noted["said"]["choices"][0]["message"]["content"] == f"You said: hello {name}"
        assert [each.model for each in provider.requests] == ["fast-1"]
    assert server.key not in str(noted["argv"])
    assert all(mode in (0o600, 0o700) for mode in noted["modes"])
    assert (noted["folder"] == "") == (name == "codex")
    assert not noted["folder"] or not Path(noted["folder"]).exists()
    assert noted["env"]["HOME"] == str(user.home)


def test_claude_is_told_twice_and_nothing_else_leads_it_away(user: User, server: Server) -> None:
    away = {"CLAUDE_CODE_USE_BEDROCK": "1", "ANTHROPIC_API_KEY": "sk-own", "ANTHROPIC_BASE_URL": "http://x"}
    assert user.launch("claude", "--key", server.key, **away).returncode == 0
    noted = user.noted()
    assert "CLAUDE_CODE_USE_BEDROCK" not in noted["env"]
    assert noted["env"]["ANTHROPIC_API_KEY"] == ""
    settings = json.loads(noted["files"]["settings.json"])["env"]
    assert settings.pop("CLAUDE_CODE_USE_BEDROCK") == ""
    assert settings["ANTHROPIC_BASE_URL"] == noted["env"]["ANTHROPIC_BASE_URL"] == server.url
    assert settings["ANTHROPIC_AUTH_TOKEN"] == server.key


@pytest.mark.parametrize("name", ["codex", "openclaw", "opencode"])
def test_without_a_key_a_model_that_runs_here_is_asked_without_one(name: str, user: User) -> None:
    """Its file is missing, so there is no answer, but the caller was let in."""
    done = user.launch(name, "--model", "tiny")
    assert done.returncode == 0
    assert "local/small holds 8,192 tokens, and agents need 32,768 or more" in done.stderr
    noted = user.noted()
    assert noted["model"] == "local/small"
    assert noted["said"]["error"]["code"] not in (401, 403)
    assert "TOKENWORKS_KEY" not in noted["env"]


def test_mistakes_are_one_line_and_start_nothing(user: User, server: Server) -> None:
    done = user.launch("claude")
    assert (done.returncode, done.stderr) == (
        2,
        "tokenworks: acme/fast needs a key: give --key or TOKENWORKS_KEY "
        "(tokenworks key create NAME makes one)\n",
    )
    done = user.launch("claude", "--model", "acme/fats", TOKENWORKS_KEY=server.key)
    assert done.returncode == 2
    assert done.stderr == "tokenworks: no model 'acme/fats' on this server; nearest: acme/fast, local/small\n"
    done = user.launch("codx")
    assert done.returncode == 2
    assert done.stderr == (
        "tokenworks: no agent 'codx'; did you mean 'codex'? There are: claude, codex, openclaw, opencode\n"
    )
    assert user.noted() == {}


def test_a_server_that_does_not_run(user: User, tmp_path: Path) -> None:
    for home in (tmp_path / "none", tmp_path / "made"):
        if home.name == "made":
            subprocess.run(
                [sys.executable, "-m", "tokenworks", "init", "--home", home], check=True, capture_output=True
            )
        done = user.launch("claude", "--home", str(home))
        assert done.returncode == 2
        assert (
            done.stderr
            == f"tokenworks: no server runs on {home}; start it with: tokenworks serve --home {home}\n"
        )
    assert not (tmp_path / "none").exists()


def test_a_missing_program_says_how_to_get_it(user: User, server: Server) -> None:
    (user.bin / "opencode").unlink()
    done = user.launch("opencode", TOKENWORKS_KEY=server.key)
    assert done.returncode == 1
    assert done.stderr == (
        "tokenworks: there is no program 'opencode' in PATH; install it with: npm install -g opencode-ai\n"
    )


@pytest.mark.parametrize("name", AGENTS)
def test_print_shows_all_and_runs_nothing(name: str, user: User, server: Server) -> None:
    (user.bin / name).unlink()  # not even needed
    masked = f"{server.key[:6]}…{server.key[-4:]}"
    arguments = (name, "--print", "--json", "--", "do it")
    shown = json.loads(user.launch(*arguments, TOKENWORKS_KEY=server.key).stdout)
    assert (shown["agent"], shown["server"], shown["model"]) == (name, server.url, "acme/fast")
    assert set(shown) == {"agent", "server", "model", "command", "env", "unset", "files"}
    assert (shown["command"][0], shown["command"][-1]) == (name, "do it")
    assert masked in shown["env"].values()
    assert server.key not in json.dumps(shown)
    text = user.launch(name, "--print", TOKENWORKS_KEY=server.key).stdout
    assert server.key not in text
    for variable in shown["env"]:
        assert f"\nenv      {variable}=" in text
    for path, content in shown["files"].items():
        assert f"\nfile     $FOLDER/{path}\n{content}\n" in text
    plain = json.loads(user.launch(*arguments, "--x", TOKENWORKS_KEY=server.key).stdout)
    assert plain["command"][-2:] == ["do it", "--x"]
    told = json.loads(user.launch(name, "--print", "--json", "--show-key", TOKENWORKS_KEY=server.key).stdout)
    assert server.key in told["env"].values()
    assert user.noted() == {}


def test_options_of_print_alone(user: User) -> None:
    for option in ("--json", "--show-key"):
        done = user.launch("codex", option)
        assert done.returncode == 2
        assert "go with --print" in done.stderr


@pytest.mark.parametrize(("number", "group"), [(signal.SIGINT, True), (signal.SIGTERM, False)])
def test_signals_reach_the_agent_and_its_folder_goes(
    number: signal.Signals, group: bool, user: User, server: Server
) -> None:
    with subprocess.Popen(
        user.command("opencode"),
        env=user.env(TOKENWORKS_KEY=server.key, WAIT="1"),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd=user.work,
    ) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == "ready\n"
        assert Path(user.noted()["folder"]).exists()
        (os.killpg if group else os.kill)(started.pid, number)
        assert started.wait(20) == 20 + number
    assert list(user.temporary.iterdir()) == []
