"""Chat request bodies of an exact size, shaped like an agent's conversation."""

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


def encode(value: object) -> bytes:
    """Compact JSON as most client libraries send it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
