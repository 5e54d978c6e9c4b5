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
        ("postgresql://host/db", "not built yet"),
        ("postgres://host/db", "not built yet"),
        ("sqlite:///", "name a file"),
        ("sqlite:///:memory:", "name a file"),
        ("mysql://host/db", "use sqlite:///"),
        ("/var/lib/ledger.db", "use sqlite:///"),
    ],
)
def test_any_other_url_says_what_to_use(url: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        open_store(url)
