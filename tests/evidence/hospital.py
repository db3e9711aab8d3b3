"""A hospital's June, made by the real guard and the real authority: calls of every kind, and people who answer."""

from __future__ import annotations

import contextlib
import datetime as dt
import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from toolguard import Caller, Suspended
from toolguard._core.approval import Assured, StandingTerms
from toolguard._core.call import Assurance
from toolguard.authority import Answer, Human
from toolguard.errors import ApprovalError, ToolguardError
from toolguard.guard import Guard, Session
from toolguard.journal import Checkpointer, FileAnchor
from toolguard.keys import NoteSigner, NoteVerifier, Purpose, SecretKey
from toolguard.population import Population, read_period
from toolguard.testing import FakeClock, WordDetector
from toolguard.testing.desk import Desk

JUNE = dt.datetime(2026, 6, 1, tzinfo=dt.UTC).timestamp()
JULY = dt.datetime(2026, 7, 1, tzinfo=dt.UTC).timestamp()
HOUR, DAY = 3600.0, 86400.0
CANARIES = {
    "Adaeze Quellhund": "PERSON",
    "Zorvel Pellminska": "PERSON",
    "MRN-77120934": "MRN",
    "912-44-7731": "SSN",
    "1961-03-07": "DATE_OF_BIRTH",
    "a.quellhund@example.org": "EMAIL",
    "+1 555 0147 220": "PHONE",
}
"""Identifiers that occur nowhere else; none of them may be found in evidence."""

DIRECTORY = """\
version: 1
persons:
  - {id: ana, name: Ana Ruiz, identities: [{issuer: local, tenant: general, subject: ana}]}
  - {id: ben, name: Ben Hadi, identities: [{issuer: local, tenant: general, subject: ben}]}
  - {id: chen, name: Wei Chen, identities: [{issuer: local, tenant: general, subject: chen}]}
  - {id: dora, name: Dora Lind, identities: [{issuer: local, tenant: general, subject: dora}]}
  - {id: emma, name: Emma Stone, identities: [{issuer: local, tenant: general, subject: emma}]}
  - {id: okafor, name: Ngozi Okafor, identities: [{issuer: local, tenant: general, subject: okafor}]}
  - {id: rena, name: Rena Ito, identities: [{issuer: local, tenant: general, subject: rena}]}
groups:
  - {name: privacy-office, tenant: general, members: [ana, chen, dora]}
  - {name: emergency, tenant: general, members: [emma]}
  - {name: security, tenant: general, members: [okafor]}
agents:
  - {name: discharge-agent, tenant: general, owners: [okafor]}
  - {name: research-agent, tenant: general, owners: [okafor]}
duties:
  - {tenant: general, freeze: ["group:security"], review: ["person:rena", "person:dora"], resolve: ["group:security"]}
"""

POLICY = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: hospital, version: 3, owner: privacy-office@general.example}
defaults:
  by_risk: {low: allow, medium: allow, high: allow, critical: deny}
approvals:
  default:
    approvers: ["group:privacy-office"]
    expires: 4h
    standing: {for: 8h, uses: 20}
    break_glass: ["group:emergency"]
  two: {approvers: ["group:privacy-office"], quorum: 2, expires: 8h}
tools:
  find_patient: {risk: low, trusted_for: [PERSON, MRN, DATE_OF_BIRTH], trusted_results: true}
  search_papers: {risk: low}
  send_letter: {risk: low, decisive: [to]}
  export_cohort: {risk: high, decisive: [bucket]}
  merge_records: {risk: high, category: [write]}
  read_chart: {risk: low, category: [read], subject: patient}
  labs: {risk: low}
rules:
  - id: phi-leaves
    because: "Identifiable data leaves only with the privacy office's yes."
    match: {tool: send_letter, data: [PERSON, MRN]}
    effect: require_approval
    controls: ["hipaa:164.502(b)"]
  - id: cohorts
    because: "A cohort leaves the house only with two yeses."
    match: {tool: export_cohort}
    effect: require_approval
    approval: two
  - id: merges
    because: "Merging two records cannot be undone."
    match: {tool: merge_records}
    effect: require_approval
  - id: charts-by-night
    because: "Charts of other wards are read with a yes."
    match: {tool: read_chart}
    effect: require_approval
  - id: no-ssn
    because: "No letter ever needs a social security number."
    match: {tool: send_letter, data: [SSN]}
    effect: deny
"""


@dataclass
class Hospital:
    """A store full of June, and the desk it was made with. ``until`` is when the story ends."""

    desk: Desk
    clock: FakeClock
    guard: Guard
    calls: dict[str, str]
    """Name → call id of calls worth showing."""
    audit: NoteSigner
    anchor: Path
    checkpoints: Checkpointer

    @property
    def store(self) -> Any:
        return self.desk.store

    def human(self, name: str, *, sure: bool = False) -> Human:
        who = self.desk.human(name, assured=Assured.STEPPED_UP if sure else Assured.SINGLE)
        return replace(who, channel="inbox", auth="browser:3fa9c1")


def find_patient(name: str) -> dict[str, str]:
    """Find a patient."""
    return {"name": name, "mrn": "MRN-77120934", "born": "1961-03-07"}


def search_papers(query: str) -> list[str]:
    """Search papers."""
    return ["10.1000/182", "10.1000/455"]


def send_letter(to: str, body: str) -> str:
    """Send a letter."""
    return "sent"


def export_cohort(cohort: str, bucket: str) -> str:
    """Export a cohort."""
    return "exported"


def merge_records(left: str, right: str) -> str:
    """Merge two records."""
    raise KeyboardInterrupt  # the process dies in the middle


def read_chart(patient: str) -> str:
    """Read a patient's chart."""
    return "chart"


def labs(code: str) -> str:
    """Look up laboratory values."""
    raise RuntimeError("no such code: Adaeze Quellhund")


def open_hospital(folder: Path, *, store: Any = None) -> Hospital:
    """The hospital before anything happened."""
    clock = FakeClock(JUNE + 7 * HOUR)
    (folder / "policy.yaml").write_text(POLICY, "utf-8")
    desk = Desk(folder, store=store, clock=clock, directory=DIRECTORY)
    guard = desk.guard(folder / "policy.yaml", detector=WordDetector(CANARIES))
    audit, anchor = NoteSigner(SecretKey.generate(Purpose.AUDIT)), folder / "elsewhere.anchor"
    checkpoints = Checkpointer(
        desk.store,
        audit,
        NoteVerifier([audit.public_key]),
        anchors=[FileAnchor(anchor, now=clock.now)],
        monotonic=clock.monotonic,
    )
    return Hospital(desk=desk, clock=clock, guard=guard, calls={}, audit=audit, anchor=anchor, checkpoints=checkpoints)


def june(folder: Path, *, store: Any = None, rounds: int = 3) -> Hospital:
    """The whole month. ``rounds`` of everyday calls, then everything that is out of the ordinary."""
    h = open_hospital(folder, store=store)
    rng = random.Random(20260601)
    for n in range(rounds):
        _everyday(h, rng, n)
        h.checkpoints.tick(final=True)
    _letters(h)
    _cohort(h)
    _emergency(h)
    _standing(h)
    _lost(h)
    _failures(h)
    _shadow(h)
    _reciprocity(h)
    _reviews(h)
    h.checkpoints.tick(final=True)
    h.clock._now = max(h.clock.now(), JULY) + HOUR
    with session(h, "ana", "july-1") as s:  # the next month: it is in no pack of June, but its checkpoint covers June
        _attempt(h, s, search_papers, {"query": "sepsis"})
    h.checkpoints.tick(final=True)
    return h


def period_of(h: Hospital, since: float, until: float) -> Population:
    return Population(read_period(h.store, since=since, until=until))


def session(h: Hospital, who: str, run: str, agent: str = "discharge-agent") -> Session:
    caller = Caller.of(who, agent=agent, tenant="general", roles={"clinician"})
    return h.guard.session(caller=replace(caller, assurance=Assurance.VERIFIED), run=run)


def _attempt(h: Hospital, s: Session, tool: Any, args: dict[str, Any], name: str = "", **more: Any) -> str:
    """The approval's id if the call waits, else ``""``."""
    h.clock.advance(41.5)
    waiting = ""
    try:
        s.call(tool, args, **more)
    except Suspended as suspended:
        waiting = suspended.approval_id
    except (ToolguardError, KeyboardInterrupt):
        pass
    if name:
        h.calls[name] = [r for r in h.store.records() if r.draft.call][-1].draft.call
    return waiting


def _everyday(h: Hospital, rng: random.Random, n: int) -> None:
    for k in range(6):
        with session(h, rng.choice(["ana", "ben"]), f"discharge-{n}-{k}") as s:
            _attempt(h, s, find_patient, {"name": "Adaeze Quellhund"}, name="allowed")
            _attempt(h, s, search_papers, {"query": "heart failure, Zorvel Pellminska"})
            if k % 3 == 2:
                _attempt(h, s, send_letter, {"to": "ward@general.example", "body": "the bed is free"})
        h.clock.advance(rng.uniform(2, 5) * HOUR)


def _decide(h: Hospital, approval: str, who: str, answer: Answer, after: float = 300.0, **more: Any) -> None:
    h.clock.advance(after)
    a = h.desk.read(approval)
    seen = ""
    if answer is Answer.APPROVE and a.request.sealed_decisive:
        with contextlib.suppress(ApprovalError):
            seen = h.desk.authority.reveal(h.human(who), approval, purpose="review").digest
    given = {
        "seen_call_digest": a.request.call_digest,
        "seen_view_digest": a.request.view_digest,
        "reason": "looked at it with Adaeze Quellhund",
        "version": a.version,
        "seen_decisive": seen,
        **more,
    }
    with contextlib.suppress(ApprovalError):
        h.desk.authority.decide(h.human(who, sure=who == "dora"), approval, answer, **given)


def _letters(h: Hospital) -> None:
    letter = {"body": "Adaeze Quellhund, MRN-77120934, was seen on Monday."}
    with session(h, "ben", "letters-1") as s:
        for n, (who, answer) in enumerate([("chen", "yes"), ("dora", "yes"), ("chen", "no"), ("", "")]):
            to = ["records@other.example", "a.quellhund@example.org", "desk@third.example", "late@fourth.example"][n]
            body = {"to": to, "body": f"{letter['body']} ({n})"}
            waiting = _attempt(h, s, send_letter, body, call_id=f"l{n}", name=f"letter-{n}")
            if who:
                _decide(h, waiting, "ben", Answer.APPROVE, after=20.0)  # his own request: refused, and on record
                _decide(h, waiting, who, Answer.APPROVE if answer == "yes" else Answer.DENY)
            else:
                h.clock.advance(5 * HOUR)
                h.desk.authority.sweep()
            if who:
                _attempt(h, s, send_letter, body, call_id=f"l{n}", name=f"letter-{n}")
        _attempt(h, s, send_letter, {"to": "x@other.example", "body": "912-44-7731"}, name="denied")
    h.clock.advance(DAY)


def _cohort(h: Hospital) -> None:
    with session(h, "ben", "cohort-1", agent="research-agent") as s:
        args = {"cohort": "diabetes", "bucket": "s3://research"}
        waiting = _attempt(h, s, export_cohort, args, call_id="c1")
        _decide(h, waiting, "chen", Answer.APPROVE, after=2 * HOUR)
        _decide(h, waiting, "dora", Answer.APPROVE, after=HOUR)
        _attempt(h, s, export_cohort, args, call_id="c1", name="cohort")
    h.clock.advance(DAY)


def _emergency(h: Hospital) -> None:
    with session(h, "ben", "night-1") as s:
        args = {"patient": "p-1"}
        waiting = _attempt(h, s, read_chart, args, call_id="g1")
        h.clock.advance(30.0)
        h.desk.authority.break_glass(h.human("emma", sure=True), waiting, reason="Adaeze Quellhund is bleeding")
        _attempt(h, s, read_chart, args, call_id="g1", name="glass")
    h.clock.advance(9 * HOUR)


def _standing(h: Hospital) -> None:
    with session(h, "ben", "charts-1") as s:
        waiting = _attempt(h, s, read_chart, {"patient": "p-2"}, call_id="s1")
        terms = StandingTerms(seconds=2 * HOUR, uses=3)
        _decide(h, waiting, "chen", Answer.APPROVE, standing=terms)
        for n in (1, 2, 3):
            _attempt(h, s, read_chart, {"patient": "p-2"}, call_id=f"s{n}", name="standing")
    h.clock.advance(DAY)


def _lost(h: Hospital) -> None:
    with session(h, "ben", "merge-1") as s:
        args = {"left": "p-1", "right": "p-2"}
        waiting = _attempt(h, s, merge_records, args, call_id="m1")
        _decide(h, waiting, "chen", Answer.APPROVE)
        _attempt(h, s, merge_records, args, call_id="m1", name="lost")
    h.clock.advance(DAY)


def _failures(h: Hospital) -> None:
    with session(h, "ana", "labs-1") as s:
        _attempt(h, s, labs, {"code": "k"}, name="failed")
    act = h.desk.authority.freeze(h.human("okafor"), agent="research-agent", reason="too many exports")
    h.clock.advance(HOUR)
    with contextlib.suppress(ApprovalError):
        h.desk.authority.unfreeze(h.human("okafor"), act.id, reason="sorted out")
    h.clock.advance(DAY)


def _shadow(h: Hospital) -> None:
    """The same policy, only tried out, by another process: what it would have denied runs."""
    (h.desk.folder / "tried.yaml").write_text(POLICY.replace("metadata:", "mode: shadow\nmetadata:"), "utf-8")
    tried = replace(h, guard=h.desk.guard(h.desk.folder / "tried.yaml", detector=WordDetector(CANARIES)))
    with session(tried, "ana", "tried-1") as s:
        _attempt(tried, s, send_letter, {"to": "x@other.example", "body": "912-44-7731"}, name="let through")
    h.clock.advance(DAY)


def _reviews(h: Hospital) -> None:
    """Rena looks at the emergency and at the lost call; the rest waits."""
    glass = next(r for r in h.store.records() if r.draft.body.get("toolguard.act.kind") == "break_glass")
    h.clock.advance(HOUR)
    says = {"finding": "justified", "reason": "the chart of Adaeze Quellhund was needed"}
    h.desk.authority.sign_review(h.human("rena", sure=True), str(glass.draft.body["toolguard.act.id"]), **says)
    h.clock.advance(HOUR)
    says = {"finding": "not_justified", "reason": "should not have been merged"}
    h.desk.authority.sign_review(h.human("rena"), h.calls["lost"], **says)


def _reciprocity(h: Hospital) -> None:
    for n, (asks, answers) in enumerate([("ana", "chen"), ("chen", "ana"), ("ana", "chen")]):
        with session(h, asks, f"pair-{n}") as s:
            body = {"to": "records@other.example", "body": f"Zorvel Pellminska again ({n})"}
            waiting = _attempt(h, s, send_letter, body, call_id=f"p{n}")
            _decide(h, waiting, answers, Answer.APPROVE, after=0.4)
            _attempt(h, s, send_letter, body, call_id=f"p{n}")
        h.clock.advance(2 * HOUR)
