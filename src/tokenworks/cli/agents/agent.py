"""What a coding agent needs to work against a running server, as plain data."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

PROVIDER = "tokenworks"  # what agents that name their providers call the server
FOLDER = "$FOLDER"  # in a command or an environment: the temporary folder, which is made last
KEY_VARIABLE = "TOKENWORKS_KEY"  # lets files name the key without holding it
NO_KEY = "keyless"  # where an agent must send something; a server that asks for no key takes it as none
MAX_ANSWER_TOKENS = 32_000


@dataclass(frozen=True)
class Model:
    """One model of the server's list, as far as agents care."""

    id: str
    name: str
    context_length: int | None = None  # tokens
    max_output_tokens: int | None = None
    tools: bool | None = None  # None: the server does not say
    runs_here: bool = False  # on the server's own engines, so it may need no key

    @property
    def answer_tokens(self) -> int:
        """The most tokens that one answer may have; a guess that leaves room to ask where nobody says."""
        room = self.max_output_tokens or (self.context_length or 4 * MAX_ANSWER_TOKENS) // 4
        return min(room, MAX_ANSWER_TOKENS)


@dataclass(frozen=True)
class Launch:
    """How to start an agent. ``files`` are texts by their path inside the temporary folder."""

    command: list[str]
    env: dict[str, str]
    unset: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)

    def inside(self, folder: str) -> Launch:
        """The same with ``folder`` as the temporary folder."""
        return dataclasses.replace(
            self,
            command=[part.replace(FOLDER, folder) for part in self.command],
            env={name: value.replace(FOLDER, folder) for name, value in self.env.items()},
        )

    def masked(self, key: str) -> Launch:
        """The same without the secret ``key``, to be shown: a few of its characters are left."""
        if not key:
            return self
        hint = f"{key[:6]}…{key[-4:]}" if len(key) > 20 else "…"
        return dataclasses.replace(
            self,
            command=[part.replace(key, hint) for part in self.command],
            env={name: value.replace(key, hint) for name, value in self.env.items()},
            files={path: text.replace(key, hint) for path, text in self.files.items()},
        )


# Of the server's URL, the key ("": none is needed), the model to use and all models to choose from.
Prepare = Callable[[str, str, Model, Sequence[Model]], Launch]


@dataclass(frozen=True)
class Agent:
    """A coding agent: ``name`` is also its program, ``package`` what npm calls it."""

    name: str
    package: str
    prepare: Prepare
