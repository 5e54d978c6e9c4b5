"""Adding servers: what is asked, what is written, and what is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from model_server import NAME, ModelServer, model_server

from tokenworks.catalog.load import load as load_catalog
from tokenworks.config.load import load
from tokenworks.engines.server_shelf import add_server
from tokenworks.errors import ConfigError


def listing(server: ModelServer, *names: str) -> None:
    server.routes["/v1/models"] = 200, json.dumps({"data": [{"id": name} for name in names]})


def test_what_is_written_is_an_engine(tmp_path: Path) -> None:
    with model_server("vllm") as server:
        added = add_server(tmp_path, "big", f"{server.url}/v1/")
        again = add_server(tmp_path, "big", server.url, model="me/mine")
    assert (added.settings.model, added.settings.served_as, added.replaced) == ("qwen/qwen3-32b", NAME, False)
    assert again.replaced
    engine = load(tmp_path, env={}).engines["big"]
    assert (engine.model, engine.url, engine.served_as, engine.kind) == ("me/mine", server.url, NAME, "vllm")
    assert (engine.context_length, engine.slots, engine.path) == (40960, 0, "")
    (endpoint,) = load_catalog(load(tmp_path, env={})).endpoints["me/mine"]
    assert (endpoint.engine, endpoint.provider, endpoint.context_length) == ("big", "local", 40960)


@pytest.mark.parametrize(
    ("served", "model"),
    [
        ("Qwen/Qwen3-32B", "qwen/qwen3-32b"),
        ("qwen3-32b", "qwen/qwen3-32b"),
        ("Acme/Own-7B", "acme/own-7b"),
        ("my-model", "local/big"),
        ("/models/own-7b", "local/big"),
        ("./a/b.gguf", "local/big"),
    ],
)
def test_callers_ask_by_the_catalogues_name_or_the_servers(tmp_path: Path, served: str, model: str) -> None:
    with model_server("other") as server:
        listing(server, served)
        added = add_server(tmp_path, "big", server.url)
    assert (added.settings.model, added.settings.served_as) == (model, served)
    assert load(tmp_path, env={}).engines["big"].context_length == 0, "it was not told"


def test_which_of_several_models_is_meant(tmp_path: Path) -> None:
    with model_server("other") as server:
        listing(server, "Acme/One", "Acme/Two", *(f"lora-{number}" for number in range(9)))

        def served(**given: Any) -> str:
            return add_server(tmp_path, "big", server.url, **given).settings.served_as

        assert served(model="acme/two") == "Acme/Two"
        assert served(served_as="lora-3") == "lora-3"
        with pytest.raises(
            ConfigError, match="has several models; say with --served-as which is meant: Acme/One, "
        ):
            served()
        with pytest.raises(ConfigError, match=r"has no model acme/six; say .* and 6 more$"):
            served(model="acme/six")
        with pytest.raises(ConfigError, match="has no model Two; it serves Acme/One"):
            served(served_as="Two")


def test_what_is_refused_leaves_nothing_behind(tmp_path: Path) -> None:
    with model_server(key="k") as server, model_server() as other:
        for given, said in (
            ({"name": "Big One"}, "a name is made of"),
            ({"url": "ftp://x"}, r'url must be a URL such as "http://10.0.0.5:8000"'),
            ({"url": "http://u:hunter2@h"}, "use api_key_env"),
            ({"model": "a b"}, "model must be 1 to 256"),
            ({"key_env": "k-1"}, "api_key_env must name an environment variable"),
            ({"key_env": "NOT_SET"}, "environment variable NOT_SET is not set; export it"),
            ({}, "wants a key"),
            ({"url": "http://127.0.0.1:1"}, "refuses connections; is the server running"),
        ):
            with pytest.raises(ConfigError, match=said) as caught:
                add_server(tmp_path, **{"name": "big", "url": server.url, **given}, env={})
            assert "hunter2" not in caught.value.message
        assert not (tmp_path / "engines").exists()
        added = add_server(tmp_path, "big", server.url, key_env="KEY", env={"KEY": "k"})
        assert added.settings.api_key_env == "KEY" and added.settings.api_key is None
        with pytest.raises(ConfigError, match=f'"big" already runs {server.url}; give another name'):
            add_server(tmp_path, "big", other.url, env={})
