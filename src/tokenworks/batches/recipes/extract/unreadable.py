"""A file of which nothing can be extracted."""

from __future__ import annotations


class Unreadable(Exception):
    """``str(error)`` says why and what to do, in one line without the file's name."""
