"""What is known of one engine, as the supervisor tells it to workers."""

from __future__ import annotations

from typing import Literal

import msgspec

from tokenworks.engines.load import Load

# "unreachable": a server that somebody else runs does not answer, or serves another model.
Phase = Literal["stopped", "starting", "ready", "restarting", "failed", "unreachable"]


class EngineState(msgspec.Struct, frozen=True):
    """Small and JSON-able, for it is told to every worker."""

    name: str
    state: Phase = "stopped"
    port: int = 0  # on 127.0.0.1, while ready
    api_key: str = ""  # of this start
    pid: int = 0
    reason: str = ""  # why it failed, or died last
    url: str = ""  # of a server that somebody else runs, without /v1
    served_as: str = ""  # what that server calls the model
    kind: str = ""  # of server
    load: Load | None = None  # None: not known

    def __repr__(self) -> str:  # the key stays out of logs
        where = self.url or self.port
        return f"EngineState({self.name!r}, {self.state!r}, {where}, pid={self.pid}, reason={self.reason!r})"
