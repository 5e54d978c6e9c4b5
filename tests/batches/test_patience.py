import threading

import pytest

from tokenworks.batches import patience
from tokenworks.batches.patience import Patience
from tokenworks.errors import StoreError


@pytest.fixture
def threads():
    made = Patience(2)
    yield made
    made.close()


async def test_calls_are_made_in_other_threads(threads: Patience) -> None:
    here = threading.get_ident()
    assert await threads.once(threading.get_ident) != here
    assert await threads.sure(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await threads.sure(divmod, 1, 0)


async def test_a_store_that_is_away_is_asked_until_it_is_back(
    threads: Patience, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(patience, "FIRST_S", 0.01)
    turns = iter([StoreError("away"), StoreError("away"), "here"])

    def call() -> str:
        found = next(turns)
        if isinstance(found, StoreError):
            raise found
        return found

    assert await threads.sure(call) == "here"
    assert [record.message for record in caplog.records] == ["batches: away; trying again until it works"]
    with pytest.raises(StoreError):
        await threads.once(lambda: (_ for _ in ()).throw(StoreError("away")))
