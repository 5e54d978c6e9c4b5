"""What every test shares: real data where it is present, and nothing of the developer's own set-up."""

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("TOKENWORKS_TEST_DATA") or Path(__file__).parents[1] / ".." / "shared" / "data")

# A key or home folder of whoever runs the tests must not change what they see.
for name in list(os.environ):
    if (name.startswith("TOKENWORKS_") and name != "TOKENWORKS_TEST_DATA") or name.endswith("_API_KEY"):
        del os.environ[name]


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real inputs; skips where it is absent."""
    if not DATA.is_dir():
        pytest.skip(f"no test data at {DATA}; set TOKENWORKS_TEST_DATA")
    return DATA.resolve()
