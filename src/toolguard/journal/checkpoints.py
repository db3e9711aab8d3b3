"""Checkpoints are made: of every log that grew, and of the registry of logs, signed, written down, and anchored.

Each is a record `Kind.AUDIT_CHECKPOINT` in the log of whoever makes it, and goes to every anchor. At the end of each
round comes one more, of the maker's own log with the round in it: its stamp stands for all the others. It goes to the
anchors and to people's mailboxes, and into the journal with the next round.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain

from toolguard._core.audit import AuditRecord, Draft, Kind
from toolguard._core.checkpoint import Checkpoint, Note, log_of, log_origin, registry_origin
from toolguard._core.pruning import Begin
from toolguard._core.steps import Change
from toolguard._core.tree import Frontier, root
from toolguard.errors import StoreError, TamperedError
from toolguard.journal._begins import begins_in
from toolguard.journal._claims import ANCHORED, NOTE, REGISTRY
from toolguard.journal._pages import hash_pages
from toolguard.ports import Anchor, CheckpointSigner, CheckpointVerifier, LogHead, Store

__all__ = ["Checkpointer", "Keeper"]

log = logging.getLogger("toolguard.journal")

_LEASE = 30.0
"""Seconds one process makes the checkpoints of a store, so that not each does; two at once would do no harm."""


@dataclass(slots=True)
class _Seen:
    """One log (``""``: the registry) as far as its last checkpoint."""

    checkpoint: Checkpoint | None = None
    tree: Frontier | None = None
    """The tree as far as ``checkpoint``, where it is at hand."""
    when: float = float("-inf")


class Checkpointer:
    """Makes checkpoints of one store. Thread-safe; one of several processes does it at a time.

    Args:
        signer: the audit key.
        verifier: the pinned audit keys; only checkpoints they signed count as made before.
        anchors: where notes go.
        held: notes that each of ``anchors`` holds already: what they say is never gone back behind, and an anchor that
            lacks the newest note of a log gets it.
        every: a log that grew gets its next checkpoint after so many seconds, or ``records`` records.
        holder: who this is among the processes that could do it.
    """

    def __init__(
        self,
        store: Store,
        signer: CheckpointSigner,
        verifier: CheckpointVerifier,
        *,
        anchors: Sequence[Anchor] = (),
        held: Sequence[Sequence[str]] = (),
        every: float = 60.0,
        records: int = 1000,
        holder: str = "",
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._signer = signer
        self._verifier = verifier
        self._anchors = tuple(anchors)
        self._held = tuple(map(tuple, held)) or ((),) * len(self._anchors)
        self._every, self._records = every, records
        self._holder = holder or secrets.token_hex(8)
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._seen: dict[str, _Seen] = {}
        self._loaded = False
        self._waiting: tuple[dict[str, str], ...] = tuple({} for _ in self._anchors)
        """For each anchor the notes it has not got, by origin: a log's newest stands for those before."""
        self._stamp = ""
        self._begins: dict[str, Begin] | None = None
        """Where logs begin, as it was in this round."""
        self._idle_since: tuple[float, int] | None = None
        """Since when somebody else holds the lease (monotonic), and how far all checkpoints together had come then."""

    @property
    def stamp(self) -> str:
        """``<log id> <size> <root>`` of the last round; ``""`` before the first."""
        return self._stamp

    def tick(self, *, final: bool = False) -> tuple[str, ...]:
        """Make what is due (with ``final``: everything that grew); the signed notes.

        Raises:
            TamperedError: a log does not go on from its last checkpoint; it got none, the others did.
            StoreError: the store cannot be read or written, or an anchor not be reached (its notes wait).
        """
        with self._lock:
            notes: tuple[str, ...] = ()
            heads = self._store.heads()
            if self._due(heads, final=final):
                if final or self._leads():
                    self._load()
                    notes = self._round(heads, final=final)
                else:
                    self._loaded = False  # somebody else makes them, and goes further than we know of
            else:
                self._idle_since = None
            self._deliver()
            return notes

    # --- whose turn it is

    def _leads(self) -> bool:
        """Whether this process makes checkpoints now: it holds the lease, or whoever holds it makes none."""
        if self._store.lead("audit.checkpoint", self._holder, _LEASE):
            self._idle_since = None
            return True
        now = self._monotonic()
        if self._idle_since is not None and now - self._idle_since[0] < self._every + 2 * _LEASE:
            return False
        self._loaded = False
        self._load()
        made = sum(seen.checkpoint.size for seen in self._seen.values() if seen.checkpoint is not None)
        if self._idle_since is None or made > self._idle_since[1]:
            self._idle_since = (now, made)  # they come from somebody else
            return False
        log.critical(
            "the lease for checkpoints is held by somebody who makes none; find out who wrote it into the store"
        )
        return True

    # --- what is due

    def _due(self, heads: Sequence[LogHead], *, final: bool) -> bool:
        registry = self._seen.get("", _Seen())
        size = registry.checkpoint.size if registry.checkpoint else 0
        return self._is_time(registry, len(heads) - size, final=final) or any(
            self._is_due(head, final=final) for head in heads
        )

    def _is_due(self, head: LogHead, *, final: bool) -> bool:
        seen = self._seen.get(head.log_id, _Seen())
        size = seen.checkpoint.size if seen.checkpoint else 0
        return self._is_time(seen, head.seq - size, final=final)

    def _is_time(self, seen: _Seen, grown: int, *, final: bool) -> bool:
        """A log that is shorter than it was is looked at like one that grew."""
        late = self._monotonic() - seen.when >= self._every
        return grown != 0 and (final or late or abs(grown) >= self._records)

    # --- what was made before

    def _load(self) -> None:
        """The last checkpoints, of this process or of the one that did it before."""
        if self._loaded:
            return
        texts = [str(r.draft.body.get(NOTE, "")) for r in self._store.operations(Kind.AUDIT_CHECKPOINT)]
        newest: dict[str, str] = {}
        for text in reversed(
            (*texts, *chain.from_iterable(self._held))
        ):  # newest first: what is older needs no look at its signature
            try:
                epoch, log_id = log_of(text.partition("\n")[0])
                seen = self._seen.setdefault(log_id, _Seen())
                size = seen.checkpoint.size if seen.checkpoint is not None else -1
                if epoch != self._store.epoch or Checkpoint.parse(Note.parse(text).body).size <= size:
                    continue
                seen.checkpoint = self._verifier.checkpoint(text)
                newest[log_id] = text
            except (TamperedError, ValueError):
                log.critical(
                    "a checkpoint is not signed by a pinned key; run 'toolguard audit verify' with the anchors"
                )
        for waiting, held in zip(self._waiting, self._held, strict=True):  # an anchor that is new, or missed some
            there = frozenset(held)
            _wait([text for text in newest.values() if text not in there], waiting)
        self._loaded = True

    # --- one round

    def _round(self, heads: Sequence[LogHead], *, final: bool) -> tuple[str, ...]:
        self._begins = None
        made: list[Checkpoint] = []
        refused: list[str] = []
        before = dict(self._seen)
        for head in heads:
            if self._is_due(head, final=final):
                self._attempt(head.log_id, partial(self._of_log, head.log_id, head.seq, head.hash), made, refused)
        self._attempt("", partial(self._of_registry, heads), made, refused)
        there = {head.log_id for head in heads}
        for log_id, seen in self._seen.items():
            if log_id and seen.checkpoint is not None and log_id not in there:
                refused.append(log_id)
                log.critical("log %r had a checkpoint and is gone: the registry was edited, or set back", log_id)
        notes: tuple[str, ...] = ()
        if made:
            notes = tuple(self._signer.checkpoint(one) for one in made)
            try:
                records = self._store.commit(Change(tenant="", records=self._drafts(made, notes)))
            except BaseException:
                self._seen = before  # nothing was made
                raise
            self._keep(notes)
            notes = (*notes, *self._cover(records))
        if refused:
            raise TamperedError(
                f"no checkpoint was made of {', '.join(map(repr, refused))}: it does not go on from its last one, so it "
                "was cut, changed or set back; run 'toolguard audit verify' with the anchors"
            )
        return notes

    def _attempt(
        self, log_id: str, make: Callable[[], Checkpoint | None], made: list[Checkpoint], refused: list[str]
    ) -> None:
        try:
            checkpoint = make()
        except TamperedError:
            self._seen.setdefault(log_id, _Seen()).when = self._monotonic()
            refused.append(log_id or REGISTRY)
            log.critical(
                "log %r does not go on from its last checkpoint: it was cut, changed or set back", log_id or REGISTRY
            )
            return
        if checkpoint is not None:
            made.append(checkpoint)

    def _of_log(self, log_id: str, size: int, hash_: str) -> Checkpoint:
        """The checkpoint at ``size``, where the record with ``hash_`` stands. Raises TamperedError."""
        seen = self._seen.setdefault(log_id, _Seen())
        last = seen.checkpoint
        begin = self._begin(log_id) if seen.tree is None else None
        tree = seen.tree.copy() if seen.tree is not None else begin.tree if begin is not None else Frontier()
        if begin is not None and (last is None or last.size < begin.last):
            last = begin.checkpoint(self._store.epoch)  # what an older one speaks of is in segments
        newest = ""
        if last is not None and tree.size < last.size:
            newest = self._grow(tree, log_id, last.size)
        if last is not None and (size < last.size or (tree.size, tree.root) != (last.size, last.root)):
            raise TamperedError(f"log {log_id!r} is other than its last checkpoint")
        newest = self._grow(tree, log_id, size) or newest
        if tree.size != size or (newest and newest != hash_):
            raise TamperedError(f"log {log_id!r} does not end where the registry says")
        return self._made(
            log_id, Checkpoint(origin=log_origin(self._store.epoch, log_id), size=size, root=tree.root), tree
        )

    def _begin(self, log_id: str) -> Begin | None:
        """Where a log begins, as a pinned key signed it; None where nothing was taken out of it."""
        if self._begins is None:
            self._begins = begins_in(self._store, self._verifier).of
        return self._begins.get(log_id)

    def _grow(self, tree: Frontier, log_id: str, size: int) -> str:
        """Extend ``tree`` as far as ``size``, or as the log goes; its last new hash."""
        newest = ""
        for hashes in hash_pages(self._store, log_id, tree.size, size):
            try:
                tree.extend(hashes)
            except (ValueError, TypeError):
                raise TamperedError(f"log {log_id!r} holds something else in the place of a hash") from None
            newest = hashes[-1] if hashes else newest
        return newest

    def _of_registry(self, heads: Sequence[LogHead]) -> Checkpoint | None:
        seen = self._seen.setdefault("", _Seen())
        firsts = [head.first for head in heads]
        last = seen.checkpoint
        if last is not None and (len(firsts) < last.size or root(firsts[: last.size]) != last.root):
            raise TamperedError("the registry of logs is other than its last checkpoint")
        if last is not None and last.size == len(firsts):
            return None
        tree = Frontier(firsts)
        return self._made(
            "", Checkpoint(origin=registry_origin(self._store.epoch), size=tree.size, root=tree.root), tree
        )

    def _made(self, log_id: str, checkpoint: Checkpoint, tree: Frontier) -> Checkpoint:
        self._seen[log_id] = _Seen(checkpoint=checkpoint, tree=tree if log_id else None, when=self._monotonic())
        return checkpoint

    def _drafts(self, made: Sequence[Checkpoint], notes: Sequence[str]) -> tuple[Draft, ...]:
        now = self._store.now()
        anchored = [head for anchor in self._anchors if (head := anchor.head)]
        return tuple(
            Draft(
                kind=Kind.AUDIT_CHECKPOINT,
                at=now,
                started=now,
                span_id=secrets.token_hex(8),
                body={
                    "toolguard.audit.checkpoint.log_id": log_of(one.origin)[1] or REGISTRY,
                    "toolguard.audit.checkpoint.size": one.size,
                    "toolguard.audit.checkpoint.root": one.root,
                    NOTE: note,
                    **({ANCHORED: anchored} if anchored else {}),
                },
            )
            for one, note in zip(made, notes, strict=True)
        )

    def _cover(self, records: Sequence[AuditRecord]) -> tuple[str, ...]:
        """The checkpoint of this process's own log, with the round in it."""
        last = records[-1]
        checkpoint = self._of_log(last.log_id, last.seq, last.hash)
        note = self._signer.checkpoint(checkpoint)
        self._keep((note,))
        self._stamp = checkpoint.stamp
        return (note,)

    # --- anchors

    def _keep(self, notes: Sequence[str]) -> None:
        for waiting in self._waiting:
            _wait(notes, waiting)

    def _deliver(self) -> None:
        failed: StoreError | None = None
        for anchor, waiting in zip(self._anchors, self._waiting, strict=True):
            try:
                while waiting:
                    origin, note = next(iter(waiting.items()))
                    anchor.publish(note)
                    del waiting[origin]
            except StoreError as error:
                log.critical("checkpoints do not reach an anchor: %s", error)
                failed = failed or error
        if failed is not None:
            raise failed


def _wait(notes: Sequence[str], waiting: dict[str, str]) -> None:
    """Let the newest note of each log wait for an anchor."""
    for note in notes:
        origin = note.partition("\n")[0]
        waiting.pop(origin, None)  # the newest comes last
        waiting[origin] = note


class Keeper:
    """A thread that makes checkpoints while a process runs, and the last ones when it ends. One that fails is tried again."""

    def __init__(self, checkpointer: Checkpointer, *, pause: float = 2.0) -> None:
        """``pause``: seconds between two looks at what is due."""
        self._checkpointer = checkpointer
        self._pause = pause
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="toolguard-checkpoints", daemon=True)
        self._thread.start()

    @property
    def stamp(self) -> str:
        """See `Checkpointer.stamp`."""
        return self._checkpointer.stamp

    def _run(self) -> None:
        while not self._stop.is_set():
            self._tick(final=False)
            self._stop.wait(self._pause)

    def _tick(self, *, final: bool) -> None:
        try:
            self._checkpointer.tick(final=final)
        except Exception as error:  # noqa: BLE001 - whatever fails is tried again; what was found is said where it is found
            log.warning("no checkpoint was made (%s); it is tried again", type(error).__name__)

    def close(self) -> None:
        """Make what is left and stop. A second close does nothing."""
        if not self._stop.is_set():
            self._stop.set()
            self._thread.join(timeout=30.0)
            self._tick(final=True)
