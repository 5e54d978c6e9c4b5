"""Prompts to compare an engine's settings on: our own, or a file of the user's."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from tokenworks.errors import ConfigError

SHIPPED = "kv_prompts.jsonl"  # beside this file; written for this purpose


class Prompt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of a prompt file: either ``prompt`` or ``messages``."""

    prompt: str = ""
    messages: tuple[dict[str, Any], ...] = ()
    id: str = ""
    kind: str = ""  # what sort of work it is; results are also told by kind

    def chat(self) -> list[dict[str, Any]]:
        """As messages of a chat."""
        return list(self.messages) or [{"role": "user", "content": self.prompt}]


def load(file: Path | None = None) -> list[Prompt]:
    """The prompts of ``file``, JSON objects one a line; without it the shipped ones. Raises ConfigError."""
    name = str(file) if file else SHIPPED
    try:
        data = file.read_bytes() if file else files(__package__).joinpath(SHIPPED).read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{name}: can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{name}: is no UTF-8 text") from None
    prompts = []
    for number, line in enumerate(text.split("\n"), 1):  # a text may have other ends of lines in it
        if not line.strip():
            continue
        try:
            prompt = msgspec.json.decode(line, type=Prompt)
        except (msgspec.DecodeError, RecursionError) as error:
            fix = 'write one object a line such as {"prompt": "Name a colour."}'
            raise ConfigError(f"{name}:{number}: {error}; {fix}") from None
        if bool(prompt.prompt) == bool(prompt.messages):
            raise ConfigError(f'{name}:{number}: give either "prompt" or "messages"')
        prompts.append(msgspec.structs.replace(prompt, id=prompt.id or str(number)))
    if not prompts:
        raise ConfigError(f'{name}: holds no prompt; write one object a line such as {{"prompt": "Hi"}}')
    return prompts
