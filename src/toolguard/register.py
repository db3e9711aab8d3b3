"""Reading the register of acts: every entry's signature and place is checked before it is believed."""

from __future__ import annotations

import threading

from toolguard._core.register import ALL, Act, Register, Registers, act_of
from toolguard.errors import InvalidatedError, TamperedError
from toolguard.ports import Distant, GrantVerifier, Store

__all__ = ["ALL", "RegisterReader"]

_PAGE = 1000


class RegisterReader:
    """The registers that concern one tenant, as far as they were read. Thread-safe; share one per tenant and process.

    A register that was longer once is shorter only where the store was set back: that is an error, not news.
    """

    def __init__(self, store: Store, verifier: GrantVerifier, tenant: str) -> None:
        self._store = store
        self._verifier = verifier
        self._distant = store if isinstance(store, Distant) else None
        self._lock = threading.Lock()
        self._known = Registers.empty(tenant)
        self._read = False

    def read(self, *, fresh: bool = False) -> Registers:
        """The registers, as last read; with ``fresh`` (and the first time) as the store has them now.

        Raises:
            TamperedError: an entry is not signed by a pinned key, does not follow the one before, or was taken away.
            StoreError: the register is kept elsewhere, and what is known of it is too old.
        """
        if self._distant is not None:
            self._distant.check_current()
        if self._read and not fresh:
            return self._known
        with self._lock:
            self._known = Registers(tenant=self._extend(self._known.tenant), all=self._extend(self._known.all))
            self._read = True
            return self._known

    def _extend(self, known: Register) -> Register:
        if known.n and not self._still_there(known):
            raise TamperedError(
                "the store's register of acts ends before where it was read to: the store was set back or edited; "
                "nothing runs until it is looked at"
            )
        while page := self._store.acts(known.tenant, known.n, _PAGE):
            for grant in page:
                known = known.add(self._checked(act_of(grant)))
        return known

    def _still_there(self, known: Register) -> bool:
        last = self._store.acts(known.tenant, known.n - 1, 1)
        return bool(last) and act_of(last[0]).hash == known.last

    def _checked(self, act: Act) -> Act:
        try:
            self._verifier.verify(act.grant)
        except InvalidatedError:
            raise TamperedError(
                f"act {act.n} of the register is not signed by a service this guard trusts; nothing runs until it is "
                "looked at (check [keys] trusted, or who wrote to the store)"
            ) from None
        return act
