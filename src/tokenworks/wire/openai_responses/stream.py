"""Streams of responses: ``Reader`` for a provider's, ``Writer`` for a caller's."""

from __future__ import annotations

from tokenworks.wire.openai_responses.stream_reader import Reader
from tokenworks.wire.openai_responses.stream_writer import Writer

__all__ = ["Reader", "Writer"]
