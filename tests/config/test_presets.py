"""Request bodies in the config file: anything that JSON can carry, and nothing else."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tokenworks.config.load import load

BODY = """\
[presets.coder]
model = "acme/fast"
temperature = 0.2
seed = 18446744073709551615
stop = ["a", "b"]
stream = true
[presets.coder.provider]
order = ["acme"]
max_price = { prompt = 1, completion = 2.5 }
[[presets.coder.messages]]
role = "system"
content = "Sei kurz. ✓"
"""


def test_a_body_is_what_its_json_would_be(home: Path) -> None:
    (home / "tokenworks.toml").write_text(BODY, encoding="utf-8")
    body = load(home, env={}).presets["coder"]
    assert body == {
        "model": "acme/fast",
        "temperature": 0.2,
        "seed": 2**64 - 1,
        "stop": ["a", "b"],
        "stream": True,
        "provider": {"order": ["acme"], "max_price": {"prompt": 1, "completion": 2.5}},
        "messages": [{"role": "system", "content": "Sei kurz. ✓"}],
    }
    assert json.loads(json.dumps(body)) == body


REFUSED = {
    "[presets.x]\n": (':1: presets.x: is empty; add model = "author/slug" or other fields of a request'),
    "[presets]\nx = 'acme/fast'\n": ":2: presets.x: must be a table ([presets.x]), not text",
    "[presets.x]\nmodel = 3\n": ":2: presets.x: model must be text in quotes, not a whole number",
    "[presets.x]\nmodel = ''\n": ":2: presets.x: model must be text in quotes, not text",
    "[presets.x]\nmodel = '@preset/y'\n": (":2: presets.x: model can't be a preset itself; name a model"),
    "[presets.x]\n\nsince = 2026-01-01\n": (
        ":3: presets.x.since: must be something that JSON knows, not a date or time; quote it"
    ),
    "[presets.x]\nstop = ['a',\n12:00:00]\n": (
        ":3: presets.x.stop: must be something that JSON knows, not a date or time; quote it"
    ),
    "[presets.x.provider]\nmax_price = { prompt = inf }\n": (
        ":2: presets.x.provider.max_price.prompt: must be a finite number"
    ),
    "[presets.x]\nseed = 18446744073709551616\n": ":2: presets.x.seed: must fit into 64 bits",
}


@pytest.mark.parametrize("text", REFUSED)
def test_refused_with_line_and_place(refused: Callable[..., str], text: str) -> None:
    assert refused(text) == "tokenworks.toml" + REFUSED[text]
