"""Uploads however they are cut and ordered: whole in the store, or refused with nothing left there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fresh_store import fresh_store
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenworks.api.uploads import Upload, boundary_of
from tokenworks.errors import BadRequest
from tokenworks.ledger.batched import CHUNK, FileRow
from tokenworks.ledger.store import Store

DAY_US = 86_400_000_000


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    made = fresh_store(f"sqlite:///{Path(tmp_path_factory.mktemp('uploads')) / 'tokenworks.db'}")
    yield made
    made.close()


def field(name: str, value: bytes, filename: str | None = None) -> bytes:
    more = "" if filename is None else f'; filename="{filename}"'
    head = f'--b\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'
    return head.encode() + value + b"\r\n"


END = b"--b--\r\n"
PURPOSE = field("purpose", b"batch")
FILE = field("file", b"one\ntwo\n", "in.jsonl")
HOUR = field("expires_after[anchor]", b"created_at") + field("expires_after[seconds]", b"3600")


def upload(store: Store, *pieces: bytes) -> FileRow:
    made = Upload(store, "k", b"b")
    try:
        for piece in pieces:
            made.feed(piece)
        return made.finish()
    except BaseException:
        made.abandon()
        raise


def held(store: Store, row: FileRow) -> bytes:
    return b"".join(store.read_file(row.id))


@pytest.mark.parametrize(
    ("body", "purpose", "kept_us"),
    [
        (PURPOSE + FILE, "batch", 30 * DAY_US),
        (FILE + PURPOSE, "batch", 30 * DAY_US),
        (field("purpose", b"user_data") + FILE, "user_data", None),
        (FILE + field("purpose", b"user_data"), "user_data", None),
        (PURPOSE + HOUR + FILE, "batch", 3_600_000_000),
        (FILE + HOUR + PURPOSE, "batch", 3_600_000_000),
        (field("other", b"x" * 5000) + PURPOSE + FILE, "batch", 30 * DAY_US),
    ],
)
def test_fields_in_any_order(store: Store, body: bytes, purpose: str, kept_us: int | None) -> None:
    before = len(store.files("k", limit=1000))
    row = upload(store, body + END)
    assert (row.name, row.purpose, row.bytes, row.done) == ("in.jsonl", purpose, 8, True)
    assert (row.expires_us and row.expires_us - row.created_us) == kept_us
    assert held(store, row) == b"one\ntwo\n"
    assert len(store.files("k", limit=1000)) == before + 1


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 400), max_size=8))
def test_any_cut_gives_the_same_file(store: Store, cuts: list[int]) -> None:
    data = b"--b\r\n\r\n--\n--b" + bytes(range(256))
    body = PURPOSE + field("file", data, "a.bin") + END
    edges = [0, *sorted(cuts), len(body)]
    row = upload(store, *(body[a:b] for a, b in zip(edges, edges[1:], strict=False)))  # noqa: RUF007
    assert held(store, row) == data


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_sizes_around_those_of_chunks(store: Store, size: int) -> None:
    data = bytes(size)
    row = upload(store, PURPOSE + field("file", data, "z") + END)
    assert row.bytes == size and held(store, row) == data
    assert all(len(chunk) <= CHUNK for chunk in store.read_file(row.id))


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "ends before its last boundary"),
        (PURPOSE + FILE, "ends before its last boundary"),
        (PURPOSE + FILE[:-9], "ends before its last boundary"),
        (b"nonsense" + END, "malformed multipart"),
        (b"\xff" * 3000, "malformed multipart"),
        (PURPOSE + END, "no file; send it in the field file"),
        (FILE + END, "purpose is missing; send one of batch, user_data"),
        (field("purpose", b"fine-tune") + FILE + END, "purpose 'fine-tune' is not known"),
        (field("purpose", b"\xff<b>") + FILE + END, "is not known"),
        (FILE + field("purpose", b"vision") + END, "purpose 'vision' is not known"),
        (PURPOSE + FILE + FILE + END, "more than one file"),
        (field("purpose", b"x" * 2000), "the field purpose is longer"),
        (b"".join(field(f"f{n}", b"") for n in range(40)) + END, "more than 32 fields"),
        (PURPOSE + FILE + field("expires_after[seconds]", b"3600") + END, "anchor must be created_at"),
        (PURPOSE + HOUR.replace(b"3600", b"60") + FILE + END, "3600 to 2592000"),
        (PURPOSE + HOUR.replace(b"3600", b"\xc2\xb2" * 4) + FILE + END, "whole number"),
        (PURPOSE + HOUR.replace(b"3600", b"9" * 40) + FILE + END, "whole number"),
    ],
)
def test_what_is_refused_leaves_nothing(store: Store, body: bytes, told: str) -> None:
    before = [row.id for row in store.files(limit=1000)]
    begun: list[str] = []
    add_file = store.add_file
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(store, "add_file", lambda row: (begun.append(row.id), add_file(row)))
        with pytest.raises(BadRequest, match=told):
            upload(store, body)
    assert [row.id for row in store.files(limit=1000)] == before
    assert all(store.file(file_id) is None for file_id in begun)


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "application/json",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/mixed; boundary=b",
    ],
)
def test_bodies_of_another_kind(kind: str) -> None:
    with pytest.raises(BadRequest, match="curl -F purpose=batch"):
        boundary_of(kind)
    assert boundary_of('multipart/form-data; boundary="a b"') == b"a b"
