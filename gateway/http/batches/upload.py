"""Reads `multipart/form-data` as it arrives: small fields are kept, the file's bytes are passed on and never held.

Everything that the sender chooses is bounded: parts, headers, fields, and by its caller the whole body.
"""

from __future__ import annotations

from email.message import Message
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from gateway.http.refusals import MediaTypeError
from router_core.errors import RequestError, TooLargeError

_PARTS: Final = 16
_FIELD_BYTES: Final = 1024
_HEADERS: Final = 8
_HEADER_BYTES: Final = 1024
_NAME_CHARS: Final = 255


class Upload:
    """One body. `fields` are the texts beside the file, `filename` is known once the file has begun."""

    def __init__(self, content_type: bytes | None) -> None:
        self.fields: dict[str, str] = {}
        self.filename: str | None = None
        self.ended = False
        self._headers: dict[str, str] = {}
        self._header, self._value = b"", b""
        self._name: str | None = None
        self._text = b""
        self._in_file = False
        self._parts = 0
        self._pieces: list[bytes] = []
        self._parser = MultipartParser(
            _boundary(content_type),
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_name,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_end,
                "on_part_data": self._data,
                "on_part_end": self._end,
                "on_end": self._all,
            },
            max_header_count=_HEADERS,
            max_header_size=_HEADER_BYTES,
        )

    def feed(self, piece: bytes) -> list[bytes]:
        """What of the file's bytes is in this piece of the body. Raises RequestError or TooLargeError."""
        self._pieces = []
        try:
            self._parser.write(piece)
        except FormParserError:
            raise RequestError("the body is not well-formed multipart/form-data") from None
        return self._pieces

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > _PARTS:
            raise TooLargeError(f"the form has more than {_PARTS} parts")
        self._headers, self._text, self._name, self._in_file = {}, b"", None, False

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._header.decode("latin-1").lower()] = self._value.decode("utf-8", "replace")
        self._header, self._value = b"", b""

    def _headers_end(self) -> None:
        said = Message()
        said["content-disposition"] = self._headers.get("content-disposition", "")
        name, filename = said.get_param("name", header="content-disposition"), said.get_filename()
        if not isinstance(name, str) or not name:
            raise RequestError("a part of the form has no name")
        self._name = name
        self._in_file = name == "file"
        if self._in_file:
            if self.filename is not None:
                raise RequestError("the form holds two files", field="file")
            self.filename = _safe(filename or "file.jsonl")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._pieces.append(data[start:end])
            return
        self._text += data[start:end]
        if len(self._text) > _FIELD_BYTES:
            raise TooLargeError("a field of the form is too long")

    def _end(self) -> None:
        if self._in_file or self._name is None:
            return
        if self._name in self.fields:
            raise RequestError(f"`{_safe(self._name)}` is given twice")
        self.fields[self._name] = self._text.decode("utf-8", "replace")

    def _all(self) -> None:
        self.ended = True


def _boundary(content_type: bytes | None) -> bytes:
    said = Message()
    said["content-type"] = (content_type or b"").decode("latin-1")
    boundary = said.get_param("boundary")
    if said.get_content_type() != "multipart/form-data" or not isinstance(boundary, str):
        raise MediaTypeError("send the file as `multipart/form-data`")
    if not 0 < len(boundary) <= 70 or not boundary.isascii():
        raise MediaTypeError("the form's boundary has 1 to 70 characters")
    return boundary.encode()


def _safe(name: str) -> str:
    """A name that can be shown: the last part of a path, printable, not too long."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(c if c.isprintable() else "?" for c in last)[:_NAME_CHARS] or "file"
