import io
import subprocess
import sys
from pathlib import Path

from tokenworks.app.batch_birth import BatchBirth, pack, unpack
from tokenworks.batches.timing import Timing
from tokenworks.config.settings import Settings


def test_a_birth_is_read_as_it_was_written_and_nothing_behind_it(tmp_path: Path) -> None:
    given = BatchBirth(
        Settings(home=tmp_path, source=None, pepper=b"p" * 32), "w", "http://127.0.0.1:1", Timing(look_s=9.0)
    )
    stream = io.BytesIO(pack(given) + b"more")
    assert unpack(stream) == given
    assert stream.read() == b"more"


def test_a_supervisor_loads_nothing_of_what_its_workers_need() -> None:
    heavy = ("dbos", "fastapi", "tokenworks.gateway.front", "tokenworks.batches.native.desk")
    asked = f"import sys, tokenworks.app.supervisor; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
