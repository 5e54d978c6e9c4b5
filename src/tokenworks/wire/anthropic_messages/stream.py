"""Streams of messages: ``Reader`` for a provider's, ``Writer`` for a caller's."""

from __future__ import annotations

from tokenworks.wire.anthropic_messages.stream_reader import Reader
from tokenworks.wire.anthropic_messages.stream_writer import Writer

__all__ = ["Reader", "Writer"]
