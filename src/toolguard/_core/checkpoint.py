"""Checkpoints: how far a log had come and what its tree was then, as text that is signed and kept elsewhere.

The formats are those of C2SP: a checkpoint (`tlog-checkpoint`) is the body of a signed note (`signed-note`). The first
line, the origin, says which log of which store it speaks of; a signature's key name is that origin.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

__all__ = ["Checkpoint", "Note", "NoteSignature", "log_of", "log_origin", "note_key_id", "registry_origin"]

_PREFIX = "toolguard/"
_REGISTRY = "registry"
_ED25519 = b"\x01"
_MOST = 1 << 20
"""Characters of a note at most: what comes from outside is bounded."""
_SIGNATURE = "\N{EM DASH} "


def log_origin(epoch: str, log_id: str) -> str:
    """The origin of a log's checkpoints: ``toolguard/<store epoch>/<log id>``."""
    return f"{_PREFIX}{epoch}/{log_id}"


def registry_origin(epoch: str) -> str:
    """The origin of the checkpoints over a store's registry of logs, whose leaves are the logs' first records."""
    return f"{_PREFIX}{epoch}/{_REGISTRY}"


def log_of(origin: str) -> tuple[str, str]:
    """(store epoch, log id) of an origin of ours; the log id of a registry is ``""``.

    Raises:
        ValueError: it is not one of ours.
    """
    epoch, _, log_id = origin.removeprefix(_PREFIX).partition("/")
    if not origin.startswith(_PREFIX) or not epoch or not log_id or "/" in log_id:
        raise ValueError("a checkpoint's origin is not 'toolguard/<store>/<log>'")
    return epoch, "" if log_id == _REGISTRY else log_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The tree of a log at one size. ``root`` is hex; ``extensions`` are lines of others, kept as they are."""

    origin: str
    size: int
    root: str
    extensions: tuple[str, ...] = ()

    def body(self) -> str:
        """The text that is signed: origin, size and base64 root, a line each, then the extensions."""
        encoded = base64.b64encode(bytes.fromhex(self.root)).decode("ascii")
        return "".join(f"{line}\n" for line in (self.origin, str(self.size), encoded, *self.extensions))

    @property
    def stamp(self) -> str:
        """One line for people's eyes and mailboxes: ``<log id or "registry"> <size> <root in hex>``."""
        return f"{self.origin.rpartition('/')[2]} {self.size} {self.root}"

    @classmethod
    def parse(cls, body: str) -> Checkpoint:
        """Read a note's body.

        Raises:
            ValueError: it is not a checkpoint, or not written the one way there is.
        """
        origin, size, encoded, *extensions = _lines(body, least=3)
        number = _number(size)
        try:
            raw = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        if not origin or number is None or len(raw) != 32 or not all(extensions):
            raise ValueError("a checkpoint is an origin, a size and a base64 root, a line each")
        found = cls(origin=origin, size=number, root=raw.hex(), extensions=tuple(extensions))
        if found.body() != body:
            raise ValueError("a checkpoint is not written the one way there is")
        return found

    @classmethod
    def parse_stamp(cls, stamp: str, *, epoch: str) -> Checkpoint:
        """Read a `stamp` that somebody kept, for the store with this epoch. Raises ValueError."""
        parts = stamp.split()
        number = _number(parts[1]) if len(parts) == 3 else None
        if number is None or len(parts[2]) != 64 or parts[2].strip("0123456789abcdef"):
            raise ValueError("a stamp is a log id, a size and a root of 64 hex digits")
        found = cls(origin=f"{_PREFIX}{epoch}/{parts[0]}", size=number, root=parts[2])
        log_of(found.origin)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteSignature:
    """One signature line. ``key_id`` is 4 bytes."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A text and its signatures (C2SP signed-note). Nothing here says whether they hold: `keys.NoteVerifier` does."""

    body: str
    signatures: tuple[NoteSignature, ...]

    @property
    def text(self) -> str:
        """The whole note: body, an empty line, a line for each signature."""
        lines = (
            f"{_SIGNATURE}{s.name} {base64.b64encode(s.key_id + s.signature).decode('ascii')}\n"
            for s in self.signatures
        )
        return f"{self.body}\n{''.join(lines)}"

    @classmethod
    def parse(cls, text: str) -> Note:
        """Read a note.

        Raises:
            ValueError: it is not one.
        """
        body, gap, rest = text.rpartition("\n\n")
        if not gap or len(text) > _MOST or not rest.endswith("\n") or any(ord(c) < 32 and c != "\n" for c in text):
            raise ValueError("a signed note is a text, an empty line and signature lines")
        signatures = tuple(_signature(line) for line in rest[:-1].split("\n"))
        return cls(body=body + "\n", signatures=signatures)


def _signature(line: str) -> NoteSignature:
    name, _, encoded = line.removeprefix(_SIGNATURE).rpartition(" ")
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if not line.startswith(_SIGNATURE) or not _is_name(name) or len(raw) < 5:
        raise ValueError("a note's signature line cannot be read")
    return NoteSignature(name=name, key_id=raw[:4], signature=raw[4:])


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(c.isspace() for c in name)


def note_key_id(name: str, public: bytes) -> bytes:
    """The first 4 bytes of SHA-256(name, newline, 1, public key): how C2SP tells Ed25519 keys apart."""
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:4]


def _lines(body: str, *, least: int) -> list[str]:
    lines = body.split("\n")
    if lines.pop() != "" or len(lines) < least:
        raise ValueError("a checkpoint is an origin, a size and a base64 root, a line each")
    return lines


def _number(text: str) -> int | None:
    if not text.isascii() or not text.isdigit() or len(text) > 18 or (len(text) > 1 and text[0] == "0"):
        return None
    return int(text)
