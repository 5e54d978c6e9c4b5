"""Sessions as files describe them, and the state in which an earlier job left one."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from tokenworks.batches.recipes.recipe import Memory
from tokenworks.errors import BadRequest

STATE, VERSION = "tokenworks-dialogue", 1
ENDING = ".state.json"
MOST_ROUNDS = 100_000
ROUNDS = 20  # of a session whose user is played, where no number is given
_ID = re.compile(r"\w[\w.-]{0,63}")
_TEXTS = ("session", "system", "persona", "simulator", "opening", "turns_file")
_LISTS = ("facts", "turns", "forbidden")
_KEYS = (*_TEXTS, *_LISTS, "rounds")


class Session(msgspec.Struct):
    """One conversation. ``turns`` are the user's; without any the model plays ``simulator`` as well."""

    id: str
    system: str = ""
    facts: list[str] = []
    forbidden: list[str] = []  # phrases that no answer may hold
    turns: list[str] = []
    simulator: str = ""
    opening: str = ""
    rounds: int = 0  # to talk now
    start: Memory = {}  # what an earlier job left


class State(msgspec.Struct):
    """A session between two jobs, as ``SESSION.state.json``."""

    kind: str
    version: int
    session: str
    system: str
    facts: list[str]
    forbidden: list[str]
    simulator: str
    memory: Memory


def sessions(file: Path) -> list[dict[str, Any]]:
    """What ``file`` (TOML or JSON) says of each session in it: one, or several under ``sessions``.

    What stands beside ``sessions`` holds for each of them. Raises ``BadRequest``, one line.
    """
    try:
        raw = file.read_bytes()
        told = tomllib.loads(raw.decode("utf-8-sig")) if file.suffix.lower() == ".toml" else _json(raw)
    except OSError as error:
        raise BadRequest(f"it can't be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"it can't be read: {str(error)[:200]}") from error
    if not isinstance(told, dict):
        raise BadRequest("it must hold one table (an object) with system, facts and turns")
    each = told.pop("sessions", [{}])
    if not isinstance(each, list) or not each or not all(isinstance(one, dict) for one in each):
        raise BadRequest("“sessions” must be a list of tables")
    alone = len(each) == 1
    found = [{**told, **one} for one in each]
    for at, one in enumerate(found, 1):
        one.setdefault("session", file.stem if alone else f"{file.stem}-{at}")
    return found


def _json(raw: bytes) -> Any:
    return msgspec.json.decode(raw.removeprefix(b"\xef\xbb\xbf"))


def session(told: Mapping[str, Any], file: Path, rounds: int, resume: str) -> Session:
    """The session that ``told`` describes, going on from its state in ``resume``, if any.

    ``rounds`` 0: as it says itself. What it leaves out is as the state has it. Raises ``BadRequest``.
    """
    _judge(told)
    kept = state(resume, told["session"]) or State(STATE, VERSION, "", "", [], [], "", {})
    turns = list(told.get("turns", ())) or _turns(told.get("turns_file", ""), file)
    simulator = "" if turns else told.get("simulator", kept.simulator)
    if not turns and not simulator:
        raise BadRequest("give turns (what the user says), turns_file, or simulator (who plays the user)")
    rounds = rounds or told.get("rounds", 0)
    system = "\n\n".join(text for key in ("persona", "system") if (text := told.get(key, "").strip()))
    return Session(
        told["session"],
        system or kept.system,
        told.get("facts", kept.facts),
        told.get("forbidden", kept.forbidden),
        turns[: rounds or None],
        simulator,
        told.get("opening", ""),
        min(rounds or len(turns), len(turns)) if turns else rounds or ROUNDS,
        kept.memory,
    )


def _judge(told: Mapping[str, Any]) -> None:
    for key, value in told.items():
        if key not in _KEYS:
            raise BadRequest(f"“{key}” is not known here; there are: {', '.join(_KEYS)}")
        if key in _TEXTS and not isinstance(value, str):
            raise BadRequest(f"“{key}” must be a text")
        if key in _LISTS and not (isinstance(value, list) and all(isinstance(x, str) for x in value)):
            raise BadRequest(f"“{key}” must be a list of texts")
    rounds = told.get("rounds", 0)
    if not isinstance(rounds, int) or isinstance(rounds, bool) or not 0 <= rounds <= MOST_ROUNDS:
        raise BadRequest(f"“rounds” must be a whole number up to {MOST_ROUNDS:,}")
    if not _ID.fullmatch(told["session"]):
        raise BadRequest(
            f"“session” must be a name of letters, digits, “.”, “_” and “-”: {told['session'][:40]}"
        )
    if len(told.get("turns", ())) > MOST_ROUNDS:
        raise BadRequest(f"more than {MOST_ROUNDS:,} turns")
    if any(not turn.strip() for turn in told.get("turns", ())):
        raise BadRequest("a turn is empty")


def _turns(name: str, file: Path) -> list[str]:
    """The lines of a file beside ``file``; never of another folder, for sessions may come from elsewhere."""
    if not name:
        return []
    folder = file.parent.resolve()
    place = (folder / name).resolve()
    if not place.is_relative_to(folder):
        raise BadRequest(f"turns_file must stand beside {file.name}: {name[:80]}")
    try:
        lines = place.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise BadRequest(f"turns_file {name[:80]} can't be read: {str(error)[:120]}") from error
    found = [line.strip() for line in lines if line.strip()]
    if len(found) > MOST_ROUNDS:
        raise BadRequest(f"more than {MOST_ROUNDS:,} turns")
    return found


def state(place: str, name: str) -> State | None:
    """What ``place`` (a state file, or the folder they are in) keeps of session ``name``; None without.

    Raises ``BadRequest`` where it isn't a state of that session.
    """
    if not place:
        return None
    file = Path(place)
    if file.is_dir():
        file = file / f"{name}{ENDING}"
        if not file.exists():
            return None  # a new session beside those that go on
    try:
        found = msgspec.json.decode(file.read_bytes(), type=State)
        Kept.of(found.memory)
    except OSError as error:
        raise BadRequest(f"resume={file.name} can't be read: {error.strerror or error}") from error
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise BadRequest(f"resume={file.name} is no state of a dialogue: {str(error)[:120]}") from error
    if found.kind != STATE or found.version != VERSION:
        raise BadRequest(f"resume={file.name} is no state of a dialogue that this version knows")
    if found.session != name:
        raise BadRequest(f"resume={file.name} is of session “{found.session}”, not “{name}”")
    return found


class Kept(msgspec.Struct):
    """The memory of a session: all that the next round is asked with, besides what is pinned."""

    round: int = 0  # that was last
    summary: str = ""
    turns: list[tuple[str, str]] = []  # (user, assistant), newest last
    said: str = ""  # by the played user, not answered yet

    @classmethod
    def of(cls, memory: Mapping[str, Any]) -> Kept:
        """Raises ``msgspec.ValidationError`` where it isn't one."""
        return msgspec.convert(memory, cls)

    def memory(self) -> Memory:
        """As JSON."""
        return {
            "round": self.round,
            "summary": self.summary,
            "turns": [list(turn) for turn in self.turns],
            "said": self.said,
        }
