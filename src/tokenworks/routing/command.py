"""What kind of work a tool's call is: told by the tool's name and, in a shell, by the command."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

import msgspec

Kind = Literal["read", "edit", "test", "build", "lint", "run", "other"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# What the name of a tool may have in it.

_SHELL = _words("bash shell sh terminal exec cmd command execute zsh powershell")
_RUN = _words("run execute local call")
_NOTES = _words("todo todos plan think memory note notes")  # to itself: changes nothing
_EDIT = _words("edit write replace patch multiedit notebookedit insert delete rename")
_READ = _words(
    "read view cat grep search glob ls list find get fetch snapshot console screenshot navigate "
    "describe show web browse look docs query logs history open download scrape extract crawl retrieve "
    "lookup inspect"
)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")

_QUOTED = re.compile(r"'[^']*'|\"(?:\\.|[^\"\\])*\"", re.DOTALL)
_HEREDOC = re.compile(r"<<-?\s*['\"]?(\w+)['\"]?.*?^\s*\1\s*$", re.DOTALL | re.MULTILINE)
_SPLIT = re.compile(r"&&|\|\||[;|\n]")
_BEFORE = re.compile(
    r"^(?:\s|\w+=\S*\s|(?:sudo|time|env|nice|nohup|command(?!\s+-v)|exec|xargs|npx|bunx|pnpx|uvx)\s(?:-\S+\s)*"
    r"|timeout\s+(?:-\S+\s+)*\S+\s|(?:uv|poetry|pdm|hatch|bundle)\s+(?:run|exec)\s(?:-\S+\s)*"
    r"|(?:pnpm|yarn)\s+(?:exec|dlx)\s|\(|!\s)+"
)
_PROGRAM = re.compile(r"[^\s<>]+")

# Programs that only show something; what they show is not theirs.
_READERS = _words(
    "cat head tail less more bat nl tac grep egrep fgrep zgrep rg ag ack find fd ls tree pwd wc stat "
    "file du df which type whereis echo printf sort uniq cut tr awk gawk jq yq column xxd hexdump od "
    "strings diff cmp comm sdiff env printenv date whoami id uname hostname ps pgrep ss netstat lsof "
    "top free uptime dmesg journalctl man help curl wget http dig nslookup host ping test [ [[ true : "
    "cd zcat readlink realpath basename dirname md5sum sha256sum git-log fold tee zless gc get-content "
    "select-string dir get-childitem history lsblk ip sleep wait"
)
_READING = re.compile(
    r"^(?:git\s+(?:-\S+\s+\S+\s+)?(?:show|log|diff|grep|blame|status|ls-files|branch|remote|cat-file"
    r"|reflog|tag|describe)"
    r"|(?:docker|podman|kubectl|oc|nerdctl)\s+(?:compose\s+)?(?:-\S+\s+\S+\s+)?(?:logs?|ps|inspect|get"
    r"|describe|events|top)"
    r"|(?:gh|glab)\s+\w+\s+(?:view|list|diff|checks|status)|gh\s+run\s+view"
    r"|systemctl\s+(?:status|list-\S+|cat|show)|sed\s+(?:-\S+\s+)*-n\b|pip3?\s+(?:show|list|freeze)"
    r"|npm\s+(?:ls|list|view|info|outdated)|apt(?:-cache)?\s+(?:show|search|list|policy)|command\s+-v)\b"
)
_CLIENTS = _words("psql sqlite3 mysql mariadb mongosh mongo redis-cli duckdb bq")
# Whose exit code 1 is an answer: no match, a difference, no.
_ASKING = re.compile(
    r"^(?:(?:z|e|f)?grep|rg|ag|ack|diff|cmp|comm|sdiff|test|\[\[?|pgrep|pidof|which|type|whereis|expr|false"
    r"|git\s+(?:grep|diff|merge-base|check-ignore|ls-files|show-ref)|command\s+-v|systemctl\s+(?:is-\S+"
    r"|status))(?:\s|$)"
)
_INSTALLER = re.compile(
    r"^(?:(?:python3?\s+-m\s+)?pip3?|apt(?:-get)?|brew|dnf|yum|apk|conda|mamba|gem|uv|poetry)\s"
    r"|^(?:npm|yarn|pnpm|bun)\s+(?:i|install|ci|add|remove)\b|^(?:cargo|go)\s+(?:install|add|get|mod)\b"
)
_TEST = re.compile(
    r"\b(?:py\.?test|unittest|jest|vitest|mocha|ava|tox|nox|ctest|rspec|phpunit|pest|junit|karma"
    r"|cypress|playwright"
    r"|nosetests|nextest|hspec|busted|bats|gotestsum)\b"
    r"|\b(?:npm|yarn|pnpm|bun|deno|go|cargo|dotnet|swift|make|mvnw?|gradlew?|rake|mix|sbt|bazel|lein"
    r"|stack|cabal"
    r"|zig|flutter|dart|rails|just|task|meson|ninja|manage\.py|artisan)\b[^|;&]*\b(?:tests?|check"
    r"|verify|spec|t)\b"
    r"|\b(?:run_?tests?|runtests?|test_?all)\b"
)
_LINT = re.compile(
    r"\b(?:ruff|flake8|pylint|eslint|prettier|black|isort|mypy|pyright|clippy|rubocop|golangci-lint"
    r"|shellcheck"
    r"|stylelint|biome|hadolint|yamllint|markdownlint|swiftlint|ktlint|checkstyle|clang-tidy|vet|fmt"
    r"|lint|gofmt"
    r"|rustfmt|bandit|semgrep|pre-commit)\b"
)
_BUILD = re.compile(
    r"^(?:\S*/)?(?:make|gmake|cmake|ninja|gcc|g\+\+|cc|c\+\+|clang(?:\+\+)?|rustc|javac|tsc|vite"
    r"|webpack|rollup|esbuild"
    r"|mvnw?|gradlew?|msbuild|xcodebuild|swiftc|ghc|bazel|meson|sbt|kotlinc)\b"
    r"|^(?:cargo|go|npm|yarn|pnpm|bun|dotnet|swift|docker|zig|cabal|stack|mix|hugo|terraform)\b[^|;&]*"
    r"\b(?:build|compile|check|bundle|validate|plan)\b"
)
_CHANGING = re.compile(
    r"^(?:sed\s+(?:-\S+\s+)*-\w*i\S*|perl\s+-\w*i\S*|patch|mv|cp|rm|mkdir|touch|ln|chmod|git\s+(?:apply"
    r"|checkout|restore"
    r"|mv|rm|stash|am|cherry-pick|revert|merge|rebase)|apply_patch|truncate|unzip|tar\s+x\S*)(?:\s|$)"
)
_WRITING = re.compile(r"(?<![0-9&])>{1,2}\s*(?!/dev/|&)\S")
_HIDING = re.compile(
    r"\|\s*(?:head|tail|tee|grep|sed|cat|less|sort|awk|cut)\b|\|\|\s*(?:true|:|echo)|;\s*(?:echo|true)\b|\|\|"
)


_WEIGHTIEST: tuple[Kind, ...] = ("test", "build", "lint", "run")


class Work(msgspec.Struct, frozen=True, gc=False):
    """What a call does. ``program`` is the shell's first one that matters, or the tool.

    ``asking``: exit code 1 is an answer. ``hiding``: the exit code is not that of the program that matters.
    ``shell``: a command. ``writes``: it may change files as well. ``waiting``: it waits for something.
    ``showing``: a client of a database, whose output is what others have written.
    """

    kind: Kind
    program: str
    asking: bool = False
    hiding: bool = False
    shell: bool = False
    writes: bool = False
    waiting: bool = False
    showing: bool = False


class _Arguments(msgspec.Struct):
    command: object = None
    cmd: object = None
    script: object = None
    commands: object = None


_arguments = msgspec.json.Decoder(_Arguments).decode


@lru_cache(maxsize=1024)
def work_of(tool: str, arguments: str) -> Work:
    """What the call of ``tool`` with ``arguments`` (JSON text) does."""
    name = tool.rsplit("__", 1)[-1].rsplit(".", 1)[-1].rsplit("/", 1)[-1]
    words = frozenset(word.lower() for word in _WORD.findall(name))
    if words & _NOTES:
        return Work("other", name)
    if not words & _EDIT or "command" in words:
        command = _command(arguments)
        if command and (words & _SHELL or words <= _RUN):
            return _of_command(command)
    if "editor" in words or words & _EDIT:
        given = _command(arguments)
        return Work("read" if given == "view" else "edit", name)
    if "create" in words and "file" in words:
        return Work("edit", name)
    if words & _READ:
        return Work("read", name)
    if words & {"test", "tests"}:
        return Work("test", name)
    return Work("other", name, waiting=bool(words & {"wait", "sleep", "poll"}))


def _command(arguments: str) -> str:
    """The command of a shell's call; empty where there is none."""
    try:
        given = _arguments(arguments)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        if arguments[:1] != "{":  # a custom tool's plain text
            return arguments
        found = re.search(r'"(?:command|cmd|script)"\s*:\s*"(.*)', arguments, re.DOTALL)  # it was cut
        return found.group(1).replace("\\n", "\n").replace('\\"', '"') if found else ""
    for value in (given.command, given.cmd, given.script, given.commands):
        if isinstance(value, str):
            return value
        if isinstance(value, list):
            words = [word for word in value if isinstance(word, str)]
            if len(words) == 3 and words[1] in ("-lc", "-c", "-Command", "/c"):
                return words[2]
            return "\n".join(words) if value is given.commands else " ".join(words)
    return ""


def _of_command(command: str) -> Work:
    bare = _HEREDOC.sub(" HEREDOC", command) if "<<" in command else command
    bare = _QUOTED.sub("Q", bare)
    parts = [part for one in _SPLIT.split(bare) if (part := _BEFORE.sub("", one).strip())]
    kinds = [_kind(part) for part in parts]
    last = parts[-1] if parts else ""
    writes = "edit" in kinds or _WRITING.search(bare) is not None
    for kind in _WEIGHTIEST:
        if kind in kinds:
            program = _program(parts[kinds.index(kind)])
            hiding = len(parts) > 1 and _HIDING.search(bare) is not None
            shown = program in _CLIENTS
            return Work(kind, program, False, hiding, True, writes, "sleep" in bare, shown)
    program = _program(parts[0]) if parts else ""
    asking = _ASKING.match(last) is not None
    return Work("edit" if writes else "read", program, asking, False, True, writes, "sleep" in bare)


def _program(part: str) -> str:
    found = _PROGRAM.match(part)
    return found.group().rsplit("/", 1)[-1].lower() if found else ""


def _kind(part: str) -> Kind:
    program = _program(part)
    if _CHANGING.match(part):
        return "edit"
    if program in _READERS or _READING.match(part):
        return "read"
    if _INSTALLER.match(part):
        return "run"
    if _LINT.search(part):
        return "lint"
    if _TEST.search(part) and not part.startswith("cargo check"):
        return "test"
    return "build" if _BUILD.search(part) else "run"
