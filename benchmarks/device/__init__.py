"""What the device tier costs and understands: its client, and the model that it ships."""

from benchmarks.device.client import measure

__all__ = ["measure"]
