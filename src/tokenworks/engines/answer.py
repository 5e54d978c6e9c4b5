"""Chunks of a llama.cpp chat stream → one whole answer, and the usage of all its choices.

The engine is always asked for a stream, because only a stream can be stopped when its caller has
gone. What it reports as usage is that of one choice at a time; here the choices are added up.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


class UsageSum:
    """Usage of a request with one or more choices; their prompt is read, and counts, once."""

    __slots__ = ("_last", "_output")

    def __init__(self) -> None:
        self._output = 0
        self._last: Json | None = None

    def add(self, usage: Json) -> None:
        """The usage of one more choice."""
        self._output += usage["completion_tokens"]
        if self._last is None:
            self._last = usage

    def total(self) -> Json | None:
        """All choices together; None when no usage was reported."""
        if self._last is None:
            return None
        prompt = self._last["prompt_tokens"]
        return {**self._last, "completion_tokens": self._output, "total_tokens": prompt + self._output}


class Answer:
    """Collects one chat answer. ``add`` every chunk in order, then take ``whole``."""

    __slots__ = ("_choices", "_fields", "_logprobs", "usage")

    def __init__(self, *, logprobs: bool = False) -> None:
        """``logprobs``: were they asked for?"""
        self._logprobs = logprobs
        self.usage = UsageSum()
        self._fields: Json = {}
        self._choices: dict[int, Json] = {}

    def add(self, chunk: Json) -> None:
        """One chunk of the stream, decoded."""
        if not self._fields:
            self._fields = {
                key: chunk[key] for key in ("id", "created", "model", "system_fingerprint") if key in chunk
            }
        if chunk.get("usage"):
            self.usage.add(chunk["usage"])
        if "timings" in chunk:
            self._fields["timings"] = chunk["timings"]
        for part in chunk["choices"]:
            choice = self._choices.setdefault(
                part["index"],
                {
                    "index": part["index"],
                    "message": {"role": "assistant", "content": None},
                    "logprobs": {"content": []} if self._logprobs else None,
                    "finish_reason": None,
                },
            )
            _extend(choice["message"], part.get("delta") or {})
            if self._logprobs and part.get("logprobs"):
                choice["logprobs"]["content"] += part["logprobs"]["content"]
            choice["finish_reason"] = part.get("finish_reason") or choice["finish_reason"]

    def whole(self) -> Json:
        """The answer as it would have come without streaming."""
        choices = [self._choices[index] for index in sorted(self._choices)]
        for choice in choices:
            message = choice["message"]
            if message["content"] is None and not message.get("tool_calls"):
                message["content"] = ""
        if len(choices) > 1:
            self._fields.pop("timings", None)  # those of one choice, whichever ended last
        answer = {**self._fields, "object": "chat.completion", "choices": choices}
        usage = self.usage.total()
        return answer if usage is None else {**answer, "usage": usage}


def _extend(message: Json, delta: Json) -> None:
    """Texts grow, tool calls grow by their index, anything else is replaced."""
    for key, value in delta.items():
        if value is None:
            continue
        if key == "tool_calls":
            _extend_calls(message.setdefault(key, []), value)
        elif key != "role" and isinstance(value, str):
            message[key] = (message.get(key) or "") + value
        else:
            message[key] = value


def _extend_calls(calls: list[Json], parts: list[Json]) -> None:
    for part in parts:
        while len(calls) <= part["index"]:
            calls.append({"id": "", "type": "function", "function": {"name": "", "arguments": ""}})
        call = calls[part["index"]]
        call["id"] = part.get("id") or call["id"]
        for key, text in (part.get("function") or {}).items():
            call["function"][key] += text
