"""Reads event stream frames with botocore's own parser, which checks both checksums."""

from __future__ import annotations

import json
from typing import Any

from botocore.eventstream import EventStreamBuffer


def read_frames(data: bytes) -> list[tuple[dict[str, str], dict[str, Any]]]:
    """Headers and decoded payload of each frame. Raises botocore's parser errors."""
    # Its stubs describe iteration wrongly, hence Any.
    buffer: Any = EventStreamBuffer()
    buffer.add_data(data)
    return [(dict(message.headers), json.loads(message.payload)) for message in buffer]
