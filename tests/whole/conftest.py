"""What several tests of the running program start."""

from collections.abc import Iterator

import pytest
from postgres import Postgres


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    server = Postgres().start()
    yield server
    server.remove()
