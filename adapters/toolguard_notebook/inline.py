"""Approvals in the cell that asks: shown as soon as the question is on record, and kept up to date while the cell waits."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from IPython.display import display

from toolguard import Guard, Session, Suspended
from toolguard.channels import Card, card_of
from toolguard.errors import NotFoundError, ToolguardError
from toolguard_notebook.widget import ApprovalWidget

__all__ = ["Inline", "show_approval", "show_approvals"]

log = logging.getLogger("toolguard.notebook")
_EVERY = 0.5
_REQUESTED = "approval.requested"
_MOST = 50
"""Widgets that are kept up to date at once; of more the oldest are left as they are."""


@dataclass(frozen=True, slots=True)
class _Followed:
    tenant: str
    id: str
    widget: ApprovalWidget


class Inline:
    """A sink that shows each question where it is asked. A thread of its own follows what becomes of them, so a cell
    that waits, or an event loop that is busy, holds nothing up."""

    def __init__(self, guard: Guard, url: str) -> None:
        self._guard = guard
        self._url = url.rstrip("/")
        self._lock = threading.Lock()
        self._followed: list[_Followed] = []
        self._thread: threading.Thread | None = None

    def emit(self, records: Sequence[Any]) -> None:
        for record in records:
            if record.draft.kind.value == _REQUESTED:
                body = record.draft.body
                self.show(str(body["toolguard.tenant"]), str(body["toolguard.approval.id"]))

    def show(self, tenant: str, id: str) -> ApprovalWidget:
        """Draw one approval in the cell that runs now, and follow it."""
        widget = ApprovalWidget(self._card(tenant, id))
        display(widget)  # type: ignore[no-untyped-call] # IPython declares none
        with self._lock:
            self._followed = [*self._followed[1 - _MOST :], _Followed(tenant, id, widget)]
            if self._thread is None:
                self._thread = threading.Thread(target=self._follow, name="toolguard-notebook", daemon=True)
                self._thread.start()
        return widget

    def _card(self, tenant: str, id: str) -> Card:
        parts = self._guard.parts
        found = parts.store.get(tenant, id)
        if found is None:
            raise NotFoundError("this tenant has no request of that id; Suspended.approval_id names one")
        return card_of(
            found, requester=found.request.requester_person, link=f"{self._url}/inbox/{id}", now=parts.clock.now()
        )

    def _follow(self) -> None:
        wait = threading.Event()
        while True:
            wait.wait(_EVERY)
            with self._lock:
                followed = list(self._followed)
            done = [f for f in followed if not self._moves(f)]
            with self._lock:
                self._followed = [f for f in self._followed if f not in done]
                if not self._followed:
                    self._thread = None
                    return

    def _moves(self, followed: _Followed) -> bool:
        try:
            return followed.widget.show(self._card(followed.tenant, followed.id))
        except ToolguardError as fault:  # the guard was closed, or its store is away: what is drawn stays as it was
            log.info("an approval is not followed any more: %s", fault.code)
            return False
        except Exception as fault:  # noqa: BLE001 - the kernel is on its way out; a thread that only draws says so and ends
            log.info("an approval is not followed any more: %s", type(fault).__name__)
            return False


def show_approvals(guard: Guard, url: str) -> Inline:
    """From now on every question of ``guard`` is shown in the cell that asks it.

    Args:
        url: the approval service's address, as the approver's browser reaches it.
    """
    inline = Inline(guard, url)
    guard.add_sink(inline)
    return inline


def show_approval(session: Session, waiting: Suspended | str, url: str) -> ApprovalWidget:
    """One approval, drawn here: of a call that was suspended, or by its id.

    Raises:
        NotFoundError: the session's tenant has no such request.
    """
    id = waiting.approval_id if isinstance(waiting, Suspended) else waiting
    return Inline(session.guard, url).show(session.caller.tenant, id)
