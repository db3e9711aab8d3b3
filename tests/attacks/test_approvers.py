"""Saying yes as the wrong body, or to something else than was seen."""

from dataclasses import replace

import pytest

from toolguard import BoundTool, Suspended
from toolguard._core.approval import Answer, State
from toolguard._core.call import Person, Tool
from toolguard.authority import Human, Service
from toolguard.errors import DetectionError, NotFoundError, ToolguardError
from toolguard.testing.desk import DIRECTORY, Desk

MORE = (
    DIRECTORY
    + """\
  - {name: other-agent, tenant: other, owners: [lee]}
services:
  - name: guard
    tenant: general
    owners: [okafor]
    agents: [discharge-agent]
    identities: [{issuer: local, tenant: general, subject: robot}]
"""
)


@pytest.fixture
def desk(tmp_path):
    directory = MORE.replace(
        "groups:\n",
        "  - {id: mallory, name: Mallory, identities: [{issuer: local, tenant: other, subject: mallory},\n"
        "                                              {issuer: local, tenant: other, subject: chen}]}\n"
        "groups:\n  - {name: privacy-office, tenant: other, members: [mallory]}\n",
    )
    desk = Desk(tmp_path, store="memory:", directory=directory)
    yield desk
    desk.store.close()


@pytest.fixture
def waiting(desk, policy, ana):
    """A call that waits: its approval, and a way to make it again."""
    ran = []
    bound = BoundTool(tool=Tool.describe("export", source="app"), invoke=lambda passed: ran.append(passed) or "ok")
    session = desk.guard(policy).session(caller=ana, run="r")
    with pytest.raises(Suspended) as waits:
        session.call(bound, {"to": "x"}, call_id="c")
    approval = desk.store.get("general", waits.value.approval_id)
    return approval, lambda: session.call(bound, {"to": "x"}, call_id="c"), ran


def decide(desk, approval, who, **changes):
    given = {
        "seen_call_digest": approval.request.call_digest,
        "seen_view_digest": approval.request.view_digest,
        "reason": "checked",
        "version": approval.version,
        **changes,
    }
    return desk.authority.decide(who, approval.id, Answer.APPROVE, **given)


def human(subject, tenant="general", issuer="local"):
    return Human(identity=Person(issuer=issuer, tenant=tenant, subject=subject), channel="rest", auth="token:x")


BODIES = {
    "the requester": human("ana"),
    "the requester's badge": human("7781", issuer="badge"),
    "the owner of the agent": human("okafor"),
    "nobody special": human("lee"),
    "the service account as a person": human("robot"),
    "a person nobody knows": human("ghost"),
    "the approver's name from another issuer": human("chen", issuer="evil"),
    "the approver's name in another case": human("Chen"),
    "the approver's name with a blank": human("chen "),
    "the approver's look-alike": human("сhen"),
    "the group of the same name elsewhere": human("mallory", tenant="other"),
    "the approver's name elsewhere": human("chen", tenant="other"),
    "a program": Service(name="guard", tenant="general", agents=frozenset({"discharge-agent"}), auth="token:x"),
    "no actor at all": None,
}


@pytest.mark.parametrize("who", BODIES.values(), ids=BODIES)
def test_invariant_3_no_wrong_body_can_say_yes(desk, waiting, who):
    approval, again, ran = waiting
    with pytest.raises(ToolguardError):
        decide(desk, approval, who)
    with pytest.raises(Suspended):
        again()
    assert ran == []
    assert desk.store.get("general", approval.id).state is State.PENDING


SEEN = {
    "another call": {"seen_call_digest": "v1:00"},
    "another view": {"seen_view_digest": "v1:00"},
    "nothing": {"seen_call_digest": "", "seen_view_digest": ""},
    "no version": {"version": None},
    "an old version": {"version": 0},
    "no reason": {"reason": ""},
    "a blank reason": {"reason": " \n\t"},
}


@pytest.mark.parametrize("changes", SEEN.values(), ids=SEEN)
def test_a_yes_to_something_else_than_was_seen_is_refused(desk, waiting, changes):
    approval, again, ran = waiting
    with pytest.raises(ToolguardError):
        decide(desk, approval, human("chen"), **changes)
    with pytest.raises(Suspended):
        again()
    assert ran == []


def test_a_request_of_another_tenant_is_not_there(desk, waiting):
    approval, _, _ = waiting
    with pytest.raises(NotFoundError):
        desk.authority.get(human("mallory", tenant="other"), approval.id)


def test_who_left_the_group_after_the_card_went_out_cannot_say_yes(desk, waiting):
    approval, again, ran = waiting
    text = desk.directory_file.read_text()
    desk.directory_file.write_text(text.replace("members: [ana, chen, okafor]", "members: [ana, okafor]"))
    with pytest.raises(ToolguardError):
        decide(desk, approval, human("chen"))
    assert ran == []
    with pytest.raises(Suspended):
        again()


def test_invariant_9_who_becomes_an_owner_of_the_agent_after_the_yes_no_longer_counts(desk, waiting):
    approval, again, ran = waiting
    decide(desk, approval, human("chen"))
    text = desk.directory_file.read_text()
    desk.directory_file.write_text(text.replace("owners: [okafor]}", "owners: [okafor, chen]}"))
    with pytest.raises(ToolguardError) as refused:
        again()
    assert refused.value.code == "invalidated"
    assert ran == []


def test_clicking_a_hundred_times_approves_once_and_runs_once(desk, waiting):
    approval, again, ran = waiting
    decide(desk, approval, human("chen"))
    for _ in range(100):
        with pytest.raises(ToolguardError):
            decide(desk, approval, human("chen"))
    again()
    for _ in range(3):
        with pytest.raises(ToolguardError):
            again()
    assert len(ran) == 1


def test_the_reason_of_an_approver_is_withheld_where_the_detector_fails_in_any_way(desk, waiting):
    from toolguard.testing import NoDetector

    for raised in (RuntimeError, DetectionError, RecursionError, StopIteration):

        class Broken(NoDetector):
            def session(self):
                return self

            def inspect(self, value, *, origin, schema=None, raised=raised):
                raise raised("Ada Byron")

        from toolguard.authority.reason import WITHHELD, masked_reason

        assert masked_reason(Broken(), "Ada Byron agreed") == WITHHELD


def test_a_suspension_says_nothing_that_could_be_used_as_a_yes(desk, policy, ana, waiting):
    """Framework state carries an approval id and a digest, and is never believed."""
    approval, _, ran = waiting
    bound = BoundTool(tool=Tool.describe("export", source="app"), invoke=ran.append)
    with desk.guard(policy).session(caller=ana, run="elsewhere") as session:
        given = {"to": "x", "approval_id": approval.id, "call_digest": approval.request.call_digest}
        with pytest.raises(Suspended) as waits:
            session.call(bound, given, call_id=approval.id)
    assert waits.value.approval_id != approval.id
    assert ran == []


def test_an_approval_object_changed_in_memory_is_not_believed(desk, policy, ana, waiting):
    """In-process code puts its own approval into a permit: the claim compares with the store."""
    approval, _, ran = waiting
    bound = BoundTool(tool=Tool.describe("export", source="app"), invoke=ran.append)
    with desk.guard(policy).session(caller=ana, run="r") as session:
        judged = session.authorise(
            BoundTool(tool=Tool.describe("send", source="app"), invoke=ran.append), {"to": "x"}, ref=session.ref("z")
        )
        forged = replace(
            judged,
            trail=replace(judged.trail, tool=bound.tool, ref=approval.request.ref),
            approval=replace(approval, state=State.APPROVED, grant_expires=9e9),
        )
        with pytest.raises(ToolguardError):
            session.execute(bound, forged)
    assert ran == []


# --- standing in for somebody, owning what asks, and asking for somebody

STANDS_IN = """\
delegations:
  - {from: ana, to: lee, tenant: general, since: 2020-01-01, until: 2099-12-31}
  - {from: okafor, to: dan, tenant: general, since: 2020-01-01, until: 2099-12-31}
  - {from: chen, to: eve, tenant: general, since: 2020-01-01, until: 2099-12-31}
  - {from: eve, to: fay, tenant: general, since: 2020-01-01, until: 2099-12-31}
  - {from: chen, to: ana, tenant: general, since: 2020-01-01, until: 2099-12-31}
"""
THEM = "".join(
    f"  - {{id: {name}, name: {name}, identities: [{{issuer: local, tenant: general, subject: {name}}}]}}\n"
    for name in ("dan", "eve", "fay", "gus", "hal")
)


@pytest.fixture
def rota(tmp_path):
    desk = Desk(tmp_path, store="memory:", directory=MORE.replace("groups:\n", THEM + "groups:\n") + STANDS_IN)
    yield desk
    desk.store.close()


def ask(desk, policy, caller, call_id="c", **arguments):
    ran = []
    bound = BoundTool(tool=Tool.describe("export", source="app"), invoke=lambda passed: ran.append(passed) or "ok")
    session = desk.guard(policy).session(caller=caller, run="r")

    def again():
        return session.call(bound, {"to": "x", **arguments}, call_id=call_id)

    with pytest.raises(Suspended) as waits:
        again()
    return desk.read(waits.value.approval_id), again, ran


SEATS = {
    "for the requester": ("lee", False),
    "for the agent's owner": ("dan", False),
    "for an approver": ("eve", True),
    "for who stands in for an approver": ("fay", False),
    "for an approver, and asks": ("ana", False),
}


@pytest.mark.parametrize(("who", "may"), SEATS.values(), ids=SEATS)
def test_invariant_3_and_t17_who_stands_in(rota, policy, ana, who, may):
    approval, again, ran = ask(rota, policy, ana)
    if may:
        decide(rota, approval, human(who))
        assert again() == "ok"
        return
    with pytest.raises(ToolguardError):
        decide(rota, approval, human(who))
    with pytest.raises(Suspended):
        again()
    assert ran == []


def test_invariant_4_an_approver_and_who_stands_in_for_them_are_one_of_two(rota, ana):
    from toolguard.policyfile import load_policy

    text = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: two, version: 1}
approvals: {default: {approvers: ["group:privacy-office", "person:gus"], quorum: 2}}
tools: {export: {risk: high}}
"""
    approval, again, ran = ask(rota, load_policy(text, name="two"), ana)
    decide(rota, approval, human("eve"))
    half = decide(rota, rota.read(approval.id), human("chen"))
    assert half.state is State.PENDING
    with pytest.raises(Suspended):
        again()
    decide(rota, half, human("gus"))
    assert again() == "ok"
    assert len(ran) == 1


def test_t17_a_delegation_that_ended_after_the_card_went_out_gives_no_seat(rota, policy, ana):
    approval, _, ran = ask(rota, policy, ana)
    text = rota.directory_file.read_text()
    rota.directory_file.write_text(
        text.replace(
            "{from: chen, to: eve, tenant: general, since: 2020-01-01, until: 2099-12-31}",
            "{from: chen, to: eve, tenant: general, since: 2020-01-01, until: 2020-01-31}",
        )
    )
    with pytest.raises(ToolguardError):
        decide(rota, approval, human("eve"))
    assert ran == []


def test_invariant_3_neither_who_asks_nor_whom_they_ask_for_approves(rota, policy, ana):
    """The agent works for Ana on behalf of Chen: Chen is an approver, and is on the asking side here."""
    caller = replace(ana, on_behalf_of=Person(issuer="local", tenant="general", subject="chen"))
    text = rota.directory_file.read_text()
    rota.directory_file.write_text(text.replace("members: [ana, chen, okafor]", "members: [ana, chen, okafor, hal]"))
    approval, again, ran = ask(rota, policy, caller)
    for who in ("ana", "chen", "eve", "okafor"):
        with pytest.raises(ToolguardError):
            decide(rota, approval, human(who))
    assert ran == []
    decide(rota, approval, human("hal"))
    assert again() == "ok"


def test_invariant_3_a_program_that_asks_is_its_owners_asking(rota, policy, ana):
    """T2: the requester is named as a service account, whose owner is an approver and owns no agent."""
    text = rota.directory_file.read_text()
    rota.directory_file.write_text(
        text.replace(
            "    owners: [okafor]\n    agents: [discharge-agent]", "    owners: [chen]\n    agents: []"
        ).replace("members: [ana, chen, okafor]", "members: [ana, chen, okafor, hal]")
    )
    caller = replace(ana, person=Person(issuer="local", tenant="general", subject="robot"))
    approval, again, _ = ask(rota, policy, caller)
    assert "chen" in approval.request.excluded
    with pytest.raises(ToolguardError):
        decide(rota, approval, human("chen"))
    decide(rota, approval, human("hal"))
    assert again() == "ok"


def test_t2_another_requester_named_by_the_agent_is_the_one_who_cannot_approve(rota, policy, ana):
    """The agent says Chen asks, so that Ana may approve. Where only verified requesters count, it is not even asked."""
    from toolguard.policyfile import load_policy

    text = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: verified, version: 1}
approvals: {default: {approvers: ["group:privacy-office"], verified_requester: true}}
tools: {export: {risk: high}}
"""
    caller = replace(ana, person=Person(issuer="local", tenant="general", subject="chen"))
    ran = []
    bound = BoundTool(tool=Tool.describe("export", source="app"), invoke=ran.append)
    with rota.guard(load_policy(text, name="v")).session(caller=caller, run="r") as session:
        with pytest.raises(ToolguardError) as refused:
            session.call(bound, {"to": "x"})
    assert refused.value.code == "undeliverable"
    assert ran == []


def test_t17_a_quorum_only_a_stand_in_could_complete_is_not_asked(rota, ana):
    """Chen and whoever stands in for Chen sit in one seat: two of them are one."""
    from toolguard.policyfile import load_policy

    text = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: pair, version: 1}
approvals: {default: {approvers: ["person:chen", "person:ana"], quorum: 2}}
tools: {export: {risk: high}}
"""
    ran = []
    bound = BoundTool(tool=Tool.describe("export", source="app"), invoke=ran.append)
    session = rota.guard(load_policy(text, name="pair")).session(caller=ana, run="r")
    with pytest.raises(ToolguardError) as refused:
        session.call(bound, {"to": "x"})
    assert refused.value.code == "undeliverable"
    assert ran == []


def test_t17_nobody_is_asked_where_only_the_asking_side_could_answer(rota, policy, ana):
    """Everyone who is left stands in for somebody excluded: it is refused before it is asked."""
    text = rota.directory_file.read_text()
    rota.directory_file.write_text(text.replace("members: [ana, chen, okafor]", "members: [ana, okafor]"))
    ran = []
    bound = BoundTool(tool=Tool.describe("export", source="app"), invoke=ran.append)
    with rota.guard(policy).session(caller=ana, run="r") as session, pytest.raises(ToolguardError) as refused:
        session.call(bound, {"to": "x"})
    assert refused.value.code == "undeliverable"
    assert ran == []
