"""What kind of work requests are, told of a sample of them: for rankings by task and language.

Looking at a request takes a fraction of a millisecond, so only a few of each second are looked at; each of
these stands for all that came since the one before it. Names of tasks and languages are kept, never a word
of what was said.
"""

from __future__ import annotations

import logging
import sys

from tokenworks.errors import BadRequest
from tokenworks.ledger.labelled import MAX_WEIGHT, Labels, encode
from tokenworks.routing import language, programming
from tokenworks.routing.features import normalise
from tokenworks.routing.task import best, scores
from tokenworks.wire import history, pairs
from tokenworks.wire.history import History
from tokenworks.wire.peek import Fields, text

log = logging.getLogger(__name__)

MOST_BYTES = 256 << 10  # of messages; to read longer ones would hold up others, so only their end is
MOST_SAID = 2_000  # characters of what was said that are looked at: two thirds of its beginning, and its end
MOST_OF_RESULT = 600  # of a tool's call and of what it answered
RESULTS = 3  # tools that answered last are looked at
BURST_S = 1.0  # of samples that may be taken at once after a pause
STRUCTURED = 1.8  # how far a wished-for JSON schema speaks for extraction, in the measure of ``routing.task``
CODED = 2.5  # and a programming language for code
_NEVER = sys.maxsize
_SPOKEN = ("messages", "input", "prompt")
_SCHEMA = b'"json_schema"'


class Labelling:
    """Decides whose turn it is, and looks. Whoever asks adds one to ``since`` for every request that could
    be looked at, and calls ``labels`` once the clock is past ``due_ns``."""

    __slots__ = ("_every_ns", "_full_ns", "_paid_ns", "due_ns", "since")

    def __init__(self, samples_per_s: float) -> None:
        """At most ``samples_per_s`` a second in the long run; 0: none at all."""
        self.since = 0  # requests since the last one that was looked at
        self._every_ns = int(1e9 / samples_per_s) if samples_per_s > 0 else _NEVER
        self._full_ns = int(BURST_S * 1e9)
        self._paid_ns = 0  # until when the samples taken so far use up what may be taken
        self.due_ns = 0 if samples_per_s > 0 else _NEVER

    def labels(self, wire: str, fields: Fields, now_ns: int) -> bytes:
        """Encoded ``Labels`` of a request on ``wire``, for its record; empty where it can't be read.

        ``now_ns`` is on the clock of ``due_ns``. Never raises.
        """
        weight, self.since = min(self.since, MAX_WEIGHT), 0
        self._paid_ns = max(self._paid_ns, now_ns - self._full_ns) + self._every_ns
        self.due_ns = self._paid_ns
        try:
            return encode(labels_of(wire, fields, weight))
        except BadRequest as error:
            log.debug("a request can't be labelled: %s", error)
        except Exception:  # a mistake of ours is no reason to lose a request
            log.exception("a request could not be labelled")
        self.since += weight  # the next one stands for it too
        return b""


def labels_of(wire: str, fields: Fields, weight: int = 1) -> Labels:
    """What kind of work the request ``fields`` on ``wire`` is. Raises BadRequest where it can't be read.

    Of a very long one only the programming language is told, and whether a model acts.
    """
    size = sum(len(fields[name]) for name in _SPOKEN if name in fields)
    if size > MOST_BYTES:
        return Labels("agent" if "tools" in fields else "", "", programming.of(_end(fields)), max(weight, 1))
    said = _said(wire, fields)
    words = _ends(said.user or said.system, MOST_SAID)
    code = programming.of(words)
    task = _task(said, words, fields, coded=bool(code))
    return Labels(task, language.of(words), code or _worked_in(said), max(weight, 1))


def _said(wire: str, fields: Fields) -> History:
    if wire == pairs.COMPLETIONS:
        return History(user=text(fields, "prompt") or "")
    return history.read(wire, fields)


def _task(said: History, words: str, fields: Fields, *, coded: bool) -> str:
    """One of ``routing.task.TASKS``; whoever gives a model tools has it act for him."""
    if said.tools or said.results:
        return "agent"
    if not words:
        return ""
    found = scores(normalise(words))
    if coded:
        found["code"] += CODED
    form = fields.get("response_format") or fields.get("text") or fields.get("output_format")
    if form is not None and _SCHEMA in bytes(form):
        found["extraction"] += STRUCTURED
    return best(found)[0]


def _worked_in(said: History) -> str:
    """The programming language of what tools were given and answered last; empty where there were none."""
    pieces = []
    for one in said.results[-RESULTS:]:
        pieces += [_ends(one.arguments, MOST_OF_RESULT), _ends(one.text, MOST_OF_RESULT)]
    return programming.of("\n".join(pieces))


def _end(fields: Fields) -> str:
    """The last of what was said, by whomever, as good as it can be read where it is cut."""
    said = next(bytes(memoryview(fields[name])[-MOST_SAID:]) for name in _SPOKEN if name in fields)
    return said.decode("utf-8", "replace").replace("\\n", "\n").replace('\\"', '"')


def _ends(words: str, most: int) -> str:
    if len(words) <= most:
        return words
    return f"{words[: most * 2 // 3]}\n{words[-(most // 3) :]}"
