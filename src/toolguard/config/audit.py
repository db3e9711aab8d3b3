"""``[audit]``: the audit key, whose checkpoints are believed, and where they are kept besides."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from toolguard._core.moment import iso
from toolguard.config.file import Config
from toolguard.config.keeper import keeper_store
from toolguard.errors import ConfigError
from toolguard.journal import (
    Ageing,
    AnchorCopy,
    Checkpointer,
    FileAnchor,
    Keeper,
    PruneReport,
    archive,
    mend_of,
    prune,
    read_anchor,
)
from toolguard.keys import NoteSigner, NoteVerifier, PinnedVerifier, PublicKey, Purpose, read_keys
from toolguard.ports import Store

__all__ = [
    "ageing_of",
    "anchor_copies",
    "audit_verifier",
    "checkpointer_of",
    "keeper_of",
    "prune_store",
    "segments_of",
]


log = logging.getLogger("toolguard.journal")
_MOST = 5
"""Calls that are named in each round."""


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
        anchors=[FileAnchor(path, now=store.now) for path in paths],
        held=[read_anchor(path).notes for path in paths],
        every=section.every,
    )


def keeper_of(config: Config, store: Store, *, who: str) -> Keeper | None:
    """The thread that makes checkpoints, where ``[audit] signer`` is ``who`` (``service`` or ``guard``)."""
    if config.audit.signer != who:
        return None
    made = checkpointer_of(config, store)
    return None if made is None else Keeper(made)


def segments_of(config: Config | None) -> Path | None:
    """The folder that keeps segments; None where none is configured."""
    return None if config is None or config.audit.segments is None else config.at(config.audit.segments)


def prune_store(config: Config, store: Store, folder: Path, *, before: float, **said: Any) -> PruneReport:
    """`toolguard.journal.prune` with the keys and anchors of the configuration.

    Raises:
        ConfigError: it names no audit key, or none is pinned.
    """
    section = config.audit
    verifier = audit_verifier(config)
    if section.signing_key is None or verifier is None:
        raise ConfigError(
            "where a log begins is signed with the audit key: set [audit] signing_key and trusted; 'toolguard keys audit' "
            "makes one"
        )
    signer = NoteSigner(read_keys(_reference(config, section.signing_key), purpose=Purpose.AUDIT)[-1])
    if signer.public_key.line not in section.trusted:
        raise ConfigError(
            "the audit key's public line is not in [audit] trusted, so nobody would believe where logs begin"
        )
    service = PinnedVerifier(config.keys.trusted) if config.keys.trusted else None
    anchors = [] if said.get("dry_run") else [FileAnchor(config.at(path), now=store.now) for path in section.anchors]
    return prune(
        store, folder, before=before, signer=signer, verifier=verifier, anchors=anchors, service=service, **said
    )


def ageing_of(config: Config, store: Store) -> Ageing | None:
    """The thread that archives and takes out what is older than ``[audit] keep_for``; None where that is not set.

    Raises:
        ConfigError: it is set without what it needs.
    """
    keep, folder, verifier = config.audit.keep_seconds, segments_of(config), audit_verifier(config)
    if keep is None:
        return None
    if folder is None or verifier is None or config.audit.signing_key is None:
        raise ConfigError(
            "[audit] keep_for needs segments, signing_key and trusted: what leaves the store is kept elsewhere"
        )

    if config.audit.keeper_url is None and config.store_url.startswith("postgresql:"):
        log.warning(
            "in PostgreSQL the service's own login takes no records out of the store: set [audit] keeper_url, or run 'toolguard "
            "audit archive --prune' as a login of toolguard_keeper's"
        )
    return Ageing(job := _Job(config, store, folder, verifier, keep), close=job.close)


class _Job:
    """Archives and takes out what is old, once. The keeper's login is opened when it is first needed."""

    def __init__(self, config: Config, store: Store, folder: Path, verifier: NoteVerifier, keep: float) -> None:
        self._config, self._store, self._folder, self._verifier, self._keep = config, store, folder, verifier, keep
        self._holder = secrets.token_hex(8)
        self._keeper: Store | None = None
        self._kept: int | None = None
        from toolguard.telemetry import observe_kept  # OpenTelemetry takes a while to import, and most have no pruning

        observe_kept(lambda: self._kept)

    def __call__(self) -> None:
        config, folder = self._config, self._folder
        if not self._store.lead("audit.ageing", self._holder, 1800.0):
            return  # another service of this store is at it
        if self._keeper is None and config.audit.keeper_url is not None:
            self._keeper = keeper_store(config)
        store = self._keeper or self._store
        before = self.before(store)
        notes = [note for copy in anchor_copies(config) for note in copy.notes]
        archive(store, folder, before=before, verifier=self._verifier, notes=notes)
        report = prune_store(config, store, folder, before=before, by="toolguard serve")
        if report.records:
            log.info("%d records were taken out of the store; their segments have them", report.records)
        self._kept = report.held
        for call in report.unfinished[:_MOST]:
            log.warning(
                "%d old records stay in the store: call %r of %s is %s; %s",
                report.held,
                call.call,
                iso(call.at),
                call.state,
                mend_of(call),
            )
        if len(report.unfinished) > _MOST:
            log.warning("and %d more calls that have not ended", len(report.unfinished) - _MOST)
        for sink in sorted({held.what for held in report.logs if held.why == "sink"}):
            log.warning("old records stay in the store: the receiver %r of spans has not got them", sink)

    def before(self, store: Store) -> float:
        """What is older than this may go (UTC seconds)."""
        return store.now() - self._keep

    def close(self) -> None:
        if self._keeper is not None:
            self._keeper.close()
