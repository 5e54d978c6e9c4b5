"""Which settings of an engine do not go together, each being fine alone."""

from __future__ import annotations

from collections.abc import Iterable

from tokenworks.config.settings import EngineSettings

# Tokens computed in one step, of all slots together. A running answer waits while a piece of another's
# prompt is read, and only between two steps is it noticed that a caller has gone. On few cores 128 tokens
# take a second or less, and larger steps read a prompt hardly faster (docs/engines.md).
STEP_TOKENS = 128
MOST_DRAFTED = 48


def conflict(engine: EngineSettings) -> tuple[str, str] | None:
    """The key that is at fault, and a complaint that continues a sentence beginning with it; None: all well.

    The complaint ends in what to write instead.
    """
    if engine.runs_elsewhere:
        return None if engine.url else ("url", 'is missing; add url = "http://..."')
    if not engine.path:
        return "path", 'is missing; add path = "..."'
    if engine.kv_cache_type != "f16" and engine.flash_attention == "off":
        return (
            "flash_attention",
            f'must not be "off" with kv_cache_type "{engine.kv_cache_type}": only flash attention reads a '
            'quantised cache; write "auto", or kv_cache_type = "f16"',
        )
    if engine.batch_slots > engine.slots:
        return (
            "batch_slots",
            f"must not be more than slots, which is {engine.slots}; 0 leaves one for callers who wait",
        )
    if engine.cache_reuse_tokens and not engine.prompt_cache:
        return (
            "cache_reuse_tokens",
            "needs prompt_cache = true; write cache_reuse_tokens = 0 to reuse nothing",
        )
    return _draft_conflict(engine) if engine.speculation != "off" else None


def _draft_conflict(engine: EngineSettings) -> tuple[str, str] | None:
    """Drafts of all slots are checked in one step; more than fit end the library's process."""
    most = _most_drafted(engine.slots)
    if most < 1:
        return "speculation", f'must be "off" with more than {STEP_TOKENS // 2} slots'
    if engine.draft_tokens > most:
        return "draft_tokens", f"must be {most} at most with {engine.slots} slots; 0 takes what fits"
    return None


def draft_tokens(engine: EngineSettings) -> int:
    """Tokens of one draft: as set, else as many as are of use and fit."""
    return engine.draft_tokens or min(MOST_DRAFTED, _most_drafted(engine.slots))


def _most_drafted(slots: int) -> int:
    return STEP_TOKENS // slots - 1  # each slot's step has the token before its draft, too


def batch_slots(engine: EngineSettings) -> int:
    """Slots that requests of batches may hold together: as set, else all but one, at least one."""
    return engine.batch_slots or max(1, engine.slots - 1)


# Keys that only one of the runtimes has a use for.
_OF_SERVERS = ("url", "served_as", "kind", "api_key", "api_key_env")
_OF_BOTH = ("model", "runtime", "aliases", "context_length", "watch_s")


def misplaced(given: Iterable[str], runtime: str) -> tuple[str, str] | None:
    """Of the keys ``given`` for an engine one that its runtime has no use for, with a complaint as
    ``conflict`` has it.
    """
    for key in given:
        if runtime == "llama_cpp" and key in _OF_SERVERS:
            return key, 'is for a server that runs already; add runtime = "openai_server" or leave it out'
        if runtime != "llama_cpp" and key not in (*_OF_SERVERS, *_OF_BOTH):
            return key, f'is up to the server itself with runtime = "{runtime}"; leave it out'
    return None
