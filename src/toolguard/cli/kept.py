"""What is kept beside a call's records: opened with the guard's key, and said so in the journal before it is shown."""

from __future__ import annotations

import getpass
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing

from toolguard._core.audit import COMMITMENT, CONTENT_ID, AuditRecord, Draft, Kind
from toolguard._core.records import label
from toolguard._core.steps import Change
from toolguard.config import Config
from toolguard.errors import ConfigError, StoreError
from toolguard.keys import KeyRing
from toolguard.keys.content import open_content
from toolguard.population import iso
from toolguard.ports import Store
from toolguard.stores import open_store

__all__ = ["content_line", "opened_contents", "redacted_contents", "shown_text"]


def redacted_contents(records: Sequence[AuditRecord]) -> Mapping[str, AuditRecord]:
    """Content → the record of its redaction."""
    found: dict[str, AuditRecord] = {}
    for record in records:
        if record.draft.kind is Kind.CONTENT_REDACTED:
            said = record.draft.body.get("toolguard.redaction.contents")
            found.update({str(content): record for content in said if isinstance(said, list)} if said else {})
    return found


def content_line(
    record: AuditRecord, texts: Mapping[str, str], gone: Mapping[str, AuditRecord], store: Store
) -> Iterator[tuple[str, str]]:
    """(name, text) of what is said of a record's content: its words, where it was opened; else where it is."""
    content = str(record.draft.body.get(CONTENT_ID, ""))
    if not content:
        return
    if content in texts:
        yield from shown_text(texts[content]).items()
    elif (redaction := gone.get(content)) is not None:
        body = redaction.draft.body
        by, and_by = body.get("toolguard.redaction.proposed_by"), body.get("toolguard.approver.id")
        yield "content", f"redacted on {iso(redaction.draft.at)} by {by} and {and_by}"
    elif store.contents(str(record.draft.body.get("toolguard.tenant", "")), [content]):
        yield "content", "kept, sealed; '--content' opens it"
    else:
        yield "content", "is gone, and nobody redacted it; run 'toolguard audit verify'"


def opened_contents(settings: Config, url: str | None, records: Sequence[AuditRecord]) -> Mapping[str, str]:
    """Content → what it says, of a call's records; that it was read is on record before this returns.

    Raises:
        ConfigError: no key is configured. KeyUnavailableError, StoreError: it does not open, or cannot be recorded.
    """
    named = {str(r.draft.body[CONTENT_ID]): r for r in records if CONTENT_ID in r.draft.body}
    if not named:
        return {}
    ring = _keys(settings)
    with closing(open_store(url if url is not None else settings.store_url)) as store:
        found: dict[str, str] = {}
        for tenant in sorted({str(r.draft.body.get("toolguard.tenant", "")) for r in named.values()}):
            sealer = ring.sealer(tenant)
            for content, kept in store.contents(tenant, list(named)).items():
                found[content] = open_content(kept, str(named[content].draft.body.get(COMMITMENT, "")), sealer)
            mine = sum(
                content in found for content, r in named.items() if r.draft.body.get("toolguard.tenant") == tenant
            )
            if mine:
                draft = _draft(records[0].draft.call, tenant, sealer.digest_key, store.now(), mine)
                store.commit(Change(tenant=tenant, records=(draft,)))
    return found


def _draft(call: str, tenant: str, key: bytes, now: float, count: int) -> Draft:
    """The system's word for who it is: nobody proved it."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        raise StoreError("the system does not say who you are, so this cannot be recorded; nothing is shown") from None
    body = {
        "toolguard.call.id": call,
        "toolguard.tenant": tenant,
        "toolguard.actor.id": label(f"os:{user}", key),
        "toolguard.actor.assurance": "asserted",
        "toolguard.content.opened": count,
    }
    return Draft(kind=Kind.CONTENT_OPENED, at=now, started=now, call=call, span_id=secrets.token_hex(8), body=body)


def _keys(settings: Config) -> KeyRing:
    if settings.keys.env is not None:
        return KeyRing.load(f"env:{settings.keys.env}")
    if settings.keys.file is not None:
        return KeyRing.load(settings.at(settings.keys.file))
    raise ConfigError("content is opened with the guard's key, and none is configured; set [keys] file or env")


def shown_text(text: str) -> Mapping[str, str]:
    """Kept content by name: arguments or result."""
    data = json.loads(text)
    return {str(name): str(value) for name, value in data.items()}
