"""Contents kept beside records, held against the records that name them and the acts that deleted them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from toolguard._core.audit import CONTENT_ID
from toolguard._core.register import ActKind, Register, act_of
from toolguard.errors import InvalidatedError, TamperedError
from toolguard.journal._facts import TENANT, Facts
from toolguard.ports import GrantVerifier, Store

__all__ = ["ContentFault", "Contents", "hold_contents"]

_PAGE = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentFault:
    """Content beside a record that is not as journal and register tell.

    Codes: ``gone`` (a record names it, and no two persons redacted it), ``back`` (it was redacted, and is there
    again), ``unrecorded`` (no record names it), ``twice`` (several records name it), ``register`` (redactions of the
    tenant cannot be believed: the register of acts does not hold together; ``content`` is ``""``).
    """

    tenant: str
    content: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """``kept`` are there, ``redacted`` were deleted by two persons."""

    kept: int = 0
    redacted: int = 0
    faults: tuple[ContentFault, ...] = ()


def hold_contents(store: Store, facts: Facts, service: GrantVerifier | None, *, whole: bool = True) -> Contents:
    """What is kept against what the journal told in ``facts``; with ``whole``, also what it told nothing of.

    Whether a content opens, and is what its record committed to, is seen by whoever has the tenant's key.
    """
    kept = redacted = 0
    faults: list[ContentFault] = []
    tenants = {tenant for tenant, _ in facts.contents} | (facts.tenants if whole else set())
    for tenant in sorted(tenants):
        told = {content: count for (of, content), count in facts.contents.items() if of == tenant}
        there = set(
            _there(store, tenant)
        )  # after the journal, before the register: what goes meanwhile is in the latter
        if not told and not there:
            continue
        gone, believed = _redacted(store, tenant, service)
        kept += len(there)
        redacted += len(told.keys() & gone)
        found = {"twice": {content for content, count in told.items() if count > 1}}
        found["gone"] = told.keys() - there - gone
        found["back"] = gone & set(_still(store, tenant, there & gone))
        found["unrecorded"] = _unrecorded(store, tenant, there - told.keys()) if whole else set()
        if not believed:
            faults.append(ContentFault(tenant=tenant, content="", code="register"))
        faults += [
            ContentFault(tenant=tenant, content=content, code=code)
            for code, contents in found.items()
            for content in sorted(contents)
        ]
    return Contents(kept=kept, redacted=redacted, faults=tuple(faults))


def _there(store: Store, tenant: str) -> Iterator[str]:
    after = ""
    while page := store.content_ids(tenant, after, _PAGE):
        yield from page
        after = page[-1]


def _still(store: Store, tenant: str, contents: set[str]) -> Iterator[str]:
    """Those that are there now: what was redacted while this was read is not."""
    names = sorted(contents)
    for at in range(0, len(names), 500):
        yield from store.contents(tenant, names[at : at + 500])


def _redacted(store: Store, tenant: str, service: GrantVerifier | None) -> tuple[set[str], bool]:
    """What two persons deleted, as far as the register holds together; and whether it does to its end."""
    register, gone = Register(tenant=tenant), set[str]()
    try:
        while page := store.acts(tenant, register.n):
            for grant in page:
                act = act_of(grant)
                if service is not None:
                    service.verify(grant)
                register = register.add(act)  # a redaction that one person made alone does not fold
                if act.kind is ActKind.REDACTED:
                    gone.update(str(content) for content in act.body["contents"])
    except (TamperedError, InvalidatedError):
        return gone, False
    return gone, True


def _unrecorded(store: Store, tenant: str, strangers: set[str]) -> set[str]:
    """Of contents the journal told nothing of, those that no newer record names either."""
    if strangers:
        named = (r.draft.body for r in store.records())
        strangers = strangers - {str(body.get(CONTENT_ID)) for body in named if body.get(TENANT) == tenant}
    return strangers
