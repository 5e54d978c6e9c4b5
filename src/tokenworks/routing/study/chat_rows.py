"""Rows of a chat data set as trainers read them: ``messages`` (TRL and most others) and ``sharegpt``.

Of TRL, ``SFTTrainer`` takes a column ``messages`` as it is, and ``tools`` as JSON text. LLaMA-Factory's
``sharegpt`` wants a system prompt of its own, and then person and model in turn: results of tools that come
together are one ``observation``, calls that come together one ``function_call``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from tokenworks.routing.study.distilled import Example

FORMATS = ("messages", "sharegpt")


def answered(one: Example) -> dict[str, Any]:
    """The answer as a chat message."""
    calls = {"tool_calls": one.tool_calls} if one.tool_calls else {}
    return {"role": "assistant", "content": one.answer, **calls}


def messages_row(one: Example, *, tools: bool) -> dict[str, Any]:
    """``tools``: some row of the data set has tools, so that each has the column."""
    row: dict[str, Any] = {"messages": [*one.messages, answered(one)]}
    if tools:
        row["tools"] = _text(one.tools) if one.tools else None
    return row | _about(one)


def sharegpt_row(one: Example, *, tools: bool) -> dict[str, Any] | None:
    """None for what the format can't say: calls whose arguments are no JSON object."""
    system = [message["content"] for message in one.messages if message["role"] == "system"]
    turns: list[dict[str, Any]] = []
    for message in (*one.messages, answered(one)):
        if message["role"] == "system":
            continue
        said = _said(message)
        if said is None:
            return None
        if turns and turns[-1]["from"] == said["from"]:
            turns[-1] = {"from": said["from"], "value": f"{turns[-1]['value']}\n{said['value']}"}
        else:
            turns.append(said)
    if any((turn["from"] in ("gpt", "function_call")) != (at % 2 == 1) for at, turn in enumerate(turns)):
        return None
    row: dict[str, Any] = {"conversations": turns, "system": "\n\n".join(system)}
    if tools:
        row["tools"] = _text([tool["function"] for tool in one.tools]) if one.tools else ""
    return row | _about(one)


def encoded(rows: Sequence[dict[str, Any]]) -> bytes:
    """The rows as JSON lines."""
    return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)


def dataset_info(files: dict[str, str], *, tools: bool, sharegpt: bool) -> dict[str, Any]:
    """LLaMA-Factory's description of ``files`` by name; they are in one of the two formats."""
    if sharegpt:
        columns = {"messages": "conversations", "system": "system"} | ({"tools": "tools"} if tools else {})
        return {
            name: {"file_name": file, "formatting": "sharegpt", "columns": columns}
            for name, file in files.items()
        }
    tags = {
        "role_tag": "role",
        "content_tag": "content",
        "user_tag": "user",
        "assistant_tag": "assistant",
        "system_tag": "system",
    }
    columns = {"messages": "messages"}
    return {
        name: {"file_name": file, "formatting": "sharegpt", "columns": columns, "tags": tags}
        for name, file in files.items()
    }


def asked_of(row: dict[str, Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The messages of a row of either format, without the answer; and that. Raises ValueError for none."""
    try:
        if "messages" in row:
            every = [{k: v for k, v in each.items() if v is not None} for each in row["messages"]]
        else:
            system = [{"role": "system", "content": row["system"]}] if row.get("system") else []
            every = [*system, *_unsaid(row["conversations"])]
        answer = every.pop()
        if answer["role"] != "assistant" or not every:
            raise ValueError("its last message is not the answer")
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(f"it is no row of messages or of sharegpt ({error!r})") from error
    return every, answer


def tools_of(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The tools of a row of either format, as a chat request has them."""
    found = json.loads(row.get("tools") or "[]")
    return [each if "function" in each else {"type": "function", "function": each} for each in found]


def _unsaid(turns: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Turns of ``sharegpt`` as chat messages; calls get ids again."""
    messages: list[dict[str, Any]] = []
    open_calls: list[str] = []
    for turn in turns:
        who, value = turn["from"], turn["value"]
        if who == "function_call":
            given = json.loads(value)
            calls = [
                {
                    "id": f"call_{len(messages)}_{at}",
                    "type": "function",
                    "function": {"name": call["name"], "arguments": _text(call["arguments"])},
                }
                for at, call in enumerate(given if isinstance(given, list) else [given])
            ]
            open_calls = [str(call["id"]) for call in calls]
            messages.append({"role": "assistant", "content": "", "tool_calls": calls})
        elif who == "observation":  # of all calls together
            for at, call_id in enumerate(open_calls):
                messages.append({"role": "tool", "tool_call_id": call_id, "content": "" if at else value})
        else:
            messages.append({"role": {"human": "user", "gpt": "assistant"}[who], "content": value})
    return messages


def _about(one: Example) -> dict[str, Any]:
    return {"id": one.id, "task": one.task, "teacher": one.model}


def _said(message: dict[str, Any]) -> dict[str, Any] | None:
    calls = message.get("tool_calls")
    if calls:
        try:
            told = [_call(call["function"]) for call in calls]
        except ValueError:
            return None
        return {"from": "function_call", "value": _text(told[0] if len(told) == 1 else told)}
    who = {"user": "human", "assistant": "gpt", "tool": "observation"}[message["role"]]
    return {"from": who, "value": message["content"]}


def _call(function: dict[str, Any]) -> dict[str, Any]:
    arguments = json.loads(function["arguments"] or "{}")
    if not isinstance(arguments, dict):
        raise ValueError("arguments are no JSON object")
    return {"name": function["name"], "arguments": arguments}


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
