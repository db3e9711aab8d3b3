"""The model file: a CRFsuite model, and the names of the features it has.

``size of the packed names (4 bytes, big end first) · names, one a line, zlib · CRFsuite's own file``. With the names at
hand nothing is asked of the model that it does not know, which halves the work.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

__all__ = ["pack", "unpack"]

_SIZE = 4


def pack(crf: bytes, features: Iterable[str]) -> bytes:
    """The file; equal arguments give equal bytes."""
    names = zlib.compress(b"\n".join(sorted(feature.encode() for feature in features)), 9)
    return len(names).to_bytes(_SIZE, "big") + names + crf


def unpack(data: bytes) -> tuple[bytes, frozenset[bytes]]:
    """CRFsuite's file and the names of the features.

    Raises:
        ValueError, zlib.error: the file is damaged.
    """
    end = _SIZE + int.from_bytes(data[:_SIZE], "big")
    if len(data) <= end:
        raise ValueError("the model file is cut short")
    return data[end:], frozenset(zlib.decompress(data[_SIZE:end]).split(b"\n"))
