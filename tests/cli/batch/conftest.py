"""A home with a key and a model, and commands on it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from serving import acme

from tokenworks.cli import main
from tokenworks.config.load import load
from tokenworks.ledger.store import Store, open_store


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for a file of tests, for migrations take a while."""
    home = tmp_path_factory.mktemp("home")
    (home / "tokenworks.toml").write_text(acme("http://127.0.0.1:9/v1"))
    assert CliRunner().invoke(main, ["init", "--home", str(home)]).exit_code == 0
    return home


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    """Its store, without batches."""
    store = open_store(load(home, require_secrets=False).store_url)
    for row in store.batches(limit=1000):
        store.update_batch(row.id, finished_us=1)
    store.expire_batches(10, 1000)
    yield store
    store.close()


@pytest.fixture
def batch(home: Path) -> Callable[..., Result]:
    """``batch("list", "--json")``."""

    def call(*words: str) -> Result:
        return CliRunner().invoke(main, ["--home", str(home), "batch", *words])

    return call


@pytest.fixture
def told(batch: Callable[..., Result]) -> Callable[..., Any]:
    """What the same command prints as JSON; it must go well."""

    def call(*words: str) -> Any:
        result = batch(*words, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return call
