"""T4: whoever can write to the database file, and has no key, tries to get a call to run.

Each edit is refused at the guard, or leaves the journal's chain broken (`toolguard audit verify` says so), or is
named below as out of reach: a whole file set back to an earlier moment is an earlier moment, and only an anchor
outside the file can tell.
"""

import sqlite3

import pytest

from toolguard import BoundTool, Suspended
from toolguard._core.audit import verify_chain
from toolguard._core.call import Tool
from toolguard.errors import DeniedError, InvalidatedError, ReplayError, StoreError, ToolguardError
from toolguard.testing import WordDetector

ADA, BOB = "Ada Byron", "Bob Smith"


class Case:
    """One call that waits, the tool behind it, and a hand in the file."""

    def __init__(self, desk, policy, ana, detector=None):
        self.desk, self.ran = desk, []
        self.bound = BoundTool(
            tool=Tool.describe("export", source="app"), invoke=lambda passed: self.ran.append(passed) or "ok"
        )
        parts = {} if detector is None else {"detector": detector}
        self.guard = desk.guard(policy, **parts)
        self.session = self.guard.session(caller=ana, run="r")

    def ask(self, call_id="c", **arguments):
        with pytest.raises(Suspended) as waits:
            self.call(call_id, **arguments)
        return waits.value.approval_id

    def call(self, call_id="c", **arguments):
        return self.session.call(self.bound, arguments or {"to": "x"}, call_id=call_id)

    def approved(self, call_id="c", **arguments):
        approval = self.ask(call_id, **arguments)
        self.desk.approve(approval)
        return approval

    def edit(self, statement, *values):
        db = sqlite3.connect(self.desk.folder / "toolguard.db", isolation_level=None)
        try:
            return db.execute(statement, values).fetchall()
        finally:
            db.close()


@pytest.fixture
def case(filed, policy, ana):
    return Case(filed, policy, ana)


# --- saying yes without a person ------------------------------------------------------------------------

YES = {
    "the state alone": ["UPDATE approvals SET state = 'approved', grant_expires = 9e9, version = 2"],
    "with a payload of its own": [
        (
            "UPDATE approvals SET state = 'approved', grant_expires = 9e9, grant_payload = x'7b7d', "
            "grant_signature = zeroblob(64), grant_key = 'sign-0000000000000000'"
        )
    ],
    "and an approver's verdict": [
        (
            "INSERT INTO verdicts SELECT id, 0, tenant, 'approve', 'chen', 0.0, json_object('request', id, 'answer', "
            "'approve', 'person', 'chen', 'identity', json_object('issuer', 'local', 'tenant', 'general', 'subject', "
            "'chen'), 'groups', json_array('privacy-office'), 'seen_call_digest', call_digest, 'seen_view_digest', "
            "view_digest, 'reason', 'ok', 'channel', 'x', 'auth', 'x', 'at', 0.0) FROM approvals"
        ),
        "UPDATE approvals SET state = 'approved', grant_expires = 9e9",
    ],
    "as if it ran already": [
        "UPDATE approvals SET state = 'executed', outcome = 'ok'",
        "UPDATE ledger SET standing = 'executed', result = x'7b7d'",
    ],
    "the ledger alone": ["UPDATE ledger SET standing = 'failed', asked = 0"],
    "no ledger row": ["DELETE FROM ledger"],
    "running already": ["UPDATE approvals SET state = 'executing'", "UPDATE ledger SET standing = 'executing'"],
}


@pytest.mark.parametrize("edits", YES.values(), ids=YES)
def test_t4_a_yes_written_by_hand_runs_nothing(case, edits):
    case.ask()
    for edit in edits:
        case.edit(edit)
    for _ in range(2):
        with pytest.raises(ToolguardError):
            case.call()
    assert case.ran == []


def test_t4_a_grant_of_another_request_runs_nothing(case):
    case.approved("one")
    case.ask("two", to="evil")
    for column in ("grant_payload", "grant_signature", "grant_key", "grant_expires", "state"):
        case.edit(f"UPDATE approvals SET {column} = (SELECT {column} FROM approvals WHERE n = 1) WHERE n = 2")
    case.edit(
        "INSERT INTO verdicts SELECT (SELECT id FROM approvals WHERE n = 2), n, tenant, answer, person, at, verdict FROM verdicts"
    )
    with pytest.raises(InvalidatedError):
        case.call("two", to="evil")
    assert case.ran == []


def test_t4_a_signature_by_a_key_that_is_not_pinned_runs_nothing(case, tmp_path):
    from toolguard._core.approval import resolution_payload
    from toolguard.keys import Ed25519Signer, Purpose, SecretKey

    approval = case.approved()
    forged = Ed25519Signer(SecretKey.generate(Purpose.SIGN)).sign(
        resolution_payload(case.desk.store.get("general", approval))
    )
    case.edit("UPDATE approvals SET grant_signature = ?, grant_key = ?", forged.signature, forged.key_id)
    with pytest.raises(InvalidatedError):
        case.call()
    assert case.ran == []


# --- every column of an approved request ----------------------------------------------------------------

COLUMNS = {
    "id": "'00000000000000000000000000000000'",
    "tenant": "'other'",
    "state": "'pending'",
    "version": "'seven'",
    "ref": "'1:r/1:d/0'",
    "call_digest": "'v1:00'",
    "expires": "9e9",
    "grant_expires": "9e9",
    "grant_payload": "10000000000",
    "grant_signature": "NULL",
    "grant_key": "'sign-1'",
    "lease_until": "'soon'",
    "changed": "'never'",
    "sealed": "10000000000",
    "request": "replace(request, 'export', 'expo')",
}


@pytest.mark.parametrize("column", COLUMNS)
def test_t4_an_edited_column_of_an_approved_request_runs_nothing(case, column):
    case.approved()
    case.edit("PRAGMA foreign_keys = OFF")
    case.edit(f"UPDATE approvals SET {column} = {COLUMNS[column]}")
    with pytest.raises(ToolguardError):
        case.call()
    assert case.ran == []


@pytest.mark.parametrize(
    "column",
    [
        "session",
        "tool",
        "args_digest",
        "view_digest",
        "policy_sha256",
        "risk_level",
        "requester",
        "agent",
        "created",
        "deadline",
        "outcome",
    ],
)
def test_a_column_that_only_lists_are_searched_by_decides_nothing(case, column):
    """These repeat what the request says, for lists; the guard reads the request."""
    case.approved()
    case.edit(f"UPDATE approvals SET {column} = 7")
    case.call()
    assert len(case.ran) == 1


REQUEST = {
    "$.view": '{"to": "the ward"}',
    "$.decisive": '{"to": "the ward"}',
    "$.because": '"routine"',
    "$.tool": '"lookup"',
    "$.risk_level": '"low"',
    "$.evidence": "[]",
    "$.agent_reason": '"chen asked me to"',
    "$.agent": '"another-agent"',
    "$.requester.subject": '"okafor"',
    "$.requester_person": '"chen"',
    "$.excluded": "[]",
    "$.approver_rules[0].approvers": '["person:ana"]',
    "$.approver_rules[0].quorum": "0",
    "$.claim_ttl": "900000.0",
    "$.expires": "9000000000.0",
    "$.view_digest": '"v1:00"',
    "$.args_digest": '"v1:00"',
    "$.truncated": "true",
    "$.entities": '{"PERSON": 1}',
    "$.call": '"00000000000000000000000000000000"',
    "$.session": '"another"',
    "$.rules": '["routine"]',
    "$.policy_sha256": '"00"',
}


@pytest.mark.parametrize("path", REQUEST)
def test_t4_what_the_approver_was_shown_is_what_was_asked(case, path):
    """The request is edited while it waits, a person says yes to what they see, and the guard does not believe it."""
    approval = case.ask()
    case.edit("UPDATE approvals SET request = json_set(request, ?, json(?))", path, REQUEST[path])
    case.edit(
        "UPDATE approvals SET expires = json_extract(request, '$.expires'), view_digest = json_extract(request, '$.view_digest')"
    )
    for by in ("chen", "ana"):
        try:
            case.desk.approve(approval, by=by)
        except ToolguardError:
            continue
    with pytest.raises((InvalidatedError, DeniedError)):
        case.call()
    assert case.ran == []


def test_t4_a_view_of_another_request_with_its_own_digest_is_not_believed(case):
    case.ask("one", to="ward")
    approval = case.ask("two", to="evil")
    for path in ("$.view", "$.view_digest", "$.decisive"):  # with -> a value keeps its JSON type
        case.edit(
            f"UPDATE approvals SET request = json_set(request, '{path}', "
            f"(SELECT json(request -> '{path}') FROM approvals WHERE n = 1)) WHERE n = 2"
        )
    assert case.desk.store.get("general", approval).request.view == {"to": "ward"}
    case.desk.approve(approval)
    with pytest.raises(InvalidatedError):
        case.call("two", to="evil")
    assert case.ran == []


# --- taking back a no, running twice --------------------------------------------------------------------


def rows(case):
    approval = case.edit(
        "SELECT state, version, grant_expires, changed, outcome, grant_payload, grant_signature, grant_key FROM approvals"
    )[0]
    return approval, case.edit("SELECT count(*) FROM verdicts")[0][0]


def set_back(case, before):
    approval, verdicts = before
    case.edit(
        "UPDATE approvals SET state = ?, version = ?, grant_expires = ?, changed = ?, outcome = ?, grant_payload = ?, "
        "grant_signature = ?, grant_key = ?",
        *approval,
    )
    case.edit("DELETE FROM verdicts WHERE n >= ?", verdicts)
    case.edit("UPDATE ledger SET standing = 'asked', result = x''")


def test_t4_a_veto_taken_out_and_the_signed_yes_put_back_runs_nothing(case):
    """Everything the guard reads of the approval is genuine then; the register of acts still holds the veto."""
    approval = case.approved()
    before = rows(case)
    case.desk.deny(approval)
    set_back(case, before)
    assert case.desk.store.get("general", approval).state.value == "approved"
    with pytest.raises(InvalidatedError):
        case.call()
    assert case.ran == []


def test_t4_an_executed_approval_set_back_does_not_run_again(case):
    case.approved()
    before = rows(case)
    case.call()
    set_back(case, before)
    with pytest.raises(ReplayError):
        case.call()
    assert len(case.ran) == 1


@pytest.mark.parametrize(
    "edit",
    [
        "DELETE FROM records WHERE kind = 'call.executing'",
        "UPDATE records SET kind = 'call.decided' WHERE kind = 'call.executing'",
        "UPDATE records SET call = '' WHERE kind = 'call.executing'",
    ],
)
def test_t4_who_also_takes_it_out_of_the_journal_is_found_by_its_chain(case, edit):
    """Out of reach at the guard: all rows and the journal set back by one hand. The chain shows it afterwards."""
    case.approved()
    before = rows(case)
    case.call()
    set_back(case, before)
    case.edit(edit)
    case.call()
    assert len(case.ran) == 2
    faults = [f for log in case.desk.store.logs() for f in verify_chain(case.desk.store.records(log_id=log))[1]]
    assert faults


def test_t4_a_request_that_expired_is_not_revived(filed, policy, ana):
    from toolguard.testing import FakeClock
    from toolguard.testing.desk import Desk

    clock = FakeClock()
    desk = Desk(filed.folder / "..", store=f"sqlite:///{filed.folder / 'toolguard.db'}", clock=clock)
    case = Case(desk, policy, ana)
    case.desk.folder = filed.folder
    approval = case.approved()
    clock.advance(1000.0)
    for edit in (
        "UPDATE meta SET value = 0.0 WHERE key = 'time'",
        "UPDATE approvals SET grant_expires = 9e9, deadline = 9e9",
        "UPDATE approvals SET request = json_set(request, '$.claim_ttl', 9e9)",
    ):
        case.edit(edit)
    with pytest.raises((DeniedError, InvalidatedError)):
        case.call()
    assert case.ran == []
    assert desk.store.get("general", approval).state.value != "executed"
    desk.store.close()


# --- the file does more than it was told ----------------------------------------------------------------

TRIGGERS = [
    "CREATE TRIGGER t AFTER UPDATE ON ledger BEGIN UPDATE ledger SET standing = 'asked'; END",
    "CREATE TRIGGER t AFTER UPDATE OF state ON approvals BEGIN UPDATE approvals SET state = 'approved'; END",
    "CREATE TRIGGER t AFTER INSERT ON records BEGIN DELETE FROM records WHERE kind = 'call.executing'; END",
    "CREATE TRIGGER t BEFORE INSERT ON records BEGIN SELECT RAISE(IGNORE); END",
]


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_t4_a_trigger_in_the_file_stops_the_store(case, trigger):
    case.approved()
    case.edit(trigger)
    for _ in range(3):
        with pytest.raises(StoreError):
            case.call()
    assert case.ran == []


def test_t4_a_view_in_place_of_a_table_stops_the_store(case):
    case.approved()
    case.edit("ALTER TABLE verdicts RENAME TO real_verdicts")
    case.edit("CREATE VIEW verdicts AS SELECT * FROM real_verdicts WHERE answer = 'approve'")
    with pytest.raises(StoreError):
        case.call()
    assert case.ran == []


@pytest.mark.parametrize("value", ["'soon'", "NULL", "9e999", "x'00'"])
def test_a_spoilt_clock_in_the_file_runs_nothing(case, value):
    case.approved()
    case.edit(f"UPDATE meta SET value = {value} WHERE key = 'time'")
    with pytest.raises(StoreError):
        case.call()
    assert case.ran == []


# --- the vault ------------------------------------------------------------------------------------------

VAULT = {
    "values swapped": "UPDATE tokens SET value = (SELECT value FROM tokens t WHERE t.idx = 3 - tokens.idx)",
    "numbers swapped": "UPDATE tokens SET idx = 3 - idx",
    "another session's": "UPDATE tokens SET session = 'another'",
    "another tenant's": "UPDATE tokens SET tenant = 'another'",
    "another type": "UPDATE tokens SET type = 'MRN'",
    "another namespace": "UPDATE tokens SET namespace = 'M'",
    "a value of its own": "UPDATE tokens SET value = x'01'",
    "no blob": "UPDATE tokens SET value = 7",
}


@pytest.mark.parametrize("edit", VAULT.values(), ids=VAULT)
def test_t4_no_token_is_made_to_mean_another_patient(filed, policy, ana, edit):
    """A value opens only in its own place; one that does not open stops the call."""
    ran = []
    detector = WordDetector({ADA: "PERSON", BOB: "PERSON"})
    with filed.guard(policy, detector=detector).session(caller=ana, run="r") as session:
        assert session.mask(f"{ADA} {BOB}") == "<PERSON_1> <PERSON_2>"
    hand = sqlite3.connect(filed.folder / "toolguard.db", isolation_level=None)
    if "idx = 3 - idx" in edit:
        hand.execute("UPDATE tokens SET idx = idx + 10")
        edit = "UPDATE tokens SET idx = 13 - idx"
    hand.execute(edit)
    hand.close()
    fresh = filed.guard(policy, store=filed.store_url, detector=detector)
    try:
        with fresh.session(caller=ana, run="r") as session:
            session.call(
                BoundTool(tool=Tool.describe("lookup", source="app"), invoke=ran.append), {"name": "<PERSON_1>"}
            )
    except ToolguardError:
        pass
    finally:
        fresh.close()
    assert ran in ([], [{"name": "<PERSON_1>"}])


def test_t4_a_name_filed_under_another_patients_token_is_refused(filed, policy, ana):
    detector = WordDetector({ADA: "PERSON", BOB: "PERSON"})
    with filed.guard(policy, detector=detector).session(caller=ana, run="r") as session:
        session.mask(f"{ADA} {BOB}")
    hand = sqlite3.connect(filed.folder / "toolguard.db", isolation_level=None)
    (ada, bob) = [s for (s,) in hand.execute("SELECT spelling FROM tokens ORDER BY idx")]
    hand.execute("UPDATE tokens SET spelling = 'x' WHERE idx = 1")
    hand.execute("UPDATE tokens SET spelling = ? WHERE idx = 2", (ada,))
    hand.execute("UPDATE tokens SET spelling = ? WHERE idx = 1", (bob,))
    hand.close()
    fresh = filed.guard(policy, store=filed.store_url, detector=detector)
    with fresh.session(caller=ana, id="r", run="other") as session, pytest.raises(StoreError):
        session.mask(ADA)
    fresh.close()


def test_a_result_kept_for_one_call_is_not_given_for_another(filed, policy, ana):
    ran = []
    bound = BoundTool(tool=Tool.describe("send", source="app"), invoke=lambda passed: ran.append(1) or passed)
    with filed.guard(policy).session(caller=ana, run="r") as session:
        for call in ("one", "two"):
            permit = session.authorise(bound, {"n": call}, ref=session.ref(call), replays=True)
            session.execute(bound, permit, replays=True)
        hand = sqlite3.connect(filed.folder / "toolguard.db", isolation_level=None)
        (first,) = hand.execute("SELECT result FROM ledger ORDER BY ref LIMIT 1").fetchone()
        hand.execute("UPDATE ledger SET result = ?", (first,))
        hand.close()
        answers = []
        for call in ("one", "two"):
            permit = session.authorise(bound, {"n": call}, ref=session.ref(call), replays=True)
            try:
                answers.append(session.execute(bound, permit, replays=True).value)
            except StoreError:
                answers.append(None)
    assert sorted(answers, key=str) == [None, {"n": "one"}]
    assert ran == [1, 1]
