"""Every way a table's keys and types are refused: line, place, what is wrong, the fix."""

from collections.abc import Callable

import pytest

ACME = """\
[providers.acme]
wire = "openai_chat"
base_url = "http://127.0.0.1:9001/v1"
api_key = "sk-upstream"
[[providers.acme.models]]
id = "acme/fast"
"""

REFUSED = {
    "unknown key": (
        ACME.replace("base_url", "base_ulr"),
        ':3: providers.acme: unknown key "base_ulr"; did you mean "base_url"?',
    ),
    "unknown key, nothing near": (
        "[ledger]\n\ncolour = 1\n",
        ':3: ledger: unknown key "colour"; known here: fsync, store',
    ),
    "unknown table": ("# x\n[provider.acme]\n", ':2: unknown table "provider"; did you mean "providers"?'),
    "unknown key in the second model": (
        ACME + "[[providers.acme.models]]\nid = 'b'\ninput_mtoks = 2\n",
        ':9: providers.acme.models: unknown key "input_mtoks"; did you mean "input_mtok"?',
    ),
    "text for a number": (
        '[server]\nport = "80"\n',
        ":2: server: port must be a whole number, not text",
    ),
    "fraction for a whole number": (
        "[server]\nworkers = 1.5\n",
        ":2: server: workers must be a whole number, not a number",
    ),
    "boolean for a number": (
        "[server]\nworkers = true\n",
        ":2: server: workers must be a whole number, not true or false",
    ),
    "number for a boolean": (
        "[server]\nkeyless_local = 1\n",
        ":2: server: keyless_local must be true or false, not a whole number",
    ),
    "date for text": (
        "[server]\nhost = 2026-01-01\n",
        ":2: server: host must be text in quotes, not a date or time",
    ),
    "a wrong choice": (
        '[ledger]\nfsync = "allways"\n',
        ':2: ledger: fsync must be one of "never", "interval", "always"',
    ),
    "number for a choice": (
        "[ledger]\nfsync = 1\n",
        ':2: ledger: fsync must be one of "never", "interval", "always", not a whole number',
    ),
    "text for a list": (
        '[engines.x]\nmodel = "m"\npath = "p"\naliases = "a"\n',
        ':4: engines.x: aliases must be a list of texts (["...", "..."]), not text',
    ),
    "number in a list": (
        '[engines.x]\nmodel = "m"\npath = "p"\naliases = [1]\n',
        ':4: engines.x: aliases must be a list of texts (["...", "..."])',
    ),
    "text for a table of texts": (
        ACME.replace("api_key", "headers"),
        ':4: providers.acme: headers must be a table of texts ({ name = "..." }), not text',
    ),
    "text for a table": ('server = "x"\n', ":1: server: must be a table ([server]), not text"),
    "models as one table": (
        ACME.replace("[[", "[").replace("]]", "]"),
        ":5: providers.acme.models: must be an array of tables ([[providers.acme.models]]), not a table",
    ),
    "a model that is text": (
        ACME.split("[[")[0] + "models = ['x']\n",
        ":5: providers.acme.models: must be a table ([[providers.acme.models]]), not text",
    ),
    "a model without an id": (
        ACME + "[[providers.acme.models]]\nupstream_id = 'b'\n",
        ':7: providers.acme.models: id is missing; add id = "..."',
    ),
    "an engine without a file": (
        '[engines.own]\nmodel = "me/own"\n',
        ':1: engines.own: path is missing; add path = "..."',
    ),
    "a value out of range": (
        "[server]\nhost = 'localhost'\nport = 65536\n",
        ":3: server: port must be from 0 to 65535",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_line_and_fix(refused: Callable[..., str], case: str) -> None:
    text, said = REFUSED[case]
    assert refused(text) == "tokenworks.toml" + said


@pytest.mark.parametrize(
    "line", ["api_key = ['sk-upstream']", "headers = 'sk-upstream'", "api_key = 'sk-upstream é'"]
)
def test_a_refused_value_is_never_shown(refused: Callable[..., str], line: str) -> None:
    message = refused(ACME.replace('api_key = "sk-upstream"', line))
    assert message.startswith("tokenworks.toml:4: providers.acme: ")
    assert "sk-upstream" not in message
