"""claude-code-router: a gateway that takes Messages requests and speaks chat to its provider."""

from __future__ import annotations

import json
from typing import ClassVar

from peers import UPSTREAM_KEY, Launch, Peer, Place, npm_install

KEY = "sk-bench"


class ClaudeCodeRouter(Peer):
    """claude-code-router with one chat provider, a key, logs off, and a home folder of its own.

    It always counts a request's tokens itself, to choose a route by them; no setting turns that off.
    """

    name = "ccr"
    packages: ClassVar = {"@musistudio/claude-code-router": "2.0.0"}
    warmup = 600

    def prepare(self) -> str:
        self.node, self.folder = npm_install(self.name, self.packages, {})
        return self.packages["@musistudio/claude-code-router"]

    def launch(self, place: Place) -> Launch:
        provider = {
            "name": "bench",
            "api_base_url": f"http://127.0.0.1:{place.upstream}/v1/chat/completions",
            "api_key": UPSTREAM_KEY,
            "models": list(place.models),
            "transformer": {"use": ["streamoptions"]},  # asks the provider for the usage of streams
        }
        config = {
            "HOST": "127.0.0.1",
            "PORT": place.port,
            "APIKEY": KEY,  # with none it would open itself to pages of any origin
            "LOG": False,
            "NON_INTERACTIVE_MODE": True,
            "API_TIMEOUT_MS": 600_000,
            "Providers": [provider],
            "Router": {"default": f"bench,{place.models[0]}"},
        }
        home = place.folder
        (home / ".claude-code-router").mkdir()
        (home / ".claude" / "projects").mkdir(parents=True)  # it looks up each new session there
        (home / ".claude-code-router" / "config.json").write_text(json.dumps(config))
        program = self.folder / "node_modules/@musistudio/claude-code-router/dist/cli.js"
        env = {"HOME": str(home), "TMPDIR": str(home), "NODE_ENV": "production"}
        return Launch(
            [self.node, str(program), "start"],
            "/health",
            place.port,
            place.port,
            env=env,
            key=KEY,
            model_prefix="bench,",
        )
