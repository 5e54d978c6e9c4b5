"""Plays one answer on one connection: the pace, the faults, and what the record says about it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from http import HTTPStatus
from typing import Protocol

from tokenworks.providers.scripted.answer import Answer, garbage
from tokenworks.providers.scripted.book import Book, Received
from tokenworks.providers.scripted.fault import BEFORE_ANSWER, CUTS, Fault, cut
from tokenworks.providers.scripted.frame import Frame

NO_SIZE = b"zz\r\nno chunk has this size\r\n"
HOLD_BACK_ABOVE = 64 * 1024  # of a last piece, one byte waits until the rest has left
NOT_WHOLE = CUTS | {"no_terminator"}
_REASONS = {status.value: status.phrase for status in HTTPStatus}


class Link(Protocol):
    """The connection as the player sees it."""

    keep_alive: bool

    def write(self, data: bytes) -> None:
        """Hands ``data`` to the network."""

    async def drained(self) -> None:
        """Waits while the client reads too slowly; lets others run in any case."""

    def end(self, *, reset: bool = False) -> None:
        """Closes once everything is written, or at once with RST."""


def head(answer: Answer, keep_alive: bool) -> bytes:
    """Status line and headers."""
    reason = _REASONS.get(answer.status, "Scripted")
    lines = [f"HTTP/1.1 {answer.status} {reason}", f"content-type: {answer.content_type}"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    if answer.reply.framing == "close":
        keep_alive = False
    elif chunked(answer):
        lines.append("transfer-encoding: chunked")
    else:
        lines.append(f"content-length: {answer.length}")
    lines.append("connection: keep-alive\r\n\r\n" if keep_alive else "connection: close\r\n\r\n")
    return "\r\n".join(lines).encode("latin-1", "replace")


def chunked(answer: Answer) -> bool:
    """Whether the body goes out in chunked coding."""
    if answer.reply.framing == "close":
        return False
    return answer.length is None or answer.reply.framing == "chunked"


def play_at_once(link: Link, answer: Answer, record: Received, book: Book) -> bool:
    """Writes an instant answer; False when it is too long for that and has to be played."""
    (frame,) = answer.frames
    if len(frame.data) > HOLD_BACK_ABOVE:
        answer.frames = iter((frame,))
        return False
    _count(record, answer, frame)
    book.end(record, complete=not frame.partial)
    link.write(head(answer, link.keep_alive) + frame.data)
    return True


async def play(link: Link, answer: Answer, record: Received, book: Book) -> None:
    """Sends ``answer``; cancelled when the client leaves. Returns when nothing more is to be sent."""
    fault, reply = answer.fault, answer.reply
    await _pause(reply.first_byte_delay_s, answer)
    if fault is not None and fault.kind in BEFORE_ANSWER:
        if fault.kind == "hang":
            await _forever()
        await asyncio.sleep(fault.delay_s)
        book.end(record, complete=False)
        link.end(reset=fault.reset)
        return
    out = _Out(link, answer, record, book)
    link.write(head(answer, link.keep_alive))
    if reply.comment and answer.streamed:
        await out.send(f": {reply.comment}\n\n".encode())
    await _pause(reply.first_chunk_delay_s, answer)
    if fault is not None and fault.kind in CUTS and not answer.cut:
        await _frames(out, cut(fault, answer.frames, answer.streamed), whole=False)
        await _behind_the_cut(out, fault)
        return
    frames = answer.frames
    if fault is not None and fault.kind == "no_terminator":
        frames = (frame for frame in frames if not frame.last)
    await _frames(out, frames, whole=True)
    if fault is not None and fault.kind == "close_after":
        await asyncio.sleep(fault.delay_s)
        link.end(reset=fault.reset)


async def _behind_the_cut(out: _Out, fault: Fault) -> None:
    answer = out.answer
    if fault.kind == "hang_mid":
        await _forever()
    if fault.kind in ("early_close", "bad_chunk"):
        out.book.end(out.record, complete=False)
        if fault.kind == "bad_chunk":
            out.link.write(NO_SIZE)
        out.link.end(reset=fault.reset)
        return
    behind: Iterator[Frame] = iter(())
    if fault.kind == "garbage":
        behind = iter((garbage(answer.dice),))
    elif fault.kind == "error_event" and answer.error_frames is not None:
        behind = answer.error_frames(fault, out.record.chunks_sent)
    await _frames(out, behind, whole=True)


async def _frames(out: _Out, frames: Iterator[Frame], *, whole: bool) -> None:
    """Sends frames at the reply's pace. With ``whole`` the last one ends the answer."""
    delay = out.answer.reply.chunk_delay_s
    frame = next(frames, None)
    while frame is not None:
        following = next(frames, None)
        if following is None and whole:
            break
        await out.frame(frame)
        await _pause(delay, out.answer)
        frame = following
    if whole:
        await out.last(frame)


async def _pause(seconds: float, answer: Answer) -> None:
    if seconds:
        await asyncio.sleep(seconds + answer.dice.uniform(0, answer.reply.jitter_s))


async def _forever() -> None:
    await asyncio.Event().wait()


def _count(record: Received, answer: Answer, frame: Frame) -> None:
    """Enters a frame before it is written: who reads it finds it counted."""
    record.status = answer.status
    if record.first_byte_at is None:
        record.first_byte_at = time.time()
    record.bytes_sent += len(frame.data)
    record.chunks_sent += answer.streamed and not frame.partial
    if frame.usage is not None:
        record.usage = frame.usage


class _Out:
    """The way out: chunk framing, dripping and counting."""

    def __init__(self, link: Link, answer: Answer, record: Received, book: Book) -> None:
        self.link, self.answer, self.record, self.book = link, answer, record, book
        self.chunked = chunked(answer)
        record.status = answer.status

    async def send(self, data: bytes) -> None:
        """One piece of the body."""
        await self._write(self._framed(data))

    async def frame(self, frame: Frame) -> None:
        """A frame that others follow."""
        _count(self.record, self.answer, frame)
        await self.send(frame.data)

    async def last(self, frame: Frame | None) -> None:
        """The end of the answer, with its last frame; settles the record first."""
        data = b""
        if frame is not None:
            _count(self.record, self.answer, frame)
            data = self._framed(frame.data)
        if self.chunked:
            data += b"0\r\n\r\n"
        fault = self.answer.fault
        if len(data) > HOLD_BACK_ABOVE or (fault is not None and fault.kind == "drip"):
            await self._write(data[:-1])
            data = data[-1:]
        complete = fault is None or fault.kind not in NOT_WHOLE
        self.book.end(self.record, complete=complete)
        self.link.write(data)
        if self.answer.reply.framing == "close":
            self.link.end()

    def _framed(self, data: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(data), data) if self.chunked and data else data

    async def _write(self, data: bytes) -> None:
        fault = self.answer.fault
        if fault is None or fault.kind != "drip":
            self.link.write(data)
            await self.link.drained()
            return
        for start in range(0, len(data), fault.step_bytes):
            self.link.write(data[start : start + fault.step_bytes])
            await self.link.drained()
            await asyncio.sleep(fault.step_delay_s)
