"""Request bodies of an exact size, shaped like an agent's conversation: chat and Messages."""

from __future__ import annotations

import json

SIZES = {"1k": 1000, "20k": 20_000, "300k": 300_000}  # bytes of each case
MESSAGE = 900  # characters of one message, about what a turn of a conversation has
# Line ends, quotes, a backslash and text beyond ASCII: what makes a JSON parser work.
SENTENCE = 'The tool said "ok" and wrote C:\\\\tmp\\\\log.txt,\nthen 12 of 40 tests passed – see §3.\n\t'


def chat_body(model: str, size: int, stream: bool) -> bytes:
    """An OpenAI chat request of ``size`` bytes: JSON with turns of about 900 characters and raw UTF-8.

    Raises ValueError if ``size`` is too small for the request's frame.
    """
    request: dict[str, object] = {"model": model, "messages": [], "max_tokens": 512, "temperature": 0.2}
    if stream:
        request |= {"stream": True, "stream_options": {"include_usage": True}}
    messages: list[dict[str, str]] = [{"role": "system", "content": "You are careful."}]
    request["messages"] = messages
    text = (SENTENCE * (MESSAGE // len(SENTENCE) + 1))[:MESSAGE]
    per_turn = len(encode({"role": "assistant", "content": text})) + 1
    empty = len(encode(request)) + len(encode({"role": "user", "content": ""})) + 1
    for number in range(max(0, (size - empty) // per_turn)):
        messages.append({"role": "assistant" if number % 2 else "user", "content": text})
    messages.append({"role": "user", "content": ""})
    missing = size - len(encode(request))
    if missing < 0:
        raise ValueError(f"a body of {size} bytes is too small, the frame alone is {size - missing} bytes")
    sentences, rest = divmod(missing, len(encode(SENTENCE)) - 2)
    messages[-1]["content"] = SENTENCE * sentences + "x" * rest
    return encode(request)


# What a coding agent offers its model: name, description, required properties with their types.
TOOLS = (
    ("Bash", "Runs a shell command and returns its output.", {"command": "string", "timeout": "number"}),
    ("Read", "Reads a file; long files in parts.", {"file_path": "string", "offset": "number"}),
    ("Edit", "Replaces one text in a file.", {"file_path": "string", "old": "string", "new": "string"}),
    ("Grep", "Finds lines that match a pattern.", {"pattern": "string", "path": "string", "all": "boolean"}),
    ("TodoWrite", "Keeps the list of what is to be done.", {"todos": "array"}),
)
CACHED = {"cache_control": {"type": "ephemeral"}}
SESSION = "user_5f0c_account__session_0b2f9d5e-6c1a-4f0e-9a51-3d7f6f0c2b11"


def messages_body(model: str, size: int, stream: bool) -> bytes:
    """A Messages request of ``size`` bytes as a coding agent sends it.

    Two cached system blocks, five tools, then turns in which the assistant calls a tool and the user brings
    its result of about 900 characters; the last result is cached. JSON with raw UTF-8. Raises ValueError if
    ``size`` is too small for the request's frame.
    """
    system = [text_block("You are a coding agent.") | CACHED, text_block(SENTENCE * 12) | CACHED]
    request: dict[str, object] = {"model": model, "max_tokens": 32000, "temperature": 1, "system": system}
    request |= {"tools": [tool(*one) for one in TOOLS], "metadata": {"user_id": SESSION}}
    if stream:
        request["stream"] = True
    messages: list[dict[str, object]] = [
        {"role": "user", "content": [text_block("<system-reminder>Be brief.</system-reminder>\n" + SENTENCE)]}
    ]
    text = (SENTENCE * (MESSAGE // len(SENTENCE) + 1))[:MESSAGE]
    request["messages"] = messages + tool_turn(0, "", cached=True)
    frame = len(encode(request))
    per_turn = len(encode(tool_turn(0, text))) - 1  # without its two brackets, with one more comma
    if size < frame:
        raise ValueError(f"a body of {size} bytes is too small, the frame alone is {frame} bytes")
    turns, missing = divmod(size - frame, per_turn)
    for number in range(turns):
        messages += tool_turn(number, text)
    sentences, rest = divmod(missing, len(encode(SENTENCE)) - 2)
    request["messages"] = messages + tool_turn(turns, SENTENCE * sentences + "x" * rest, cached=True)
    return encode(request)


BODIES = {"chat": chat_body, "messages": messages_body}


def text_block(text: str) -> dict[str, object]:
    return {"type": "text", "text": text}


def tool(name: str, description: str, properties: dict[str, str]) -> dict[str, object]:
    """A tool with a schema of its input and a description of some length."""
    kinds = {key: {"type": kind} for key, kind in properties.items()}
    schema: dict[str, object] = {"type": "object", "properties": kinds, "required": list(properties)}
    schema["additionalProperties"] = False
    return {"name": name, "description": f"{description}\n{SENTENCE * 3}", "input_schema": schema}


def tool_turn(number: int, result: str, cached: bool = False) -> list[dict[str, object]]:
    """The assistant's call of a tool and the user's message with its result; any ``number`` is as long."""
    call = f"toolu_{number:024d}"
    use = {"type": "tool_use", "id": call, "name": "Bash", "input": {"command": f"make step-{number:06d}"}}
    back = {"type": "tool_result", "tool_use_id": call, "content": result} | (CACHED if cached else {})
    return [
        {"role": "assistant", "content": [text_block("Let me run the next step."), use]},
        {"role": "user", "content": [back]},
    ]


def encode(value: object) -> bytes:
    """Compact JSON as most client libraries send it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
