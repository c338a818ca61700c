"""Keeps the last good bundle, in memory and on disk, and says whether it may still be obeyed.

What is badly signed, unreadable or older than what is there changes nothing. An expired bundle is not forgotten: its
policy and its device targets still say what this device may do by itself.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from edge_runtime.protocol.bundle import Bundle, BundleError, read_bundle
from edge_runtime.protocol.envelope import BUNDLE_TYPE, MAX_ENVELOPE_BYTES, SignatureError, Trust
from edge_runtime.sdk.answers import Trusting

FILE: Final = "bundle.dsse.json"


class BundleKeeper:
    """`folder` is where the bundle survives a restart; None keeps it in memory. `refused` counts bundles not taken."""

    def __init__(self, trust: Trust, folder: Path | None, now_s: Callable[[], float] = time.time) -> None:
        self._trust, self._now_s = trust, now_s
        self._file = None if folder is None else folder / FILE
        self.bundle: Bundle | None = None
        self.refused = 0
        self._load()

    @property
    def standing(self) -> Trusting:
        """A clock that was set back does not give an expired bundle its time again before the moment of its issue."""
        if self.bundle is None:
            return "none"
        now = self._now_s()
        valid = self.bundle.issued_s - _SKEW_S <= now < self.bundle.expires_s
        return "signed" if valid else "expired"

    def offer(self, envelope: bytes) -> bool:
        """Take a bundle from the network; True when it is the one obeyed from now on."""
        try:
            bundle = read_bundle(self._trust.open(envelope, BUNDLE_TYPE))
        except (SignatureError, BundleError):
            self.refused += 1
            return False
        if bundle.expires_s <= self._now_s() or (self.bundle and bundle.serial < self.bundle.serial):
            self.refused += 1
            return False
        self.bundle = bundle
        self._save(envelope)
        return True

    def _load(self) -> None:
        if self._file is None:
            return
        try:
            with self._file.open("rb") as stream:
                envelope = stream.read(MAX_ENVELOPE_BYTES + 1)
            self.bundle = read_bundle(self._trust.open(envelope, BUNDLE_TYPE))
        except (OSError, SignatureError, BundleError):
            # A file that was touched, or signed by a key that is trusted no more, is as good as none.
            self.bundle = None

    def _save(self, envelope: bytes) -> None:
        """A full disk must not stop the device from obeying what it was told."""
        if self._file is None:
            return
        fresh = self._file.with_suffix(f".{os.getpid()}.new")
        with contextlib.suppress(OSError):
            fresh.write_bytes(envelope)
            os.replace(fresh, self._file)


_SKEW_S: Final = 300.0
"""How far the device's clock may be behind the gateway's."""
