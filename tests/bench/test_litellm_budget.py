"""The peer's side of the overspend benchmark, with a stand-in for the peer's package."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "bench" / "litellm_budget.py"
STAND_IN = """
max_budget = None
suppress_debug_info = False
class BudgetExceededError(Exception): pass
def register_model(models): assert list(models) == ["openai/fast-1"]
class _Usage: completion_tokens = 100
class _Answer: usage = _Usage()
_asked = 0
async def acompletion(**given):
    global _asked
    _asked += 1
    if _asked > 3: raise BudgetExceededError
    if _asked == 3: raise OSError("refused")
    assert given["max_tokens"] == 500 and given["api_base"] == "http://upstream/v1"
    return _Answer()
"""


def test_it_counts_what_was_served_refused_and_spent(tmp_path: Path) -> None:
    (tmp_path / "litellm.py").write_text(STAND_IN)
    info = tmp_path / "litellm-1.2.3.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: litellm\nVersion: 1.2.3\n")
    argv = [sys.executable, str(SCRIPT), "http://upstream/v1", "5", "1.0", "0.0001", "500", "40"]
    done = subprocess.run(argv, capture_output=True, text=True, env={"PYTHONPATH": str(tmp_path)}, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "outcomes": {"served": 2, "refused": 2, "OSError": 1},
        "spent_usd": 0.02,
        "version": "1.2.3",
    }
