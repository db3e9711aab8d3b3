"""Masking as a flow: find, allocate tokens, put them in place; token-shaped text that is not ours is escaped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from toolguard._core.call import Json
from toolguard._core.flow.setting import Flow
from toolguard._core.mask import Finding, apply_findings, leaf_text, leaves, merge_findings, subtract
from toolguard._core.steps import Allocate, Inspect, Origin, Reveal
from toolguard._core.vault import LITERAL, Namespace, Need, Token, canonical_form, token_spans

__all__ = ["mask", "mask_value", "token_findings", "tokenise"]


def mask_value(value: Json, origin: Origin, schema: Mapping[str, Json] | None = None) -> Flow[Json]:
    """``value`` with every identifier replaced by its token. Masking twice changes nothing."""
    masked, _ = yield from mask(value, origin, schema, keep_tokens=True)
    return masked


def mask(
    value: Json,
    origin: Origin,
    schema: Mapping[str, Json] | None,
    *,
    keep_tokens: bool,
    own: frozenset[str] = frozenset(),
) -> Flow[tuple[Json, tuple[Finding, ...]]]:
    """Masked value and findings. Token-shaped text that is not ours, or may not be here, is escaped.

    What a detector takes for an identifier is one, also where it is shaped like a token. ``own`` is for `tokenise`.
    """
    findings = cast("tuple[Finding, ...]", (yield Inspect(value, origin, schema)))
    shaped = token_findings(value)
    put = findings
    if shaped:
        ours: Mapping[Token, str] = {}
        if keep_tokens:
            ours = yield Reveal(frozenset(t for _, t in shaped))
        put = findings = subtract(findings, [f for f, t in shaped if t in ours])
        if origin is not Origin.MODEL:
            put = merge_findings((*findings, *(f for f, t in shaped if t not in ours)))
    namespace = Namespace.MODEL if origin is Origin.MODEL else Namespace.PROTECTED
    masked = yield from tokenise(value, put, namespace, own)
    return masked, findings


def token_findings(value: Json) -> list[tuple[Finding, Token]]:
    return [
        (
            Finding(
                path=leaf.path,
                start=span.start,
                end=span.end,
                type=LITERAL,
                score=0.0,
                source="token",
                key=leaf.kind == "key",
            ),
            span.token,
        )
        for leaf in leaves(value)
        if leaf.kind != "number"
        for span in token_spans(leaf.text)
    ]


def tokenise(
    value: Json, findings: tuple[Finding, ...], namespace: Namespace, own: frozenset[str] = frozenset()
) -> Flow[Json]:
    """``value`` with tokens for ``findings``.

    ``own`` are canonical forms of values the model wrote itself: they stay its own wherever they come back, so that
    no echo tells it whether a guess is a protected value.
    """
    if not findings:
        return value

    def need(finding: Finding) -> Need:
        text = leaf_text(value, finding)
        echo = bool(own) and canonical_form(finding.type, text) in own
        return Need(type=finding.type, text=text, namespace=Namespace.MODEL if echo else namespace)

    needs = {f: need(f) for f in findings}
    tokens = cast("Mapping[Need, Token]", (yield Allocate(tuple(dict.fromkeys(needs.values())))))
    return apply_findings(value, findings, lambda f, _: str(tokens[needs[f]]))
