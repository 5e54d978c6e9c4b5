"""A home with a ledger that can be put into, and the command run on it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from fresh_store import fresh_store
from ranked_ledger import Ledger

from tokenworks.cli import main


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A new home."""
    folder = tmp_path / "home"
    assert CliRunner().invoke(main, ["init", "--home", str(folder)]).exit_code == 0
    return folder


@pytest.fixture
def ledger(home: Path) -> Iterator[Ledger]:
    """Its ledger."""
    store = fresh_store(f"sqlite:///{home / 'tokenworks.db'}")
    yield Ledger(store)
    store.close()


@pytest.fixture
def run(home: Path) -> Callable[..., Result]:
    """``run("sources", ...)``: what ``tokenworks rankings`` says."""

    def call(*words: str) -> Result:
        # options of the group stand before a subcommand's name, --home after it
        return CliRunner().invoke(main, ["--home", str(home), "rankings", *words], terminal_width=200)

    return call


@pytest.fixture
def told(run: Callable[..., Result]) -> Callable[..., Any]:
    """The same, with the JSON it prints."""

    def call(*words: str) -> Any:
        done = run(*words, "--json")
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    return call
