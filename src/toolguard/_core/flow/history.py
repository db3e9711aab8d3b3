"""History: what is read of the time before a call, and what the call leaves behind for those after it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import cast

from toolguard._core.call import Json, keyed_digest
from toolguard._core.condition import Facts
from toolguard._core.content import brings_strangers, taints
from toolguard._core.flow.referring import (
    digest,
    inside,
    made,
    names_of,
    only_reads,
    only_sends,
    read_as,
    references,
    written_to,
)
from toolguard._core.flow.setting import Flow, Setting, Traces
from toolguard._core.history import (
    PHI,
    TAINTS,
    UNKNOWN,
    UNTRUSTED,
    After,
    Ask,
    Before,
    By,
    Carried,
    Counted,
    History,
    Limit,
    Mark,
    Near,
    Past,
    Patients,
    Pattern,
    Rate,
)
from toolguard._core.mask import Finding
from toolguard._core.patients import patients_in
from toolguard._core.policy import Decision
from toolguard._core.spelling import plain
from toolguard._core.steps import LookUp, Recall, Requester
from toolguard._core.toolrule import glob_matches
from toolguard._core.vault import Token

__all__ = ["claim_limits", "claim_marks", "recall", "remember", "result_limits", "result_marks"]

_WRITTEN = "written"
"""The label of every reference that was written through a guard, whatever else it carries."""

# --- before the call ----------------------------------------------------------------------------------


def remember(setting: Setting, facts: Facts, names: Mapping[Token, str]) -> Flow[Traces]:
    """The facts with what the policy asks of history (`Watch.anything`: many ask nothing)."""
    watch = setting.policy.watch
    pasts = [r.match.past for r in setting.plan.candidates(facts.risk.classes) if r.match.past is not None]
    subjects = yield from _subjects(setting)
    patients: frozenset[str] = frozenset()
    if watch.patients:
        patients = _digests(setting, patients_in(facts.data, _declared(setting), facts.present, names))
    texts = references(setting, facts.data) if watch.flows else {}
    named: Mapping[str, tuple[str, ...]] = {}
    if texts:
        named = yield from names_of(setting, texts)
    labels = any(past.label for past in pasts)
    traces = Traces(
        facts=facts,
        now=facts.now,
        subjects=subjects,
        patients=patients,
        references=tuple(dict.fromkeys(digest(setting, n) for ns in named.values() for n in read_as(ns))),
        writes=tuple(dict.fromkeys(written_to(facts, named, texts))),
    )
    unknown = [tuple(digest(setting, n) for n in named[t]) for t, content in texts.items() if content and labels]
    traces = replace(traces, asks=tuple(_asks(setting, traces, pasts, unknown)))
    if setting.before is not None:
        return _under(traces, _supposed(setting.before, traces, pasts))
    return (yield from recall(traces))


def recall(traces: Traces) -> Flow[Traces]:
    """The same with a history as the store has it now."""
    history = History()
    flat = [ask for _, asks in traces.asks for ask in asks]
    if flat:
        answers = iter(cast("tuple[int, ...]", (yield Recall(tuple(flat)))))
        history = _history(traces, [(what, [next(answers) for _ in asks]) for what, asks in traces.asks])
    return _under(traces, history)


def _under(traces: Traces, history: History) -> Traces:
    session = {**traces.facts.session, "taints": sorted(history.taints)}
    return replace(traces, facts=replace(traces.facts, history=history, session=session))


def _supposed(before: Before, traces: Traces, pasts: list[Past]) -> History:
    """The history as somebody supposes it to be, with what the call itself adds."""
    own = {Rate: 1, Patients: len(traces.patients)}
    counts = {c: before.count(c) + own.get(type(c), 0) for past in pasts for c in past.counted}
    return History(taints=before.taints, labels=before.labels, counts=counts)


def _asks(
    setting: Setting, traces: Traces, pasts: list[Past], contents: list[tuple[str, ...]]
) -> Iterator[tuple[object, tuple[Ask, ...]]]:
    """Everything the rules of this call want to know, and what is needed to know what it leaves behind."""
    sessions = traces.subjects[By.SESSION]
    for counted in dict.fromkeys(c for past in pasts for c in past.counted):
        yield counted, tuple(_ask(counted, subject, traces) for subject in _whose(counted, traces))
    writes = setting.policy.watch.flows and not only_reads(traces.facts)
    if writes or traces.references or any(past.taint or past.reads for past in pasts):
        for taint in sorted(TAINTS):
            yield ("taint", taint), tuple(Ask(subject=s, kind="taint", value=taint) for s in sessions)
    for label in sorted(TAINTS) if traces.references else ():
        yield ("label", label), tuple(Ask(subject=f"ref:{r}", kind="label", value=label) for r in traces.references)
    for names in contents:
        yield ("unknown", names), tuple(Ask(subject=f"ref:{r}", kind="label", value=_WRITTEN) for r in names)


def _whose(counted: Counted, traces: Traces) -> tuple[str, ...]:
    return traces.subjects[By.SESSION if isinstance(counted, After) else counted.by]


def _ask(counted: Counted, subject: str, traces: Traces) -> Ask:
    match counted:
        case After(calls=calls, within=within):
            since = traces.now - within if within else 0.0
            return Ask(subject=subject, kind=f"ran:{calls.key}", since=since)
        case Rate(calls=calls, per=per, most=most):
            return Ask(subject=subject, kind=f"call:{calls.key}", since=traces.now - per, upto=most + 1)
        case Patients(per=per, most=most):
            apart = tuple(sorted(traces.patients)[: most + 1])  # with more than that it is passed anyway
            return Ask(subject=subject, kind="patient", since=traces.now - per, apart=apart, upto=most + 1)


def _history(traces: Traces, answers: Iterable[tuple[object, list[int]]]) -> History:
    found: set[str] = set()
    labels: set[str] = set()
    counts: dict[Counted, int] = {}
    for what, numbers in answers:
        most = max(numbers, default=0)
        match what:
            case After():
                counts[what] = most
            case Rate():
                counts[what] = most + 1
            case Patients():
                counts[what] = most + len(traces.patients)
            case ("taint", str(word)) if most:
                found.add(word)
            case ("label", str(word)) if most:
                labels.add(word)
            case ("unknown", _) if not most:
                labels.add(UNKNOWN)
            case _:
                pass
    return History(taints=frozenset(found), labels=frozenset(labels), counts=counts)


def _subjects(setting: Setting) -> Flow[Mapping[By, tuple[str, ...]]]:
    """Who the call counts for. A person counts as one, whatever issuers call them."""
    watch, caller, key = setting.policy.watch, setting.scope.caller, setting.scope.digest_key
    who = {By.SESSION: setting.lineage or (f"session:{setting.scope.session}",), By.TENANT: ("tenant",)}
    wanted = watch.by
    if By.PERSON in wanted:
        known: Requester | None = yield LookUp(caller, ())
        person = f"person {known.person}" if known is not None else caller.person.ref
        who[By.PERSON] = (f"person:{keyed_digest(key, 'toolguard.person', person.encode())}",)
    if By.AGENT in wanted:
        who[By.AGENT] = (f"agent:{keyed_digest(key, 'toolguard.agent', caller.agent.encode())}",)
    return who


def _declared(setting: Setting) -> tuple[str, ...]:
    rule = setting.plan.rule
    return (*((rule.subject,) if rule.subject else ()), *rule.patient)


def _digests(setting: Setting, keys: Iterable[str]) -> frozenset[str]:
    return frozenset(keyed_digest(setting.scope.digest_key, "toolguard.patient", key.encode()) for key in keys)


# --- what a call leaves behind ------------------------------------------------------------------------


def claim_marks(setting: Setting, traces: Traces | None, call: str) -> tuple[Mark, ...]:
    """What is written with the record that the call executes."""
    if traces is None:
        return ()
    watch, facts = setting.policy.watch, traces.facts
    sessions = traces.subjects[By.SESSION]
    marks: list[Mark] = []
    for calls, within in watch.ran.items():
        if _fits(calls, facts):
            marks += [Mark(subject=s, kind=f"ran:{calls.key}", keep=within) for s in sessions]
    for (by, calls), per in watch.rates.items():
        if _fits(calls, facts):
            marks += [Mark(subject=s, kind=f"call:{calls.key}", value=call, keep=per) for s in traces.subjects[by]]
    marks += _patient_marks(setting, traces, traces.patients)
    if watch.flows:
        history = facts.history
        fresh = set(history.labels) & TAINTS | ({PHI} if facts.present else set())
        marks += _taint_marks(sessions, fresh - history.taints)
        marks += _label_marks(setting, traces.writes, fresh | history.taints | _brought(setting))
    return tuple(dict.fromkeys(marks))


def result_marks(
    setting: Setting,
    traces: Traces | None,
    plain_result: Json,
    found: Iterable[Finding] | None,
    *,
    shown: bool,
    names: Mapping[Token, str] | None = None,
) -> Flow[tuple[Mark, ...]]:
    """What is written with the end of the call. ``shown``: something of what the tool gave reaches the model.

    ``found``: identifiers in the result; None where nobody could look, and it may be about patients. ``names``: what
    tokens in it stand for.
    """
    if traces is None:
        return ()
    watch, unread = setting.policy.watch, found is None
    found = tuple(found or ())
    marks: list[Mark] = []
    if watch.patients and shown:
        patients = _digests(setting, patients_in(plain_result, setting.plan.rule.patient, found, names))
        marks += _patient_marks(setting, traces, patients)
    if watch.flows:
        fresh: set[str] = {PHI} if found or unread else set()
        if taints(setting.plan.rule, setting.tool, setting.risk):
            fresh.add(UNTRUSTED)
        history = traces.facts.history
        if shown:
            marks += _taint_marks(traces.subjects[By.SESSION], fresh - history.taints)
        if not only_reads(traces.facts):
            marks += yield from _written(setting, traces, plain_result, fresh)
    return tuple(dict.fromkeys(marks))


def _written(setting: Setting, traces: Traces, plain_result: Json, fresh: set[str]) -> Flow[list[Mark]]:
    """Labels of what the call wrote: under the names it has now, and of what the result says was made."""
    facts = traces.facts
    carried = fresh | set(facts.history.taints) | set(facts.history.labels) & TAINTS
    carried |= _brought(setting) | ({PHI} if facts.present else set())
    texts = references(setting, facts.data)
    if not only_sends(facts):
        texts |= dict.fromkeys(made(setting, plain_result), False)
    named = yield from names_of(setting, texts)
    return _label_marks(setting, written_to(facts, named, texts), carried)


def _brought(setting: Setting) -> set[str]:
    """What a tool may put into what it writes without ever showing it: patients' data, if it works with such, and text
    of strangers, if it reads such.
    """
    rule = setting.plan.rule
    patients = bool(rule.trusted_for or rule.subject or rule.patient)
    strangers = brings_strangers(rule, setting.tool, setting.risk)
    return ({PHI} if patients else set()) | ({UNTRUSTED} if strangers else set())


def _fits(calls: Pattern, facts: Facts) -> bool:
    name = facts.tool.name
    names = {name, plain(name)} if calls.alike else {name}
    return (not calls.tool or any(glob_matches(g, n) for g in calls.tool for n in names)) and (
        not calls.category or not calls.category.isdisjoint(facts.risk.classes)
    )


def _patient_marks(setting: Setting, traces: Traces, patients: Iterable[str]) -> list[Mark]:
    return [
        Mark(subject=subject, kind="patient", value=patient, keep=keep)
        for patient in sorted(patients)[: setting.policy.watch.most + 1]
        for by, keep in setting.policy.watch.patients.items()
        for subject in traces.subjects[by]
    ]


def _taint_marks(sessions: Iterable[str], words: Iterable[str]) -> list[Mark]:
    words = sorted(words)
    return [Mark(subject=session, kind="taint", value=word) for session in sessions for word in words]


def _label_marks(setting: Setting, names: Iterable[str], words: Iterable[str]) -> list[Mark]:
    """Labels of what is written. Of a folder nobody knows all that it holds, so it never counts as written."""
    words = sorted(words)
    return [
        Mark(subject=f"ref:{digest(setting, name)}", kind="label", value=label)
        for name in dict.fromkeys(names)
        for label in (words if inside(name) else (_WRITTEN, *words))
    ]


# --- limits -------------------------------------------------------------------------------------------


def claim_limits(decision: Decision, traces: Traces | None) -> tuple[Limit, ...]:
    """What the commit that claims the call may not find changed: what kept rules from matching."""
    if traces is None:
        return ()
    return tuple(dict.fromkeys(limit for near in decision.near for limit in _limits(near, traces)))


def _limits(near: Near, traces: Traces) -> Iterator[Limit]:
    match near:
        case Carried(kind=kind, words=words):
            asks = [ask for what, asks in traces.asks for ask in asks if what in {(kind, word) for word in words}]
            yield from (Limit(ask=ask, adds=0, most=0) for ask in asks)
        case After():
            yield from (Limit(ask=_ask(near, subject, traces), adds=0, most=0) for subject in _whose(near, traces))
        case Rate() | Patients():
            adds = 1 if isinstance(near, Rate) else len(traces.patients)
            for subject in _whose(near, traces) if adds else ():
                yield Limit(ask=_ask(near, subject, traces), adds=adds, most=near.most)


def result_limits(decision: Decision, traces: Traces | None, marks: Iterable[Mark]) -> tuple[Limit, ...]:
    """What the result's patients may not pass, where a rule would have denied the call had it known of them."""
    if traces is None or not decision.never:
        return ()
    seen: dict[str, set[str]] = {}
    for mark in marks:
        if mark.kind == "patient":
            seen.setdefault(mark.subject, set()).add(mark.value)
    return tuple(
        Limit(
            ask=replace(_ask(near, subject, traces), apart=tuple(sorted(new)[: near.most + 1])),
            adds=len(new),
            most=near.most,
        )
        for near in decision.never
        for subject in _whose(near, traces)
        if (new := seen.get(subject))
    )
