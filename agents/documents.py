"""Images of documents inside a request: which there are, and the same request with their text in their place.

All images or none: a request that keeps one still needs a target that sees, and then the text would only be paid twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from router_core.inference import InferenceRequest

_DATA: Final = re.compile(r"data:image/(?:png|jpe?g|tiff);base64,", re.IGNORECASE)


def images_of(request: InferenceRequest) -> tuple[str, ...]:
    """The images in base64, in order; none where one of them is of a kind that is not read."""
    urls = [part["image_url"].get("url", "") for part in _parts(request) if part.get("type") == "image_url"]
    heads = [_DATA.match(url) for url in urls]
    if not all(heads):
        return ()
    return tuple(url[head.end() :] for url, head in zip(urls, heads, strict=True) if head is not None)


def with_texts(request: InferenceRequest, texts: tuple[str, ...]) -> InferenceRequest:
    """The request with a text part in the place of each image."""
    rest = iter(texts)

    def part(given: Any) -> Any:
        return {"type": "text", "text": next(rest)} if given.get("type") == "image_url" else given

    messages = tuple(
        {**message, "content": [part(given) for given in message["content"]]}
        if isinstance(message.get("content"), list | tuple)
        else message
        for message in request.messages
    )
    return replace(request, messages=messages)


def _parts(request: InferenceRequest) -> Iterator[Any]:
    for message in request.messages:
        content = message.get("content")
        if isinstance(content, list | tuple):
            yield from content
