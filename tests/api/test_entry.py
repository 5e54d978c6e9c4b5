"""Which uploads may wait on disk."""

from pathlib import Path

from fresh_store import fresh_store

from tokenworks.api.entry import spools
from tokenworks.plans import keys
from tokenworks.plans.keys import KeyBook


def test_only_who_has_a_key_may_fill_the_disk(tmp_path: Path) -> None:
    store = fresh_store(f"sqlite:///{tmp_path / 'tokenworks.db'}")
    _, secret = keys.create(store, "somebody", b"p" * 32, "member")
    place = spools(tmp_path, KeyBook(store, b"p" * 32))
    for headers, taken in (
        ({b"authorization": f"Bearer {secret}".encode()}, True),
        ({b"authorization": f"bearer  {secret}".encode()}, True),
        ({b"x-api-key": secret.encode()}, True),
        ({b"authorization": b"Bearer tw-" + b"x" * 43}, False),
        ({b"authorization": b"\xff"}, False),
        ({}, False),
    ):
        for path in (b"/v1/files", b"/api/v1/files?x=y", b"/v1/batches"):
            spool = place.open(path, headers)
            assert (spool is not None) == (taken and b"files" in path)
            if spool is not None:
                spool.close()
    store.close()
