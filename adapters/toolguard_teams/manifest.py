"""The app package that is uploaded to Teams: a manifest and two icons, the same bytes every time."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable

__all__ = ["app_package"]

_SCHEMA = "https://developer.microsoft.com/json-schemas/teams/v1.17/MicrosoftTeams.schema.json"
_BLUE = (31, 78, 121, 255)
_WHITE = (255, 255, 255, 255)
_NONE = (0, 0, 0, 0)
Pixel = tuple[int, int, int, int]


def app_package(*, app_id: str, name: str, host: str, company: str, website: str) -> bytes:
    """A zip with ``manifest.json``, ``color.png`` (192 × 192) and ``outline.png`` (32 × 32, white on nothing).

    ``host`` is the approval service's host name: the only domain the app may open. The app can be told things in a
    chat, a team and a group chat, reads no messages, and asks for no permission.
    """
    manifest = {
        "$schema": _SCHEMA,
        "manifestVersion": "1.17",
        "version": "1.0.0",
        "id": app_id,
        "developer": {
            "name": company[:32],
            "websiteUrl": website,
            "privacyUrl": f"{website.rstrip('/')}/privacy",
            "termsOfUseUrl": f"{website.rstrip('/')}/terms",
        },
        "name": {"short": name[:30], "full": f"{name}: approvals of agents' tool calls"[:100]},
        "description": {
            "short": "Approve or deny what an agent wants to do.",
            "full": "Shows what an agent asks to do, with identifiers masked, and takes the answer of people entitled to give one.",
        },
        "icons": {"color": "color.png", "outline": "outline.png"},
        "accentColor": "#1F4E79",
        "bots": [
            {
                "botId": app_id,
                "scopes": ["personal", "team", "groupChat"],
                "isNotificationOnly": False,
                "supportsFiles": False,
            }
        ],
        "permissions": ["identity"],
        "validDomains": [host],
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as package:
        for file, data in (
            ("manifest.json", json.dumps(manifest, indent=2).encode()),
            ("color.png", _png(192, _shield(192, _WHITE, _BLUE))),
            ("outline.png", _png(32, _shield(32, _WHITE, _NONE))),
        ):
            entry = zipfile.ZipInfo(file, (2020, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            package.writestr(entry, data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _shield(size: int, ink: Pixel, paper: Pixel) -> Callable[[int, int], Pixel]:
    """A shield with a tick: the colour of each pixel."""

    def colour(x: int, y: int) -> Pixel:
        u, v = (x + 0.5) / size, (y + 0.5) / size
        half = 0.30 if v < 0.55 else 0.30 * (1 - ((v - 0.55) / 0.33) ** 2) if v < 0.88 else 0.0
        inside = v > 0.14 and abs(u - 0.5) < half
        tick = abs((v - 0.62) - (u - 0.44)) < 0.045 and 0.34 < u < 0.46
        tick = tick or (abs((v - 0.62) + (u - 0.46) * 1.15) < 0.05 and 0.44 < u < 0.68)
        return ink if inside and not tick else paper

    return colour


def _png(size: int, colour: Callable[[int, int], Pixel]) -> bytes:
    rows = b"".join(b"\x00" + bytes(part for x in range(size) for part in colour(x, y)) for y in range(size))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", size, size, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
