"""A zip whose bytes depend on its members alone: one order, one time, one compression, no names of machines or people."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

from toolguard.errors import EvidenceError

__all__ = ["LARGEST", "zip_bytes"]

LARGEST = 25 * 1000 * 1000
"""Bytes of a member at most: what mail and ticket systems take."""
_WHEN = (1980, 1, 1, 0, 0, 0)


def zip_bytes(members: Mapping[str, bytes]) -> bytes:
    """The zip of ``members``, by name.

    Raises:
        EvidenceError: a member is larger than `LARGEST`.
    """
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as pack:
        for name in sorted(members):
            if len(members[name]) > LARGEST:
                raise EvidenceError(f"member {name!r} is larger than {LARGEST} bytes; export a shorter period")
            info = zipfile.ZipInfo(name, _WHEN)
            info.create_system = 3
            info.external_attr = 0o100644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            pack.writestr(info, members[name], compresslevel=6)
    return out.getvalue()
