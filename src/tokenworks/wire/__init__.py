"""Protocols as pure functions on bytes and structs. Nothing here does I/O."""
