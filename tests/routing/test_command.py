import json

import pytest

from tokenworks.routing.command import Work, work_of


def shell(command: str) -> Work:
    return work_of("Bash", json.dumps({"command": command}))


@pytest.mark.parametrize(
    ("kind", "commands"),
    [
        ("read", ["cat a.log", "grep -rn x . | head", "cd src && ls", "git show HEAD", "sed -n '1,9p' a"]),
        (
            "read",
            ["kubectl logs api --previous", "curl -s http://x", "FOO=1 tail -5 x", "cat 'a; make test'"],
        ),
        ("edit", ["sed -i s/a/b/ x.py", "cat > a.py <<'EOF'\nmake test\nEOF", "echo x >> a", "mv a b"]),
        (
            "test",
            ["pytest -q", "npx jest a", "uv run pytest", "cd x && npm test 2>&1 | tail -3", "go test ./..."],
        ),
        (
            "test",
            [
                "python -m pytest",
                "timeout 60 ./gradlew check",
                "make test",
                "mvn verify",
                "sed -i s/a/b/ x && cargo test",
            ],
        ),
        (
            "build",
            ["make -j8", "cargo build", "npx tsc --noEmit", "npm run build", "go build ./...", "cargo check"],
        ),
        ("lint", ["ruff check .", "npx eslint .", "cargo clippy", "mypy src"]),
        (
            "run",
            ["pip install pytest", "python x.py", "git push", "./solver < in", "apt-get install -y jest"],
        ),
    ],
)
def test_what_a_command_does(kind: str, commands: list[str]) -> None:
    assert {command: shell(command).kind for command in commands} == dict.fromkeys(commands, kind)


@pytest.mark.parametrize(
    ("kind", "tools"),
    [
        (
            "read",
            ["Read", "read_file", "mcp__tracker__get_issue", "browser_snapshot", "web_fetch", "db.query"],
        ),
        ("edit", ["Edit", "apply_patch", "str_replace_editor", "create_file", "search_replace", "MultiEdit"]),
        ("other", ["TodoWrite", "browser_click", "mcp__chat__post", "Task", "update_plan", ""]),
        ("test", ["run_tests"]),
    ],
)
def test_what_other_tools_do(kind: str, tools: list[str]) -> None:
    assert {tool: work_of(tool, "{}").kind for tool in tools} == dict.fromkeys(tools, kind)
    assert work_of("str_replace_editor", '{"command": "view"}').kind == "read"


def test_shells_by_many_names_and_arguments() -> None:
    for tool, arguments in (
        ("shell", {"command": ["bash", "-lc", "pytest -q"]}),
        ("exec_command", {"cmd": "pytest -q"}),
        ("run_terminal_cmd", {"command": "pytest -q"}),
        ("execute_bash", {"command": "pytest -q"}),
        ("shell_call", {"commands": ["cd x", "pytest -q"]}),
        ("local_shell_call", {"command": ["pytest", "-q"]}),
    ):
        assert work_of(tool, json.dumps(arguments)).program == "pytest", tool
    cut = '{"command": "pytest -q ' + "x" * 50  # arguments that were too long lose their end
    assert work_of("Bash", cut).kind == "test"


def test_exit_codes_that_answer_and_those_that_hide() -> None:
    for command in (
        "rg x",
        "ps aux | grep x",
        "diff a b",
        "[ -f x ]",
        "git grep x",
        "command -v x",
        "pgrep x",
    ):
        assert shell(command).asking, command
    for command in ("cat x", "grep x a | sort", "pytest -q", "make && grep x y"):
        assert not shell(command).asking or command.endswith("y"), command
    for command in ("pytest | tail -3", "npm test || true", "cargo build 2>&1 | head"):
        assert shell(command).hiding, command
    assert not shell("cd a && pytest").hiding
    assert shell("sed -i s/a/b/ x && go build ./...").writes and not shell("go build 2>&1").writes
    assert shell("sleep 5; ./status").waiting
