"""Showing clear values to a person: a policy decision like any other call, recorded before anything is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from toolguard._core.audit import Kind, Outcome
from toolguard._core.flow.execute import abandon, authorise
from toolguard._core.flow.setting import Flow, Setting
from toolguard._core.policy import Effect
from toolguard._core.records import counts, label
from toolguard._core.steps import Change, Commit, NewId, Now, Reveal
from toolguard._core.vault import Token, token_spans, unmask_text
from toolguard.errors import DeniedError

__all__ = ["Clear", "reveal_text"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Clear:
    """Text in clear, for the person it was released to, and the token-shaped pieces nobody issued."""

    text: str = field(repr=False)
    unknown: tuple[str, ...]


def reveal_text(setting: Setting, text: str, purpose: str) -> Flow[Clear]:
    """Values for the tokens in ``text``, if the policy lets this caller see them for this purpose. Recorded first."""
    tokens = frozenset(span.token for span in token_spans(text))
    types = sorted({t.type for t in tokens})
    permit = yield from authorise(setting, {"purpose": purpose, "types": types})
    if permit.judged.decision.would > Effect.MASK:  # also in shadow mode: what is shown cannot be taken back
        yield from abandon(setting, permit, Outcome.DENIED, "reveal")
        raise DeniedError("the policy does not let this caller see values in clear; nothing was shown", code="reveal")
    now: float = yield Now()
    span: str = yield NewId()
    body = {
        "toolguard.phi.released": counts(t.type for t in tokens),
        "toolguard.reveal.purpose": label(purpose, setting.scope.digest_key),
    }
    record = permit.trail.draft(Kind.VALUES_REVEALED, at=now, started=now, span_id=span[:16], body=body)
    yield Commit(Change(tenant=setting.tenant, records=(*permit.pending, record)))
    values: Mapping[Token, str] = yield Reveal(tokens)
    shown, unknown = unmask_text(text, values)
    return Clear(text=shown, unknown=tuple(str(t) for t in unknown))
