"""Writes the short form of a conversation as requests of three wires, in the manner of several agents."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import Call, Case

CHAT, MESSAGES, RESPONSES = WIRES = ("openai_chat", "anthropic_messages", "openai_responses")
SHELLS = {  # what an agent calls its shell
    "claude": "Bash",
    "codex": "shell",
    "codexn": "exec_command",
    "open": "execute_bash",
    "mini": "bash",
    "cursor": "run_terminal_cmd",
    "gem": "run_shell_command",
    "bare": "run_command",
}
SYSTEM = "You are a coding agent. Use your tools until the task is done, then say so."


def rendered(case: Case, wire: str) -> dict[str, Any]:
    """The request of ``case`` on ``wire``."""
    body: dict[str, Any] = {"model": "auto"}
    if wire == CHAT:
        messages = [{"role": "system", "content": SYSTEM}]
        return body | {"messages": messages + _chat(case)}
    if wire == MESSAGES:
        return body | {"max_tokens": 4096, "system": SYSTEM, "messages": _messages(case)}
    return body | {"instructions": SYSTEM, "input": _responses(case)}


def called(case: Case, call: Call) -> tuple[str, dict[str, Any]]:
    """Name and arguments of a call."""
    if call.arguments is not None:
        return call.tool, call.arguments
    name = SHELLS[case.agent]
    if case.agent == "codex":
        return name, {"command": ["bash", "-lc", call.command]}
    return name, {"cmd" if case.agent == "codexn" else "command": call.command}


def answered(case: Case, call: Call) -> tuple[str, bool | None]:
    """Text of a result, and whether it is flagged as an error; None where the agent never says."""
    out, code = "\n".join(call.lines), call.exit_code
    if call.arguments is not None or call.error:
        return out, call.error if case.agent == "claude" or call.error else None
    match case.agent:
        case "claude":
            return (f"Exit code {code}\n{out}", True) if code else (out, False)
        case "codex":
            return json.dumps({"output": out, "metadata": {"exit_code": code, "duration_seconds": 0.4}}), None
        case "codexn":
            told = f"Chunk ID: 3fa1c0\nWall time: 0.4113 seconds\nProcess exited with code {code}"
            return f"{told}\nOriginal token count: 31\nOutput:\n{out}", None
        case "open":
            told = f"[The command completed with exit code {code}.]\n[Current working directory: /w]"
            return f"{out}\n{told}", None
        case "mini":
            return f"<returncode>{code}</returncode>\n<output>\n{out}\n</output>", None
        case "cursor":
            return f"Exit code: {code}\n\nCommand output:\n\n```\n{out}\n```", None
        case "gem":
            told = f"Error: (none)\nExit Code: {code}\nSignal: (none)\nBackground PIDs: (none)"
            return f"Command: {call.command}\nDirectory: (root)\nStdout: {out}\nStderr: (empty)\n{told}", None
    return out, None


def _turns(case: Case) -> list[str | list[Call]]:
    """What is said, and the calls of each turn of the model."""
    turns: list[str | list[Call]] = []
    for step in case.steps:
        if not hasattr(step, "lines"):
            turns.append(step.text)
        elif step.at_once and isinstance(turns[-1], list):
            turns[-1].append(step)
        else:
            turns.append([step])
    return turns


def _as_text(text: str, failed: bool | None) -> str:
    """For a wire that has no flag for it, as translators between wires write it."""
    return f"Error: {text}" if failed and not text[:5].lower().startswith("error") else text


def _chat(case: Case) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for turn in _turns(case):
        if isinstance(turn, str):
            found.append({"role": "user", "content": turn})
            continue
        calls, results = [], []
        for number, call in enumerate(turn):
            key = f"call_{len(found)}_{number}"
            name, arguments = called(case, call)
            function = {"name": name, "arguments": json.dumps(arguments)}
            calls.append({"id": key, "type": "function", "function": function})
            results.append({"role": "tool", "tool_call_id": key, "content": _as_text(*answered(case, call))})
        found += [{"role": "assistant", "content": None, "tool_calls": calls}, *results]
    return found


def _messages(case: Case) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for turn in _turns(case):
        if isinstance(turn, str):
            block = {"type": "text", "text": turn}
            if found and found[-1]["role"] == "user":  # said beside the results, as the wire wants it
                found[-1]["content"].append(block)
            else:
                found.append({"role": "user", "content": [block]})
            continue
        calls: list[dict[str, Any]] = []
        results: list[dict[str, Any]] = []
        for number, call in enumerate(turn):
            key = f"toolu_{len(found)}_{number}"
            name, arguments = called(case, call)
            calls.append({"type": "tool_use", "id": key, "name": name, "input": arguments})
            text, failed = answered(case, call)
            result: dict[str, Any] = {"type": "tool_result", "tool_use_id": key, "content": text}
            results.append(result if failed is None else result | {"is_error": failed})
        found += [{"role": "assistant", "content": calls}, {"role": "user", "content": results}]
    return found


def _responses(case: Case) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for turn in _turns(case):
        if isinstance(turn, str):
            text = {"type": "input_text", "text": turn}
            found.append({"type": "message", "role": "user", "content": [text]})
            continue
        calls, results = [], []
        for number, call in enumerate(turn):
            key = f"call_{len(found)}_{number}"
            name, arguments = called(case, call)
            made = {"call_id": key, "name": name}
            custom = name == "apply_patch"
            if custom:
                made |= {"type": "custom_tool_call", "input": arguments["input"]}
            else:
                made |= {"type": "function_call", "arguments": json.dumps(arguments)}
            calls.append(made)
            kind = "custom_tool_call_output" if custom else "function_call_output"
            results.append({"type": kind, "call_id": key, "output": _as_text(*answered(case, call))})
        found += [*calls, *results]
    return found
