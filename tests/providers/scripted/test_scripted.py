"""The package as a program: ``python -m tokenworks.providers.scripted``, and what its page promises."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tokenworks.providers.scripted import parse

PAGE = Path(__file__).parents[3] / "docs" / "scripted-provider.md"
PROGRAM = [sys.executable, "-m", "tokenworks.providers.scripted"]


def test_it_runs_as_a_program_and_stops_when_told(tmp_path: Path) -> None:
    script = tmp_path / "s.toml"
    script.write_text("[[reply]]\ntext = 'from a file'\n")
    with subprocess.Popen([*PROGRAM, str(script)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        try:
            answer = httpx.post(f"{url}/chat/completions", json={"model": "m"}).json()
            assert answer["choices"][0]["message"]["content"] == "from a file"
            assert httpx.get(url.replace("/v1", "/__scripted/totals")).json()["complete"] == 1
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0


@pytest.mark.parametrize(
    ("text", "options", "told"),
    [("[[reply]]\nx = 1", [], "unknown field `x`"), ("", ["--host", "0.0.0.0"], "loopback only")],
)
def test_what_is_wrong_is_one_line(tmp_path: Path, text: str, options: list[str], told: str) -> None:
    script = tmp_path / "s.toml"
    script.write_text(text)
    done = subprocess.run([*PROGRAM, str(script), *options], capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert told in done.stderr and done.stderr.count("\n") == 1


def test_every_script_of_the_page_can_be_played() -> None:
    scripts = re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert scripts
    for script in scripts:
        assert parse(script).reply
