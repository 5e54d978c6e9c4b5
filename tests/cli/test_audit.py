"""The audit log from the command line."""

import getpass
import json
from pathlib import Path

from click.testing import CliRunner, Result

from tokenworks.cli import main
from tokenworks.ledger.limit_rows import AuditRow
from tokenworks.ledger.store import open_store


def invoke(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--home", str(home), *arguments])


def test_who_did_what(tmp_path: Path) -> None:
    made = json.loads(invoke(tmp_path, "key", "create", "alice", "--budget", "5/day", "--json").stdout)
    invoke(tmp_path, "key", "disable", made["id"])
    entries = json.loads(invoke(tmp_path, "audit", "--json").stdout)["entries"]
    assert [each["action"] for each in entries] == ["key.update", "limit.create", "key.create"]
    assert {each["actor"] for each in entries} == {f"cli:{getpass.getuser()}"}
    assert entries[0]["detail"] == {"disabled": True}
    assert made["key"] not in str(entries)
    shown = invoke(tmp_path, "audit", "--target", made["id"]).stdout
    assert "key.create" in shown
    assert "limit.create" not in shown
    assert len(json.loads(invoke(tmp_path, "audit", "--limit", "1", "--json").stdout)["entries"]) == 1


def test_since(tmp_path: Path) -> None:
    invoke(tmp_path, "init")
    store = open_store(f"sqlite:///{tmp_path}/tokenworks.db")
    store.note(AuditRow(1_000_000, "tokenworks", "old", "x"))
    store.close()
    found = json.loads(invoke(tmp_path, "audit", "--json").stdout)["entries"]
    assert found[-1] == {
        "time": "1970-01-01T00:00:01Z",
        "actor": "tokenworks",
        "action": "old",
        "target": "x",
        "detail": None,
    }
    late = json.loads(invoke(tmp_path, "audit", "--since", "7d", "--json").stdout)["entries"]
    assert late == found[:-1]
    assert invoke(tmp_path, "audit", "--since", "soon").exit_code == 2
    assert "nothing was changed" in invoke(tmp_path, "audit", "--target", "none").stdout
