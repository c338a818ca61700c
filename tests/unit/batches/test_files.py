"""Files as they arrive: bounded whatever the sender does, cut into lines however they are cut, and gone when refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.batches.parts import BatchLimits
from gateway.batches.reading import LineCutter, LineReader, PieceWriter, Place, UploadCheck
from gateway.http.batches.upload import Upload
from gateway.jobs.store import JobStore
from router_core.errors import RequestError, TooLargeError
from router_core.jobs.batches import CHUNK_BYTES, StoredFile
from tests.unit.batches.house import batch_house, form, jsonl, line, upload
from tests.unit.gateway.asgi import call

FILE = StoredFile(id="file-1", tenant="acme", purpose="batch", filename="f", created_s=0.0)


class Content:
    """FileContent in a dictionary."""

    def __init__(self) -> None:
        self.pieces: dict[int, bytes] = {}

    async def write(self, file: StoredFile, number: int, piece: bytes) -> None:
        self.pieces[number] = piece

    async def finish(self, file: StoredFile) -> None:
        return None

    async def read(self, file: StoredFile, number: int) -> bytes | None:
        return self.pieces.get(number)


async def test_a_file_is_read_line_by_line_from_any_place_however_it_lies_in_pieces() -> None:
    lines = [b"%d" % n + b"x" * (n % 1000) for n in range(2_000)]
    lines[5] = b""
    lines[7] = b"with\ra return"
    content = Content()
    writer = PieceWriter(content, FILE)
    text = b"\n".join(lines)
    for start in range(0, len(text), 70_001):
        await writer.add(text[start : start + 70_001])
    await writer.end()
    assert {len(piece) for piece in list(content.pieces.values())[:-1]} == {CHUNK_BYTES}
    reader, found, places = LineReader(content, FILE, 2_000), [], [Place()]
    while (one := await reader.next()) is not None:
        found.append(one)
        places.append(reader.place)
    assert found == [(n + 1, text.strip()) for n, text in enumerate(lines) if text]
    for number in (0, 1, 700, 1_998):
        again = LineReader(content, FILE, 2_000, places[number])
        assert await again.next() == found[number]


@given(st.lists(st.binary(max_size=12), max_size=12))
@settings(max_examples=200, deadline=None)
def test_lines_do_not_depend_on_how_bytes_come(pieces: list[bytes]) -> None:
    cutter, whole = LineCutter(200), b"".join(pieces)
    cut = [one for piece in pieces for one in cutter.feed(piece)]
    assert b"".join([*cut, cutter.end()]) == whole
    assert all(one.count(b"\n") == 1 and one.endswith(b"\n") for one in cut)


def test_a_line_without_an_end_is_refused_before_it_is_whole() -> None:
    check = UploadCheck(max_line_bytes=1_000, max_lines=3)
    with pytest.raises(TooLargeError, match="longer than 1000 bytes"):
        for _ in range(3):
            check.feed(b"x" * 600)
    check = UploadCheck(max_line_bytes=1_000, max_lines=3)
    with pytest.raises(TooLargeError, match="more than 3 lines"):
        check.feed(b"1\n" * 4)
    with pytest.raises(TooLargeError, match="deeper"):
        UploadCheck(max_line_bytes=1_000, max_lines=3).feed(b"[" * 100 + b"\n")
    with pytest.raises(RequestError, match="no line"):
        UploadCheck(max_line_bytes=1_000, max_lines=3).end()


@given(st.lists(st.integers(1, 60), min_size=1, max_size=20))
@settings(max_examples=100, deadline=None)
def test_a_form_is_read_however_it_is_cut(sizes: list[int]) -> None:
    content = b'{"a": 1}\r\n--b-not-the-boundary\r\n' * 3
    body, headers = form(content, purpose="batch")
    parser, at, found = Upload(headers["content-type"].encode()), 0, []
    while at < len(body):
        size = sizes[at % len(sizes)]
        found += parser.feed(body[at : at + size])
        at += size
    assert b"".join(found) == content
    assert (parser.fields, parser.filename, parser.ended) == ({"purpose": "batch"}, "in.jsonl", True)


def part(head: str, content: bytes = b"x") -> bytes:
    return b"--b\r\n" + head.encode() + b"\r\n\r\n" + content + b"\r\n"


FIELD = 'content-disposition: form-data; name="a%d"'


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"no form at all", 400),
        (b"".join(part(FIELD % n) for n in range(20)) + b"--b--\r\n", 413),
        (part(FIELD % 1, b"x" * 5_000) + b"--b--\r\n", 413),
        (part('content-disposition: form-data; name="a"\r\nx-long: ' + "y" * 5_000) + b"--b--\r\n", 400),
        (part("content-disposition: form-data") + b"--b--\r\n", 400),
        (part(FIELD % 1) + part(FIELD % 1) + b"--b--\r\n", 400),
        (part('content-disposition: form-data; name="purpose"', b"batch") + b"--b--\r\n", 400),
        (form(b"{}\n", purpose="batch")[0][:-4], 400),
        (form(b"{}\n", purpose="assistants")[0], 400),
        (form(b"\n \n", purpose="batch")[0], 400),
        (form(b"{}\n" * 9, purpose="batch")[0], 413),
        (form(b"x" * 3_000, purpose="batch")[0], 413),
    ],
)
async def test_a_form_that_is_wrong_or_too_large_leaves_nothing_behind(
    store: JobStore, body: bytes, status: int
) -> None:
    limits = BatchLimits(lines=8, line_bytes=2_000)
    headers = {"content-type": "multipart/form-data; boundary=b", "content-length": str(len(body))}
    async with batch_house(store, limits=limits) as app:
        reply = await call(app, "POST", "/v1/files", body, headers=headers)
        assert reply.status == status, reply.body
        assert "error" in reply.json
    batches = (await store.opened()).batches
    assert batches is not None
    assert await batches.room.used("acme") == (0, 0)


async def test_a_body_above_the_limit_is_refused_by_what_it_announces(store: JobStore) -> None:
    async with batch_house(store, limits=BatchLimits(file_bytes=1_000)) as app:
        reply = await upload(app, b"{}\n" * 40_000)
        assert reply.status == 413
        wrong = await call(app, "POST", "/v1/files", {"no": "form"})
        assert wrong.status == 415


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "7200"}, 200),
        ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "1"}, 400),
        ({"expires_after[anchor]": "birth", "expires_after[seconds]": "7200"}, 400),
    ],
)
async def test_a_file_may_say_when_it_wants_to_be_gone(
    store: JobStore, fields: dict[str, Any], status: int
) -> None:
    async with batch_house(store) as app:
        reply = await upload(app, jsonl([line(1)]), **fields)
    assert reply.status == status
    if status == 200:
        assert reply.json["expires_at"] - reply.json["created_at"] == 7200


async def test_names_of_files_cannot_leave_their_place_nor_start_a_header(store: JobStore) -> None:
    body, headers = form(jsonl([line(1)]), purpose="batch")
    body = body.replace(b'filename="in.jsonl"', b'filename="../../etc/x\\"y"')
    headers["content-length"] = str(len(body))
    async with batch_house(store) as app:
        reply = await call(app, "POST", "/v1/files", body, headers=headers)
        assert "/" not in reply.json["filename"]
        content = await call(app, "GET", f"/v1/files/{reply.json['id']}/content")
    assert json.loads(content.body)["custom_id"] == "r-1"
    assert content.headers["x-content-type-options"] == "nosniff"
