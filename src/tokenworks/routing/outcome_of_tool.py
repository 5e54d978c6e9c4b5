"""How a tool's call came out: well, or in which way not. Told by exit codes and flags before any words.

Words count only where they are the tool's own: what stands in a file that was read, in a page, in a row of a
table or in a log says nothing of how the reading went. Only test runners, builds and linters are read for
their summaries, since their exit code is often hidden behind a pipe, and programs whose agent tells no exit
code at all.
"""

from __future__ import annotations

import hashlib
import re
from typing import Literal

import msgspec

from tokenworks.routing.command import Work, work_of
from tokenworks.routing.complaints import complaint, failing_of, marks_of, telling_of, timeless
from tokenworks.wire.history import ToolResult

Failure = Literal["", "soft", "hard", "denied", "timeout", "fatal"]

_SHORT = 600  # characters: a text of a tool's own, not of what it read
# Agents put a frame around an output, before or behind all else; what stands between is not looked at.
_EXIT_BEFORE = re.compile(
    r"\s*(?:Error: )?(?:[Ee]xit[ _][Cc]ode ?[:=]? ?(-?\d+)\b|<(?:returncode|exit_code)>\s*(-?\d+)\s*<"
    r"|(?:(?:Chunk ID|Wall time|Session ID):[^\n]*\n)*Process exited with code (-?\d+)\b)"
)
_EXIT_BEHIND = re.compile(
    r"(?:\[?(?:The c|C)ommand (?:completed|finished|exited|failed) with (?:exit )?(?:code"
    r"|status):? (-?\d+)\.?\]?"
    r"|^Exit Code: (-?\d+)|\(exit(?:ed)?(?: with)?(?: code| status)? (-?\d+)\)"
    r"|<(?:returncode|exit_code)>\s*(-?\d+)\s*</\w+>)"
    r"(?:\s*^(?:\[[^\n]*\]|(?:Signal|Background PIDs|Process Group PGID)\b[^\n]*))*\s*\Z",
    re.MULTILINE,
)
_FRAME = re.compile(
    r"^(?:(?:Chunk ID|Wall time|Session ID|Original token count|Command|Directory|Stderr|Signal"
    r"|Background PIDs"
    r"|Process Group PGID|[Ee]xit [Cc]ode): [^\n]*|(?:Command o|O)utput:|Error: \(none\)"
    r"|(?:Error: )?Exit code \d+"
    r"|Process exited with code [^\n]*|\[(?:The command|Current working)[^\n]*|</?output>"
    r"|<returncode>[^\n]*|```)$",
    re.MULTILINE,
)
_JSON_EXIT = re.compile(r'"(?:exit_code|exitCode|returncode|return_code|exit_status|code)"\s*:\s*(-?\d+)')
_DENIED = re.compile(
    r"permissions? (?:to use|to (?:write|read|edit|run))|hasn't been granted|haven't granted|has been denied"
    r"|doesn't want to (?:proceed|take)|(?:rejected|denied|declined|refused) by (?:the )?user|user (?:has )?"
    r"(?:rejected|denied|declined)|permission denied|access (?:is )?denied|not permitted|EACCES|EPERM"
    r"|are you root"
    r"|\b40[13]\b|unauthori[sz]ed|forbidden|denied to|requires approval|not allowed|read-only file system"
    r"|拒绝|权限不够|权限不足|Отказано|Keine Berechtigung|Permission non accordée"
    r"|許可がありません|アクセスが拒否",
    re.IGNORECASE,
)
_TIMEOUT = re.compile(
    r"\btimed out\b|\btimeout\b.{0,30}exceeded|deadline exceeded|超时|ETIMEDOUT", re.IGNORECASE
)
_FATAL = re.compile(
    r"^Killed\s*$|Killed signal terminated|\bOut of memory: Killed|Cannot allocate memory$"
    r"|\bheap out of memory\b"
    r"|^(?:E {2,}|Exception in thread \S+ )?[\w.]*(?:MemoryError|OutOfMemory(?:Error|Exception))\b"
    r"|^(?:.*: |\d+ )?Segmentation fault(?: \(core dumped\))?\s*$|\(core dumped\)$|^.*\[signal SIGSEGV"
    r"|^(?:double free|free\(\): |malloc\(\): |\*\*\* stack smashing"
    r"|fatal error: (?:runtime: )?out of memory)"
    r"|^(?:致命错误|错误)?[:：]?\s*内存不足",
    re.IGNORECASE | re.MULTILINE,
)
_FATAL_WORDS = (
    "killed",
    "memory",
    "segmentation",
    "core dumped",
    "sigsegv",
    "free",
    "malloc",
    "smashing",
    "内存",
)
_FATAL_CODES = frozenset((132, 134, 136, 137, 139, -6, -9, -11))
_REFUSED = re.compile(
    r"verification failed|no replacement was performed|not found in|could not find|failed to (?:find"
    r"|apply|edit|parse"
    r"|write)|did not (?:match|appear)|string to replace|not been read|no match|invalid (?:patch"
    r"|context|diff)"
    r"|error\b|does not exist|not unique|multiple (?:occurrences|matches)|no changes|cannot|失败|错误",
    re.IGNORECASE,
)
_DONE = re.compile(
    r"\s*(?:success|the file .{0,200}(?:updated|edited|created)|file (?:created|written)|ok\b|done)", re.I
)
_WRONG = re.compile(
    r"\s*(?:<tool_use_error>|(?:MCP |\w+)?Error\b\s*(?:-?\d+|\[[^\]]*\])?\s*[:(]|ERROR\b|Failed to"
    r"|failed:|Exception:"
    r"|Traceback \(most|Invalid (?:param|arg)|Unknown tool|No such tool|错误[:：]|エラー)",
    re.IGNORECASE,
)


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """How one call came out.

    ``failure`` is "" for none. ``marks`` tell this failure from others: lines without digits, paths, times.
    ``failing`` counts tests or errors, None where nothing is counted. ``proven``: a check has passed.
    """

    work: Work
    failure: Failure = ""
    marks: frozenset[str] = frozenset()
    failing: int | None = None
    proven: bool = False


class _Answer(msgspec.Struct):
    """What a tool's JSON says of itself."""

    output: object = None
    stdout: object = None
    stderr: object = None
    metadata: object = None
    exit_code: object = None
    exitCode: object = None
    returncode: object = None
    return_code: object = None
    isError: object = None
    is_error: object = None
    error: object = None
    success: object = None
    ok: object = None


_KNOWN = 4096  # outcomes, each of a few hundred bytes
_known: dict[bytes, Outcome] = {}
_answer = msgspec.json.Decoder(_Answer).decode


def outcome_of(result: ToolResult) -> Outcome:
    """How the call of ``result`` came out.

    What was seen before is known by a digest: a conversation comes back with every turn, little longer.
    """
    digest = hashlib.blake2b(str(result.failed).encode(), digest_size=16)
    for part in (result.tool, result.arguments, result.text):
        digest.update(part.encode("utf-8", "replace") + b"\0")
    key = digest.digest()
    outcome = _known.get(key)
    if outcome is None:
        if len(_known) >= _KNOWN:
            _known.clear()
        outcome = _known[key] = _judged(result)
    return outcome


def forget() -> None:
    """Forget what was seen, as a worker that starts anew."""
    _known.clear()


def _judged(result: ToolResult) -> Outcome:
    work = work_of(result.tool, result.arguments)
    text, failed, code = result.text, result.failed, None
    if text[:1] == "{":
        text, failed, code = _unwrapped(text, failed, work)
    if not work.shell and work.kind not in ("test", "run"):
        return _of_tool(work, text, failed)
    if code is None:
        code = _exit_code(text)
    return _of_program(work, text, failed, code)


def said(result: ToolResult) -> str:
    """The result without its agent's frame and without times: to tell whether two are the same."""
    text = result.text
    if text[:1] == "{":
        text = _unwrapped(text, None, work_of(result.tool, result.arguments))[0]
    return timeless(_bare(text))


def _bare(text: str) -> str:
    """An output without the frame that its agent put around it."""
    text = _FRAME.sub("", text).strip()
    return text.removeprefix("Stdout: ")


def _unwrapped(text: str, failed: bool | None, work: Work) -> tuple[str, bool | None, int | None]:
    """Output, failure and exit code out of a JSON object, where ``text`` is one."""
    try:
        answer = _answer(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        found = _JSON_EXIT.search(text, max(0, len(text) - 300)) if text.startswith('{"output"') else None
        if found is None:
            return text, failed, None
        return text.replace("\\n", "\n"), failed, int(found.group(1))  # it was cut
    codes: list[object] = [answer.exit_code, answer.exitCode, answer.returncode, answer.return_code]
    if isinstance(answer.metadata, dict):
        codes.append(answer.metadata.get("exit_code"))
    code = next((one for one in codes if isinstance(one, int) and not isinstance(one, bool)), None)
    if failed is None and work.kind != "read":
        wrong = answer.error not in (None, False, "", 0)
        if True in (answer.isError, answer.is_error) or False in (answer.success, answer.ok) or wrong:
            failed = True
    elif failed is None and True in (answer.isError, answer.is_error):
        failed = True
    parts = [part for part in (answer.output, answer.stdout, answer.stderr) if isinstance(part, str) and part]
    return "\n".join(parts) if parts or code is not None else text, failed, code


def _exit_code(text: str) -> int | None:
    """The exit code that an agent's frame around the output tells."""
    found = _EXIT_BEFORE.match(text)
    if found is None:
        end = text[-400:]
        if "code" not in end and "Code" not in end and "exit" not in end:
            return None
        found = _EXIT_BEHIND.search(end)
    return int(next(group for group in found.groups() if group)) if found else None


# --- programs ---------------------------------------------------------------------------------


def _of_program(work: Work, text: str, failed: bool | None, code: int | None) -> Outcome:
    if code is None and failed:
        code = -1
    told = code is not None or failed is False
    if code == 1 and work.asking:
        return Outcome(work)
    if told and not code and not work.hiding:
        return Outcome(work, proven=work.kind in ("test", "build"))
    text = _bare(text)
    checks = work.kind in ("test", "build", "lint")
    telling = telling_of(text) if checks or code else []
    failing = failing_of(telling) if checks else None
    if failing or code:
        return _failed(work, text, telling, code, failing)
    own = len(text) < _SHORT and _own_words(work, text)  # "cat: x: no such file"
    if work.showing or work.kind in ("read", "edit"):
        return _failed(work, text, [], None, None) if own else Outcome(work)
    if failing == 0:
        return Outcome(work, failing=0, proven=work.kind in ("test", "build"))
    if own or complaint(text):
        return _failed(work, text, telling or telling_of(text), None, failing)
    return Outcome(work, failing=failing)


def _own_words(work: Work, text: str) -> bool:
    """Whether a program or its shell speaks of itself, in whatever language."""
    name, colon, rest = text.lstrip().split("\n", 1)[0].partition(":")
    name = name.strip().rsplit("/", 1)[-1].lower()
    if not (colon and rest.startswith(" ")) or "warning" in rest.lower():
        return False
    return name == work.program or name in ("sh", "bash", "zsh", "dash", "ksh")


def _failed(work: Work, text: str, telling: list[str], code: int | None, failing: int | None) -> Outcome:
    """Which kind of failure it is."""
    kind: Failure = "soft" if work.kind in ("lint", "read") else "hard"
    marks = marks_of(telling, text, work.program)
    short = len(text) < _SHORT and not failing
    if work.kind != "read" and (code in _FATAL_CODES or _died(text[-2000:])):
        kind, marks = "fatal", marks | {f"fatal {work.program}"}
    elif code == 124 or (short and _TIMEOUT.search(text)):
        kind, marks = "timeout", frozenset((f"timeout {work.program}",))
    elif short and _DENIED.search(text):
        kind, marks = "denied", frozenset((f"denied {work.program}",))
    return Outcome(work, kind, marks, failing)


def _died(end: str) -> bool:
    low = end.lower()
    return any(word in low for word in _FATAL_WORDS) and _FATAL.search(end) is not None


# --- other tools ------------------------------------------------------------------------------


def _of_tool(work: Work, text: str, failed: bool | None) -> Outcome:
    start = text[:300]
    if failed is None or (not failed and work.kind == "edit"):
        failed = _says_wrong(work, text, start)
    if not failed:
        return Outcome(work)
    if len(text) < _SHORT and _DENIED.search(text):
        return Outcome(work, "denied", frozenset((f"denied {work.program}",)))
    if len(text) < _SHORT and _TIMEOUT.search(text):
        return Outcome(work, "timeout", frozenset((f"timeout {work.program}",)))
    if work.kind == "edit":
        return Outcome(work, "hard", frozenset((f"refused {work.program}",)))
    return Outcome(
        work, "soft" if work.kind == "read" else "hard", marks_of(telling_of(text), text, work.program)
    )


def _says_wrong(work: Work, text: str, start: str) -> bool:
    """Whether a tool's own words say that it failed, where its wire has no flag for that."""
    if work.kind == "edit":
        first = start.lstrip().split("\n", 1)[0]
        return _DONE.match(first) is None and _REFUSED.search(first) is not None
    if _WRONG.match(start) is None:
        return False
    # A file may begin like that: a reader's own words are short.
    return work.kind != "read" or (len(text) < 300 and text.count("\n") < 3 and start.startswith("Error: "))
