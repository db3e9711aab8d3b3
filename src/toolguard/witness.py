"""The witness: what the approval service remembers outside the store, so that a store that was set back is seen.

Whoever can write to the store can also put an older copy of it in place, with every signature in it true. The witness
is a small file on the service's own machine: how far each log and each register had come, and which critical
approvals were spent. It holds ids, numbers, hashes and times, and nothing else.
"""

from __future__ import annotations

import os

from pydantic import BaseModel, ConfigDict, ValidationError

from toolguard._core.audit import Kind
from toolguard._core.pruning import begin_of
from toolguard._core.register import act_of
from toolguard.errors import ConfigError, StoreError, TamperedError
from toolguard.ports import CheckpointVerifier, Store
from toolguard.privatefile import PrivateFile

__all__ = ["Witness"]

_KEPT = 86400.0
"""Seconds a spent approval is remembered beyond its own end, in case clocks differ."""


class _Memory(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    version: int = 1
    store: str = ""
    logs: dict[str, tuple[int, str]] = {}
    acts: dict[str, tuple[int, str]] = {}
    spent: dict[str, float] = {}


class Witness:
    """A file of mode 0600. Processes share it through a lock file beside it.

    Args:
        path: the file; made at the first note. It belongs on another disk than the store, out of reach of whoever
            may write to that.
        store_id: which store it speaks of (the store's ``epoch``).
        audit: the pinned audit keys. Where they signed that a record was taken out of the store, it is not missed.
    """

    def __init__(self, path: str | os.PathLike[str], store_id: str, *, audit: CheckpointVerifier | None = None) -> None:
        self._audit = audit
        self._file = PrivateFile(path, what="the witness", otherwise="nothing is confirmed")
        self._store_id = store_id
        self._knows = False

    def check(self, store: Store) -> None:
        """Raises StoreError where the store is another one, or ends before where it was seen to end."""
        with self._file.locked():
            self._check(self._load(), store)

    def compare(self, store: Store) -> None:
        """`check` without a lock, so that nothing is made beside the file: for looking only. Raises StoreError."""
        self._check(self._load(), store)

    def note(self, store: Store, tenants: tuple[str, ...] = ()) -> None:
        """Check, then remember how far the store's logs and the registers of ``tenants`` have come.

        Raises:
            StoreError: the store was set back; what was remembered stays.
        """
        with self._file.locked():
            memory = self._load()
            self._check(memory, store)
            self._save(_seen(memory, store, tenants, self._store_id))

    def accept(self, store: Store, tenants: tuple[str, ...] = ()) -> None:
        """Begin anew from the store as it is: after a person has decided to use a restored one. Spent stays spent."""
        with self._file.locked():
            memory = _Memory(spent=self._load().spent)
            self._save(_seen(memory, store, tenants, self._store_id))

    def spend(self, approval: str, until: float, now: float) -> bool:
        """Remember that an approval is used up (its grant ends at ``until``, UTC seconds); False if it already was."""
        with self._file.locked():
            memory = self._load()
            if approval in memory.spent:
                return False
            spent = {k: end for k, end in memory.spent.items() if now < end + _KEPT}
            self._save(memory.model_copy(update={"spent": {**spent, approval: until}}))
            return True

    def _check(self, memory: _Memory, store: Store) -> None:
        if not memory.store:
            return
        if memory.store != self._store_id:
            raise StoreError(
                f"the store is not the one {self._file.name} has seen; if it was put in its place on purpose, run "
                "'toolguard store accept'"
            )
        heads = {head.log_id: head.seq for head in store.heads()}
        for log_id, (seq, hash_) in memory.logs.items():
            there = next(iter(store.records(log_id=log_id, after=seq - 1, limit=1)), None)
            if heads.get(log_id, 0) < seq:
                raise self._set_back()
            if (there is None or there.hash != hash_) and not self._is_pruned(store, log_id, seq):
                raise self._set_back()
        for tenant, (n, hash_) in memory.acts.items():
            last = store.acts(tenant, n - 1, 1)
            if not last or act_of(last[0]).hash != hash_:
                raise self._set_back()

    def _is_pruned(self, store: Store, log_id: str, seq: int) -> bool:
        """Whether a pinned audit key signed that record ``seq`` was taken out."""
        for record in store.operations(Kind.AUDIT_PRUNED) if self._audit is not None else ():
            begin = begin_of(record.draft.body)
            if begin is not None and begin.log_id == log_id and begin.last >= seq and self._audit is not None:
                try:
                    if self._audit.checkpoint(begin.note) == begin.checkpoint(self._store_id):
                        return True
                except TamperedError:
                    continue
        return False

    def _set_back(self) -> StoreError:
        return StoreError(
            f"the store ends before where {self._file.name} saw it end: it was set back or restored from a backup; "
            "nothing is decided on it until a person has looked and run 'toolguard store accept', which voids every "
            "open approval"
        )

    def _load(self) -> _Memory:
        raw = self._file.read()
        try:
            memory = _Memory() if raw is None else _Memory.model_validate_json(raw)
        except ValidationError:
            raise ConfigError(
                f"{self._file.name} cannot be read; find out what happened to it before you remove it"
            ) from None
        knows = bool(memory.store or memory.spent)
        if self._knows and not knows:
            raise ConfigError(
                f"{self._file.name} was taken away while the service ran; find out who did that, put it back, or start "
                "the service anew if the store can be trusted"
            )
        self._knows = knows
        return memory

    def _save(self, memory: _Memory) -> None:
        self._file.write(memory.model_dump_json().encode())
        self._knows = True


def _seen(memory: _Memory, store: Store, tenants: tuple[str, ...], store_id: str) -> _Memory:
    acts = dict(memory.acts)
    for tenant in tenants:
        n, hash_ = acts.get(tenant, (0, ""))
        while page := store.acts(tenant, n, 1000):
            n, hash_ = n + len(page), act_of(page[-1]).hash
        if n:
            acts[tenant] = (n, hash_)
    logs = {head.log_id: (head.seq, head.hash) for head in store.heads() if head.seq}
    return memory.model_copy(update={"store": store_id, "logs": logs, "acts": acts})
