"""The text of document images by Amazon Textract, so that a target that reads text alone can serve them.

Decides what is worth sending: a few images, each within what one synchronous call takes. Lines are joined in the order in
which Textract gives them; tables and forms are read as lines.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Final

from router_core.adapters.aws.client import COMMON_FAULTS, AwsThreads, Faults, store_errors
from router_core.errors import NotTakenError, StoreError

if TYPE_CHECKING:
    from types_boto3_textract import TextractClient

MAX_IMAGES: Final = 4
MAX_IMAGE_BYTES: Final = 5 * 1024 * 1024
MAX_TEXT_CHARS: Final = 100_000
WORKERS: Final = 4
WAITING: Final = 16
FAULTS: Final[Faults] = {
    **COMMON_FAULTS,
    "InvalidParameterException": (NotTakenError, "does not accept such a request"),
    "InvalidS3ObjectException": (StoreError, "does not accept such a request"),
    "UnsupportedDocumentException": (NotTakenError, "does not read this kind of image"),
    "DocumentTooLargeException": (NotTakenError, "does not take so large an image"),
    "BadDocumentException": (NotTakenError, "cannot read this image"),
    "ProvisionedThroughputExceededException": (StoreError, "is throttled"),
}


class TextractReader:
    """`DocumentReader`: the images of one request one after the other, on one thread."""

    def __init__(self, client: TextractClient, *, threads: AwsThreads | None = None) -> None:
        self._client = client
        self._threads = threads or AwsThreads(workers=WORKERS, waiting=WAITING)

    async def texts(self, images: tuple[str, ...]) -> tuple[str, ...]:
        """The text of each image, empty where it has none."""
        if len(images) > MAX_IMAGES or any(len(image) > MAX_IMAGE_BYTES * 4 // 3 + 4 for image in images):
            raise NotTakenError("Textract is not sent so much")
        return await self._threads.run(self._read, images)

    async def close(self) -> None:
        """Wait for calls that run."""
        await self._threads.close()

    def _read(self, images: tuple[str, ...]) -> tuple[str, ...]:
        # All are decoded before any is sent: what is refused has then been shown to nobody.
        return tuple([self._ask(content) for content in [_decoded(image) for image in images]])

    def _ask(self, content: bytes) -> str:
        with store_errors("Textract", FAULTS):
            answer = self._client.detect_document_text(Document={"Bytes": content})
        lines = [
            block.get("Text", "") for block in answer.get("Blocks", ()) if block.get("BlockType") == "LINE"
        ]
        return "\n".join(lines)[:MAX_TEXT_CHARS]


def _decoded(image: str) -> bytes:
    try:
        content = base64.b64decode(image, validate=True)
    except (binascii.Error, ValueError):
        raise NotTakenError("the image is no base64") from None
    if not 0 < len(content) <= MAX_IMAGE_BYTES:
        raise NotTakenError("Textract is not sent so much")
    return content
