import json

import pytest

from tokenworks.routing.outcome_of_tool import Outcome, outcome_of, said
from tokenworks.wire.history import ToolResult


def shell(command: str, text: str, failed: bool | None = None) -> Outcome:
    return outcome_of(ToolResult("Bash", json.dumps({"command": command}), text, failed))


def tool(name: str, text: str, failed: bool | None = None) -> Outcome:
    return outcome_of(ToolResult(name, "{}", text, failed))


FRAMES = [
    "Exit code {code}\n{out}",
    "Error: Exit code {code}\n{out}",
    "Exit code: {code}\nWall time: 0.3 seconds\nOutput:\n{out}",
    "Chunk ID: 3fa\nWall time: 0.4 seconds\nProcess exited with code {code}\nOutput:\n{out}",
    "{out}\n[The command completed with exit code {code}.]\n[Current working directory: /w]",
    "<returncode>{code}</returncode>\n<output>\n{out}\n</output>",
    "Command: x\nStdout: {out}\nStderr: (empty)\nError: (none)\nExit Code: {code}\nSignal: (none)",
]


@pytest.mark.parametrize("frame", FRAMES)
def test_exit_codes_in_the_frames_of_many_agents(frame: str) -> None:
    out = "Traceback (most recent call last):\nRuntimeError: boom"
    assert shell("python x.py", frame.format(code=0, out=out)).failure == ""
    assert shell("python x.py", frame.format(code=1, out=out)).failure == "hard"
    assert shell("grep x y", frame.format(code=1, out="")).failure == ""
    assert shell("grep x y", frame.format(code=2, out="grep: y: No such file")).failure == "soft"
    assert shell("./x", frame.format(code=139, out="")).failure == "fatal"
    assert shell("pytest", frame.format(code=0, out="3 passed in 0.1s")).proven


def test_exit_codes_in_json_also_where_its_middle_was_left_out() -> None:
    whole = json.dumps({"output": "x\ny", "metadata": {"exit_code": 1}})
    assert shell("python x.py", whole).failure == "hard"
    assert shell("python x.py", whole.replace('"exit_code": 1', '"exit_code": 0')).failure == ""
    cut = '{"output": "x\\n[900 characters left out]\\nKeyError: 1\\n", "metadata": {"exit_code": 1}}'[:-1]
    assert shell("python x.py", cut).failure == "hard"


READING = "Traceback (most recent call last):\nMemoryError: out of memory\n3 failed\nPermission denied"


@pytest.mark.parametrize("name", ["Read", "Grep", "web_fetch", "mcp__tracker__get_issue", "browser_snapshot"])
@pytest.mark.parametrize("failed", [None, False])
def test_what_a_reader_shows_is_no_failure(name: str, failed: bool | None) -> None:
    assert tool(name, READING, failed).failure == ""


@pytest.mark.parametrize("command", ["cat a.log", "grep -n Error a.log | tail", "kubectl logs x", "git show"])
@pytest.mark.parametrize("failed", [None, False])
def test_what_a_reading_command_shows_is_no_failure(command: str, failed: bool | None) -> None:
    assert shell(command, READING, failed).failure == ""


def test_the_flag_of_the_wire_counts() -> None:
    assert tool("Read", "gone", True).failure == "soft"
    assert tool("mcp__x__post", "gone", True).failure == "hard"
    assert shell("python x.py", "boom", True).failure == "hard"
    assert shell("python x.py", "Error: boom", False).failure == ""


def test_words_of_a_tool_s_own_where_no_flag_tells() -> None:
    assert tool("mcp__x__post", "Error: channel not found").failure == "hard"
    assert tool("mcp__x__post", '{"isError": true, "content": []}').failure == "hard"
    assert tool("mcp__x__post", '{"error": null, "id": 3}').failure == ""
    assert tool("Edit", "String to replace not found in file.").failure == "hard"
    assert tool("Edit", "The file a.py has been updated.\n1 raise Error('not found')").failure == ""
    assert tool("Edit", "apply_patch verification failed: no such line", False).failure == "hard"


def test_kinds_of_failure() -> None:
    assert shell("./deploy", "Permission denied", True).failure == "denied"
    assert tool("Write", "The user doesn't want to proceed with this tool use.", True).failure == "denied"
    assert shell("npm run dev", "Command timed out after 2m 0.0s", True).failure == "timeout"
    assert shell("ruff check .", "Exit code 1\nFound 3 errors.").failure == "soft"
    assert shell("python t.py", "Exit code 1\ntorch.OutOfMemoryError: CUDA out of memory.").failure == "fatal"
    # A test that is about memory died of nothing.
    named = (
        "Exit code 1\ntests/t.py::test_out_of_memory PASSED\nFAILED tests/t.py::test_y\n1 failed, 1 passed"
    )
    assert shell("pytest -v", named).failure == "hard"


def test_a_summary_counts_where_a_pipe_hides_the_exit_code() -> None:
    assert shell("pytest | tail -3", "1 failed, 3 passed in 0.1s", False).failing == 1
    passed = shell("pytest | tail -3", "0 failed, 3 passed in 0.1s", False)
    assert (passed.failure, passed.proven) == ("", True)


def test_what_is_the_same_but_for_frame_and_times() -> None:
    first = ToolResult(
        "Bash", "{}", "Wall time: 0.41 seconds\nProcess exited with code 0\nOutput:\nat 10:01:07"
    )
    again = ToolResult(
        "Bash", "{}", "Wall time: 0.39 seconds\nProcess exited with code 0\nOutput:\nat 10:01:09"
    )
    other = ToolResult("Bash", "{}", "Wall time: 0.39 seconds\nProcess exited with code 0\nOutput:\ndone")
    assert said(first) == said(again) != said(other)
