"""Which requests of a key belong together, where a client does not say so."""

from __future__ import annotations

import msgspec

MAX_OPEN = 16  # threads without a name that are looked through for each request
STALE_US = 2 * 3600 * 1_000_000  # a conversation that rested longer is not looked for
SLACK_TOKENS = 1000  # of a question or a tool's result, beyond what was there before ...
SLACK_SHARE = 0.25  # ... and in a long conversation this share of it
THINK_US = 60_000_000  # a pause in which somebody may have thought, even after a tool call
TOOLS = frozenset({"tool_calls", "tool_use", "function_call"})  # finish reasons


class Thread(msgspec.Struct, gc=False):
    """A conversation so far."""

    number: int
    end_us: int  # when its latest answer was complete
    input_tokens: int
    output_tokens: int
    finish_reason: str
    turns: int = 1
    led: bool = False  # somebody took time to think, at least once
    chain: int = 0  # requests since somebody was last seen to think


class Threads:
    """Follows the conversations of one key. Use in order of time."""

    def __init__(self) -> None:
        self._named: dict[str, Thread] = {}
        self._open: list[Thread] = []  # without a name, the latest last

    def find(self, session: str, time_us: int, input_tokens: int) -> Thread | None:
        """The conversation that a request goes on with, None where it begins one.

        Without a session's name: one whose answer was complete and whose context, with the answer and a
        question or a tool's result, is the request's. One that waits for a tool comes first, then the
        nearest.
        """
        if session:
            return self._named.get(session)
        best: Thread | None = None
        least = (True, 0)
        for thread in self._open:
            # Reasoning is counted as output but does not come back: a third of the output is enough.
            more = input_tokens - thread.input_tokens - thread.output_tokens // 3
            slack = thread.output_tokens + SLACK_TOKENS + int(SLACK_SHARE * thread.input_tokens)
            if 0 < more <= slack and thread.end_us <= time_us:
                waits = thread.finish_reason in TOOLS and time_us - thread.end_us < THINK_US
                rank = (not waits, more)
                if best is None or rank < least:
                    best, least = thread, rank
        if best is not None:
            self._open.remove(best)
            self._open.append(best)
        return best

    def begin(self, session: str, thread: Thread) -> None:
        """Remember a conversation that just began."""
        if session:
            self._named[session] = thread
        else:
            late = thread.end_us - STALE_US
            self._open = [one for one in self._open[1 - MAX_OPEN :] if one.end_us > late]
            self._open.append(thread)
