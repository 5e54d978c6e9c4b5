import subprocess
import sys
from pathlib import Path

import pytest

from tokenworks.errors import ConfigError
from tokenworks.ledger.store import Store, open_store


def test_a_sqlite_url_names_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a folder with spaces & 50%" / "ledger.db"
    path.parent.mkdir()
    store: Store = open_store(f"sqlite:///{path}")
    store.migrate()
    assert store.totals().requests == 0
    store.close()
    assert path.exists()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://me:secret/x@host/db", "%2F for /"),
        ("sqlite:///", "name a file"),
        ("sqlite:///:memory:", "name a file"),
        ("mysql://host/db", "use sqlite:///PATH or postgresql://"),
        ("/var/lib/ledger.db", "use sqlite:///"),
    ],
)
def test_any_other_url_says_what_to_use(url: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        open_store(url)


def test_a_postgresql_url_opens_nothing_yet() -> None:
    store: Store = open_store("postgresql://me:secret@nowhere.invalid/db?sslmode=verify-full")
    assert "secret" not in repr(store)
    store.close()
    with pytest.raises(ConfigError) as caught:
        open_store("other://me:secret@host/db")
    assert "secret" not in str(caught.value)


def test_without_the_driver_it_says_what_to_install(tmp_path: Path) -> None:
    """And SQLite does without: the driver is not even looked for."""
    program = f"""
import sys
sys.modules["psycopg"] = None  # as if it were not installed
from tokenworks.errors import ConfigError
from tokenworks.ledger.store import open_store
open_store("sqlite:///{tmp_path}/a.db").migrate()
try:
    open_store("postgresql://me:secret@host/db")
except ConfigError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "run: pip install 'tokenworks[postgres]'" in done.stdout
    assert "secret" not in done.stdout
    quick = "import sys, tokenworks.ledger.store; sys.exit('psycopg' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", quick], check=False).returncode == 0
