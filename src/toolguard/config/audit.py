"""``[audit]``: the audit key, whose checkpoints are believed, and where they are kept besides."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from toolguard.config.file import Config
from toolguard.errors import ConfigError
from toolguard.journal import AnchorCopy, Checkpointer, FileAnchor, Keeper, read_anchor
from toolguard.keys import NoteSigner, NoteVerifier, PublicKey, Purpose, read_keys
from toolguard.ports import Store

__all__ = ["anchor_copies", "audit_verifier", "checkpointer_of", "keeper_of"]


def _reference(config: Config, name: str) -> str | Path:
    return name if name.startswith("env:") else config.at(name.removeprefix("file:"))


def audit_verifier(config: Config) -> NoteVerifier | None:
    """The pinned audit keys; None where none is."""
    return NoteVerifier(config.audit.trusted) if config.audit.trusted else None


def anchor_copies(config: Config) -> tuple[AnchorCopy, ...]:
    """What the configured anchors hold now."""
    return tuple(read_anchor(config.at(path)) for path in config.audit.anchors)


def checkpointer_of(config: Config, store: Store, *, to: Sequence[Path] = ()) -> Checkpointer | None:
    """What makes checkpoints of ``store``, for its anchors and ``to``; None without ``[audit] signing_key``.

    Raises:
        ConfigError: an anchor's folder is not there. KeyUnavailableError: the key cannot be read.
    """
    section = config.audit
    if section.signing_key is None:
        return None
    keys = read_keys(_reference(config, section.signing_key), purpose=Purpose.AUDIT)
    pinned = {*section.trusted, *(PublicKey.of(key).line for key in keys)}
    paths = [*(config.at(path) for path in section.anchors), *to]
    for path in paths:
        if not path.parent.is_dir():
            raise ConfigError(
                f"the anchor {str(path)!r} has no folder to stand in; mount or make it: an anchor that begins anew "
                "somewhere else is none"
            )
    return Checkpointer(
        store,
        NoteSigner(keys[-1]),
        NoteVerifier(sorted(pinned)),
        anchors=[FileAnchor(path) for path in paths],
        held=[read_anchor(path).notes for path in paths],
        every=section.every,
    )


def keeper_of(config: Config, store: Store, *, who: str) -> Keeper | None:
    """The thread that makes checkpoints, where ``[audit] signer`` is ``who`` (``service`` or ``guard``)."""
    if config.audit.signer != who:
        return None
    made = checkpointer_of(config, store)
    return None if made is None else Keeper(made)
