"""Acts of the approval service under attack: freezes, vetoes, standing approvals and broken glass, from call to guard.

T4 once more, for who can write to the file and has no key. Each edit is refused at the guard or by the service, or it
leaves register and journal apart, which `toolguard audit verify` says. What only a witness outside the file can tell is
named as such.
"""

import sqlite3
from contextlib import suppress
from dataclasses import replace

import pytest

from toolguard import BoundTool, Suspended
from toolguard._core.approval import Answer, Assured, StandingTerms, State, Vary
from toolguard._core.call import Assurance, Tool
from toolguard.errors import (
    ApprovalError,
    DeniedError,
    InvalidatedError,
    ReplayError,
    StoreError,
    TamperedError,
    ToolguardError,
)
from toolguard.journal import verify
from toolguard.policyfile import load_policy
from toolguard.testing.desk import DIRECTORY, Desk

POLICY = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: acts, version: 1, owner: privacy@general.example}
approvals:
  default:
    approvers: ["group:privacy-office"]
    standing: {for: 8h, uses: 3}
    break_glass: ["group:emergency"]
    denial_memory: 0
tools:
  read_chart: {risk: high, category: [read], subject: patient, decisive: [unit]}
"""
LOADED = load_policy(POLICY, name="acts")
PEOPLE = (
    DIRECTORY.replace(
        "groups:\n",
        "  - {id: sid, name: Sid, identities: [{issuer: local, tenant: general, subject: sid}]}\n"
        "  - {id: tess, name: Tess, identities: [{issuer: local, tenant: general, subject: tess}]}\n"
        "  - {id: emma, name: Emma, identities: [{issuer: local, tenant: general, subject: emma}]}\n"
        "  - {id: wu, name: Wu, identities: [{issuer: local, tenant: general, subject: wu}]}\n"
        "groups:\n  - {name: emergency, tenant: general, members: [emma]}\n",
    ).replace("members: [ana, chen, okafor]", "members: [ana, chen, okafor, wu]")
    + """\
duties:
  - {tenant: general, freeze: ["person:sid", "person:tess"], resolve: ["person:sid"], review: ["person:lee"]}
"""
)
TO = {"unit": "ward", "patient": "7", "n": 1}
TERMS = StandingTerms(seconds=3600.0, uses=2, vary=(Vary(argument="n", at_most=10.0),))


class Case:
    """A guard, the tool behind it, the service, and a hand in the file."""

    def __init__(self, folder, ana):
        self.desk = Desk(folder, directory=PEOPLE)
        self.authority = self.desk.authority
        self.ran = []
        self.bound = BoundTool(
            tool=Tool.describe("read_chart", source="app"), invoke=lambda passed: self.ran.append(passed) or "ok"
        )
        self.ana = replace(ana, assurance=Assurance.VERIFIED)
        self.guard = self.desk.guard(LOADED)
        self.session = self.guard.session(caller=self.ana, run="r")

    def another_guard(self):
        """A process that has read nothing yet."""
        guard = self.desk.guard(LOADED)
        return guard.session(caller=self.ana, run="r")

    def call(self, call_id="c", session=None, **arguments):
        return (session or self.session).call(self.bound, {**TO, **arguments}, call_id=call_id)

    def ask(self, call_id="c", **arguments):
        with pytest.raises(Suspended) as waits:
            self.call(call_id, **arguments)
        return waits.value.approval_id

    def approve(self, approval, by="chen", **more):
        stands = self.desk.read(approval)
        return self.authority.decide(
            self.desk.human(by),
            approval,
            Answer.APPROVE,
            seen_call_digest=stands.request.call_digest,
            seen_view_digest=stands.request.view_digest,
            reason="checked",
            version=stands.version,
            **more,
        )

    def approved(self, call_id="c", **arguments):
        approval = self.ask(call_id, **arguments)
        self.approve(approval)
        return approval

    def standing(self, call_id="first"):
        """A yes that stands; its own call has run."""
        approval = self.ask(call_id)
        self.approve(approval, standing=TERMS)
        self.call(call_id)
        (view,) = self.authority.standings(self.desk.human("chen"))
        return view.standing

    def broken(self, call_id="c", **arguments):
        approval = self.ask(call_id, **arguments)
        emma = self.desk.human("emma", assured=Assured.STEPPED_UP)
        self.authority.break_glass(emma, approval, reason="bleeding")
        return approval

    def edit(self, statement, *values):
        db = sqlite3.connect(self.desk.folder / "toolguard.db", isolation_level=None)
        try:
            return db.execute(statement, values).fetchall()
        finally:
            db.close()

    def save(self):
        """Rows of an approval as they are, to be put back later."""
        return self.edit("SELECT * FROM approvals"), self.edit("SELECT * FROM verdicts")

    def put_back(self, saved):
        self.edit("PRAGMA foreign_keys = OFF")
        for table, rows in zip(("approvals", "verdicts"), saved, strict=True):
            self.edit(f"DELETE FROM {table}")
            for row in rows:
                self.edit(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", *row)
        self.edit("UPDATE ledger SET standing = 'asked', result = x''")

    def faults(self):
        report = verify(self.desk.store)
        return {f.code for f in report.acts} | {f.code for f in report.states} | {f.code for f in report.faults}


@pytest.fixture
def case(tmp_path, ana):
    case = Case(tmp_path, ana)
    yield case
    case.desk.store.close()


# --- from call to guard, without an attack


def test_a_yes_that_stands_lets_calls_like_it_run_and_no_others(case):
    """Attack: "always approve" given for one recipient and amount, used for another."""
    case.standing()
    case.call("two", n=10)
    for other in ({"unit": "elsewhere"}, {"n": 11}, {"patient": "8"}, {"extra": 1}):
        case.ask(f"other-{next(iter(other))}", **other)
    case.call("three", n=2)
    case.ask("four", n=3)
    assert [r["n"] for r in case.ran] == [1, 10, 2]
    assert case.faults() == set()


def test_a_guard_that_read_the_register_before_hears_of_what_stands_now(case):
    case.ask("early", unit="elsewhere")
    other = case.another_guard()
    with pytest.raises(Suspended) as waits:
        case.call("one", other)
    case.approve(waits.value.approval_id, standing=TERMS)
    case.call("two", n=2)
    assert [r["n"] for r in case.ran] == [2]


def test_t19_a_frozen_agent_runs_nothing_and_after_a_second_person_it_asks_anew(case):
    approval = case.approved()
    case.standing("s")
    frozen = case.authority.freeze(case.desk.human("tess"), agent="discharge-agent", reason="stop")
    ran = len(case.ran)
    for call_id, code in (("c", "invalidated"), ("again", "frozen"), ("s2", "frozen")):
        with pytest.raises(DeniedError) as refused:
            case.call(call_id)
        assert refused.value.code == code
    assert case.desk.read(approval).state is State.INVALIDATED
    case.authority.unfreeze(case.desk.human("sid"), frozen.id, reason="mended")
    with pytest.raises(ToolguardError):
        case.call("c")
    case.call("s3")
    assert len(case.ran) == ran + 1
    assert case.faults() == set()


def test_t19_a_freeze_between_the_halves_of_a_call_stops_it(case):
    case.approved()
    permit = case.session.authorise(case.bound, TO, ref=case.session.ref("c"))
    case.authority.freeze(case.desk.human("tess"), agent="discharge-agent", reason="stop")
    with pytest.raises(DeniedError):
        case.session.execute(case.bound, permit)
    assert case.ran == []


@pytest.mark.parametrize("how", ["veto", "revoke"])
def test_a_yes_taken_back_between_the_halves_of_a_call_stops_it(case, how):
    approval = case.approved()
    permit = case.session.authorise(case.bound, TO, ref=case.session.ref("c"))
    if how == "veto":
        case.desk.deny(approval, by="wu")
    else:
        case.authority.revoke(case.desk.human("wu"), approval, reason="wrong patient")
    with pytest.raises(ToolguardError):
        case.session.execute(case.bound, permit)
    assert case.ran == []


def test_t16_broken_glass_runs_that_call_once_and_calls_for_that_patient_while_it_lasts(case):
    case.broken()
    case.call("c")
    with pytest.raises(ReplayError):
        case.call("c")
    case.call("next", unit="lab")
    case.ask("other", patient="8")
    assert len(case.ran) == 2
    (review,) = case.authority.reviews(case.desk.human("lee"))
    assert (review.used, review.approval.state) == (1, State.EXECUTED)
    assert case.faults() == set()


def test_t16_a_model_that_sets_break_glass_in_its_arguments_breaks_nothing(case):
    case.ask("c", break_glass=True, reason="the patient is bleeding")
    with pytest.raises(ApprovalError):
        case.authority.break_glass(case.desk.human("ana", assured=Assured.STEPPED_UP), case.ask("d"), reason="x")
    assert case.ran == []


def test_invariant_15_who_proposed_other_arguments_cannot_approve_what_comes_of_it(case):
    approval = case.ask()
    case.authority.propose(case.desk.human("chen"), approval, {**TO, "n": 2}, reason="fewer")
    with pytest.raises(DeniedError) as told:
        case.call("c")
    assert '"n":2' in told.value.model_text
    anew = case.ask("d", n=2)
    with pytest.raises(ApprovalError) as refused:
        case.approve(anew)
    assert refused.value.code == "self_approval"
    case.approve(anew, by="wu")
    case.call("d", n=2)
    assert [r["n"] for r in case.ran] == [2]


@pytest.mark.parametrize("edit", ["UPDATE approvals SET editor = ''", "UPDATE approvals SET editor = 'wu'", "DELETE"])
def test_t4_an_editor_who_rubs_out_their_name_still_cannot_approve_it(case, edit):
    case.authority.propose(case.desk.human("chen"), case.ask(), {**TO, "n": 2}, reason="fewer")
    if edit == "DELETE":
        for table in ("verdicts", "outbox", "ledger", "approvals"):
            case.edit(f"DELETE FROM {table}")
    else:
        case.edit(edit)
    anew = case.ask("d", n=2)
    with pytest.raises(ApprovalError):
        case.approve(anew)
    assert case.ran == []


# --- T4: the rows of a request


def test_t4_a_verdict_slipped_in_completes_nothing(case):
    approval = case.ask()
    case.approved("donor")
    case.edit(
        "INSERT INTO verdicts SELECT ?, n, tenant, answer, person, at, replace(verdict, approval, ?) FROM verdicts",
        approval,
        approval,
    )
    with pytest.raises(ApprovalError) as refused:
        case.approve(approval, by="wu")
    assert refused.value.code == "tampered"
    with pytest.raises(Suspended):
        case.call("c")
    assert case.ran == []


RUBBED_OUT = {
    "the veto and its state": [],
    "and the act": ["DELETE FROM acts"],
    "and the act, and its record": ["DELETE FROM acts", "DELETE FROM records WHERE kind = 'act.recorded'"],
}


@pytest.mark.parametrize("edits", RUBBED_OUT.values(), ids=RUBBED_OUT)
@pytest.mark.parametrize("how", ["veto", "revoke"])
def test_t4_a_no_that_is_rubbed_out_stays_a_no(case, how, edits):
    """The row is set back to its genuine yes. Register and journal each hold the no; a fresh process reads either."""
    approval = case.approved()
    saved = case.save()
    if how == "veto":
        case.desk.deny(approval, by="wu")
    else:
        case.authority.revoke(case.desk.human("wu"), approval, reason="wrong patient")
    case.put_back(saved)
    for edit in edits:
        case.edit(edit)
    assert case.desk.read(approval).state is State.APPROVED
    assert case.faults()
    with pytest.raises((InvalidatedError, ReplayError, StoreError)):
        case.call("c", case.another_guard())
    assert case.ran == []


def test_t4_a_denied_request_set_back_to_waiting_is_not_asked_anew(case):
    """No act tells of a no before any yes; the journal does, and the service looks there before it signs."""
    approval = case.ask()
    saved = case.save()
    case.desk.deny(approval, by="wu")
    case.put_back(saved)
    with pytest.raises(ApprovalError) as refused:
        case.approve(approval)
    assert refused.value.code == "tampered"
    assert case.ran == []
    assert "reset" in case.faults()


def test_t4_a_no_taken_out_of_an_unfinished_quorum_is_missed(case):
    """One of two said yes, then no; the no is deleted and the signed yes put back."""
    approval = case.ask()
    case.edit("UPDATE approvals SET request = json_set(request, '$.approver_rules[0].quorum', 2)")
    case.approve(approval)
    saved = case.save()
    case.desk.deny(approval)
    case.put_back(saved)
    with pytest.raises(ApprovalError) as refused:
        case.approve(approval, by="wu")
    assert refused.value.code == "tampered"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("$.reason", '"routine"'),
        ("$.at", "0.0"),
        ("$.channel", '"teams"'),
        ("$.auth", '"token:other"'),
        ("$.assured", "2"),
        ("$.person", '"wu"'),
        ("$.groups", "[]"),
        ("$.acting", '[["group:privacy-office", "wu"]]'),
        ("$.over_budget", "true"),
        ("$.seen_decisive_digest", '"v1:00"'),
    ],
)
def test_t4_an_edited_verdict_is_not_the_signed_one(case, field, value):
    case.approved()
    case.edit("UPDATE verdicts SET verdict = json_set(verdict, ?, json(?))", field, value)
    with pytest.raises((InvalidatedError, StoreError)):
        case.call("c")
    assert case.ran == []


def test_t4_what_the_directory_said_when_it_was_asked_is_asked_again(case):
    """Nobody is excluded, says the row: the service and the guard ask the directory."""
    approval = case.ask()
    case.edit("UPDATE approvals SET request = json_set(request, '$.excluded', json('[]'))")
    for asking in ("ana", "okafor"):
        with pytest.raises(ApprovalError) as refused:
            case.approve(approval, by=asking)
        assert refused.value.code == "self_approval"
    case.approve(approval)
    with pytest.raises(InvalidatedError):
        case.call("c")
    assert case.ran == []


def test_t4_broken_glass_written_by_hand_runs_nothing(case):
    donor = case.broken("donor")
    approval = case.ask("c", patient="8")
    for column in ("state", "grant_expires", "grant_payload", "grant_signature", "grant_key"):
        case.edit(
            f"UPDATE approvals SET {column} = (SELECT {column} FROM approvals WHERE id = ?) WHERE id = ?",
            donor,
            approval,
        )
    with pytest.raises(InvalidatedError):
        case.call("c", patient="8")
    assert case.ran == []


# --- T4: the register of acts

FROZEN = "a fresh process that never read the freeze cannot miss it: only a witness outside the file can"


def edit_act(case, n, change):
    """The payload of one act, changed without the key."""
    ((payload,),) = case.edit("SELECT payload FROM acts WHERE n = ?", n)
    assert change(payload) != payload
    case.edit("UPDATE acts SET payload = ? WHERE n = ?", change(payload), n)


ACT_EDITS = {
    "an act in the middle taken out": lambda c: c.edit("DELETE FROM acts WHERE n = 2"),
    "an act in the middle taken out and the rest moved up": lambda c: [
        c.edit("DELETE FROM acts WHERE n = 2"),
        c.edit("UPDATE acts SET n = n - 1 WHERE n > 2"),
    ],
    "two acts in each other's place": lambda c: [
        c.edit("UPDATE acts SET n = -n WHERE n IN (1, 2)"),
        c.edit("UPDATE acts SET n = 3 + n WHERE n < 0"),
    ],
    "the agent of a freeze": lambda c: edit_act(c, 1, lambda p: p.replace(b"other-agent", b"third-agent")),
    "the time of an act": lambda c: edit_act(c, 1, lambda p: p.replace(b'"at":1', b'"at":2')),
    "more uses": lambda c: edit_act(c, 3, lambda p: p.replace(b'"uses":2', b'"uses":9')),
    "a longer time": lambda c: edit_act(c, 3, lambda p: p.replace(b'"expires":1', b'"expires":9')),
    "a limit": lambda c: edit_act(c, 3, lambda p: p.replace(b'"at_most":10', b'"at_most":99')),
    "the signature of another act": lambda c: c.edit(
        "UPDATE acts SET signature = (SELECT signature FROM acts WHERE n = 1) WHERE n = 2"
    ),
    "a key nobody pinned": lambda c: c.edit("UPDATE acts SET key_id = 'sign-0000000000000000'"),
    "no bytes at all": lambda c: c.edit("UPDATE acts SET payload = 7 WHERE n = 1"),
    "one act twice": lambda c: c.edit(
        "INSERT INTO acts SELECT tenant, 4, payload, signature, key_id FROM acts WHERE n = 3"
    ),
    "an act of another tenant": lambda c: c.edit(
        "INSERT INTO acts SELECT '*', n, payload, signature, key_id FROM acts WHERE n = 1"
    ),
}


SIGNATURES = [ACT_EDITS["the signature of another act"], ACT_EDITS["a key nobody pinned"]]


@pytest.mark.parametrize("edit", ACT_EDITS.values(), ids=ACT_EDITS)
def test_t4_an_edited_register_stops_every_guard_and_the_service(case, edit):
    tess = case.desk.human("tess")
    for agent in ("other-agent", "third"):
        case.authority.freeze(tess, agent=agent, reason="stop")
    case.standing()
    edit(case)
    ran = len(case.ran)
    with pytest.raises((TamperedError, StoreError)):
        case.call("new", case.another_guard())
    with pytest.raises((ApprovalError, StoreError)):
        case.desk.authority_on(case.desk.store).freezes(tess)
    assert len(case.ran) == ran
    if edit in SIGNATURES:  # the journal holds an act's bytes by their hash; who signed them, readers check
        return
    with suppress(StoreError):  # what cannot be read at all is found by that
        assert case.faults()


def test_t4_the_newest_act_taken_out_is_missed_by_who_has_read_it_and_by_the_journal(case):
    """A freeze is deleted: the guard that knew it, the service, and `audit verify` each notice."""
    case.standing()
    case.authority.freeze(case.desk.human("tess"), agent="discharge-agent", reason="stop")
    with pytest.raises(DeniedError):
        case.call("x")
    permit_before = case.edit("SELECT count(*) FROM acts")
    case.edit("DELETE FROM acts WHERE n = (SELECT max(n) FROM acts)")
    assert case.edit("SELECT count(*) FROM acts") != permit_before
    with pytest.raises((TamperedError, DeniedError, StoreError)):
        case.call("y")
    with pytest.raises(ApprovalError) as refused:
        case.authority.freezes(case.desk.human("tess"))
    assert refused.value.code == "tampered"
    assert case.faults() == {"gone"}
    assert len(case.ran) == 1


def test_t4_out_of_reach_the_newest_act_is_deleted_before_a_fresh_process_reads_it(case):
    """Said, not closed, by the file alone (FROZEN): the journal shows it afterwards, the service's witness before."""
    case.standing()
    case.authority.freeze(case.desk.human("tess"), agent="discharge-agent", reason="stop")
    case.edit("DELETE FROM acts WHERE n = (SELECT max(n) FROM acts)")
    case.call("x", case.another_guard(), n=2)
    assert len(case.ran) == 2
    assert case.faults() == {"gone"}


def test_t4_an_act_made_with_a_key_of_their_own_stops_everything_and_frees_nothing(case):
    from toolguard._core.register import ActKind, act_of, act_payload
    from toolguard.keys import Ed25519Signer, Purpose, SecretKey

    frozen = case.authority.freeze(case.desk.human("tess"), agent="discharge-agent", reason="stop")
    (last,) = [act_of(g) for g in case.desk.store.acts("general")]
    payload = act_payload(
        tenant="general",
        n=2,
        prev=last.hash,
        kind=ActKind.UNFREEZE,
        id="0" * 32,
        at=last.at + 1,
        person="sid",
        identity=case.desk.human("sid").identity,
        auth="x",
        body={"freeze": frozen.id},
    )
    forged = Ed25519Signer(SecretKey.generate(Purpose.SIGN)).sign(payload)
    case.edit("INSERT INTO acts VALUES ('general', 2, ?, ?, ?)", payload, forged.signature, forged.key_id)
    for session in (case.session, case.another_guard()):
        with pytest.raises((TamperedError, DeniedError)):
            case.call("x", session)
    assert case.ran == []
    assert "unrecorded" in case.faults()


@pytest.mark.parametrize("edit", ["DELETE FROM uses", "UPDATE uses SET used = 0", "UPDATE uses SET used = -1000"])
def test_t4_out_of_reach_uses_set_back_give_uses_again_and_the_journal_tells(case, edit):
    """A count is not signed. More calls like the approved one run, within its time; the journal has each of them."""
    case.standing()
    case.call("two", n=2)
    case.call("three", n=3)
    case.ask("four", n=4)
    case.edit(edit)
    case.call("five", n=5)
    assert case.faults() == {"uses"}


def test_a_count_raised_by_hand_gives_nothing(case):
    case.standing()
    case.edit("INSERT INTO uses VALUES ('general', (SELECT 'x'), 99)")
    case.edit(
        "INSERT OR REPLACE INTO uses SELECT 'general', ?, 99",
        case.authority.standings(case.desk.human("chen"))[0].standing.id,
    )
    case.ask("two", n=2)
    assert case.faults() == set()


# --- after it was resolved, and at once


def test_who_resolves_a_lost_call_runs_nothing_by_it(case):
    approval = case.approved()
    permit = case.session.authorise(case.bound, TO, ref=case.session.ref("c"))
    case.session.execute(case.bound, permit)
    case.edit("UPDATE approvals SET state = 'indeterminate'")
    case.edit("UPDATE ledger SET standing = 'executing'")
    case.authority.resolve(case.desk.human("sid"), approval, ran=False, evidence="its log")
    for session in (case.session, case.another_guard()):
        with pytest.raises(ToolguardError):
            case.call("c", session)
    assert len(case.ran) == 1


def test_a_standing_approval_used_by_many_at_once_gives_as_many_as_it_may(case):
    import threading

    case.standing()
    start, outcomes = threading.Barrier(8), []

    def use(n):
        session = case.another_guard()
        start.wait()
        try:
            case.call(f"many-{n}", session, n=2)
            outcomes.append("ran")
        except (Suspended, DeniedError) as refused:
            outcomes.append(refused.code)

    threads = [threading.Thread(target=use, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 8
    assert outcomes.count("ran") == 2
    assert len(case.ran) == 3
    assert case.faults() == set()
