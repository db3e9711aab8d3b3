"""Showing clear values to a person: a policy decision like any other call, recorded before anything is shown."""

from __future__ import annotations

from dataclasses import dataclass, field

from toolguard._core.audit import Kind, Outcome
from toolguard._core.flow.authorise import authorise
from toolguard._core.flow.claim import abandon
from toolguard._core.flow.masking import Meanings, meanings
from toolguard._core.flow.setting import Flow, Setting
from toolguard._core.policy import Effect
from toolguard._core.records import counts, label
from toolguard._core.steps import Change, Commit, NewId, Now
from toolguard._core.vault import Token, token_spans, unmask_text
from toolguard.errors import DeniedError

__all__ = ["Clear", "disclose", "reveal_text"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Clear:
    """Text in clear, for the person it was released to, and the token-shaped pieces nobody issued."""

    text: str = field(repr=False)
    unknown: tuple[str, ...]


def reveal_text(setting: Setting, text: str, purpose: str) -> Flow[Clear]:
    """Values for the tokens in ``text``, if the policy lets this caller see them for this purpose. Recorded first."""
    known = yield from disclose(setting, frozenset(span.token for span in token_spans(text)), purpose)
    shown, unknown = unmask_text(text, known.values)
    return Clear(text=shown, unknown=tuple(str(t) for t in unknown))


def disclose(setting: Setting, tokens: frozenset[Token], purpose: str) -> Flow[Meanings]:
    """What ``tokens`` stand for, for the person behind the session; one decision and one record.

    Raises:
        DeniedError: the policy does not let this caller see it; nothing is given out.
    """
    known = yield from meanings(tokens)
    types = sorted({known.type_of(t) for t in tokens})
    permit = yield from authorise(setting, {"purpose": purpose, "types": types})
    if permit.judged.decision.would > Effect.MASK:  # also in shadow mode: what is shown cannot be taken back
        yield from abandon(setting, permit, Outcome.DENIED, "reveal")
        raise DeniedError("the policy does not let this caller see values in clear; nothing was shown", code="reveal")
    now: float = yield Now()
    span: str = yield NewId()
    body = {
        "toolguard.phi.released": counts(known.type_of(t) for t in tokens),
        "toolguard.reveal.purpose": label(purpose, setting.scope.digest_key),
    }
    record = permit.trail.draft(Kind.VALUES_REVEALED, at=now, started=now, span_id=span[:16], body=body)
    yield Commit(Change(tenant=setting.tenant, records=(*permit.pending, record)))
    return known
