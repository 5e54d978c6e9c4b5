"""What every test shares: real data where it is present, and nothing of the developer's own set-up."""

import os
import signal
from collections import Counter
from pathlib import Path

import pytest

DATA = Path(os.environ.get("TOKENWORKS_TEST_DATA") or Path(__file__).parents[1] / ".." / "shared" / "data")

# A key or home folder of whoever runs the tests must not change what they see.
for name in list(os.environ):
    if (name.startswith("TOKENWORKS_") and name != "TOKENWORKS_TEST_DATA") or name.endswith("_API_KEY"):
        del os.environ[name]


# A shell without job control makes what it starts in the background deaf to Ctrl-C, and all that tests start
# would be so too.
for number in (signal.SIGINT, signal.SIGQUIT):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)

# Every client reads the roots it trusts, which takes 30 ms with real ones, and no test meets any of theirs.
os.environ["SSL_CERT_FILE"] = str(Path(__file__).parent / "support" / "nobody.pem")

# Files that wait for servers to start, fail and come back, the longest first. Where several files run at once
# they begin, and those that only compute fill the gaps.
FIRST = (
    "whole/test_schemathesis.py",
    "whole/test_console_pages.py",
    "whole/test_kill_nine.py",
    "whole/test_console_actions.py",
    "whole/test_console_rankings.py",
    "whole/test_overspend_killed.py",
    "app/test_supervisor.py",
    "whole/test_batch_faults.py",
    "whole/test_overspend.py",
    "whole/test_fault_matrix.py",
    "gateway/test_attempts.py",
    "app/test_native_batches.py",
    "batches/test_worker.py",
    "whole/test_openai_sdk.py",
    "whole/test_queue.py",
    "bench/test_fair_use.py",
    "bench/test_killing.py",
    "app/test_batch_keeper.py",
    "cli/test_launch.py",
    "cli/test_serve.py",
    "whole/test_store_down.py",
    "whole/test_hostile_answers.py",
    "whole/test_hostile_bodies.py",
    "engines/test_llama_cpp.py",
    "engines/test_manager.py",
)
TESTS = Path(__file__).parent


def pytest_configure(config: pytest.Config) -> None:
    """Let files be handed out in our order; xdist's own ends with those of the fewest tests, however long."""
    gone = [name for name in FIRST if not (TESTS / name).exists()]
    if gone:
        raise pytest.UsageError(f"tests/conftest.py names files that are gone: {', '.join(gone)}")
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """``FIRST``, then the files of the most tests."""
    sizes = Counter(item.path for item in items)
    ranks = {TESTS / name: rank for rank, name in enumerate(FIRST)}
    items.sort(key=lambda item: (ranks.get(item.path, len(FIRST)), -sizes[item.path]))


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real inputs; skips where it is absent."""
    if not DATA.is_dir():
        pytest.skip(f"no test data at {DATA}; set TOKENWORKS_TEST_DATA")
    return DATA.resolve()
