"""Redaction: two persons, never one; never what is on hold; always on record; and nothing else that deletes goes unseen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from audit_keep.place import CANARY, WHY, Place, look, refused
from toolguard import Caller
from toolguard._core.audit import CONTENT_ID
from toolguard._core.register import ActKind, act_of
from toolguard._core.steps import Change
from toolguard.authority import Service
from toolguard.authority.redacting import PROPOSAL_SECONDS
from toolguard.errors import ApprovalError, NotFoundError, StoreError, TamperedError
from toolguard.journal import verify

# --- two persons


def test_two_persons_delete_what_is_kept_of_a_call_and_the_journal_still_holds(place: Place) -> None:
    call, other = place.call(), place.call(run="run-2")
    names, hashes = place.contents(call), [r.hash for r in place.store.records(call=call)]
    assert place.redact(call) == 2
    assert place.store.contents("general", names) == {}
    assert set(place.store.content_ids("general")) == set(place.contents(other))
    assert [r.hash for r in place.store.records(call=call)][: len(hashes)] == hashes
    report = place.verify()
    assert (report.ok, report.kept, report.redacted) == (True, 2, 2)


def test_who_proposed_and_who_confirmed_is_on_record_and_the_reason_is_signed(place: Place) -> None:
    call = place.call()
    names = place.contents(call)
    place.redact(call)
    (record,) = place.redactions()
    body = record.draft.body
    assert record.draft.call == call
    assert (body["toolguard.redaction.proposed_by"], body["toolguard.approver.id"]) == ("chen", "okafor")
    assert body["toolguard.redaction.contents"] == names
    assert WHY not in str(body)
    acts = [act_of(grant) for grant in place.store.acts("general")]
    assert [(act.kind, act.person) for act in acts] == [
        (ActKind.REDACTION_PROPOSED, "chen"),
        (ActKind.REDACTED, "okafor"),
    ]
    assert acts[-1].hash == body["toolguard.act.hash"]
    assert acts[0].body["reason"] == acts[1].body["reason"] == WHY


def test_nothing_is_deleted_before_the_second_person(place: Place) -> None:
    call = place.call()
    proposed = place.authority.propose_redaction(place.chen, scope="call", target=call, reason=WHY)
    assert place.authority.redactions(place.okafor) == (proposed,)
    assert len(place.store.contents("general", place.contents(call))) == 2


def test_an_insider_alone_cannot(place: Place) -> None:
    """Not under a second account either: persons are compared."""
    call = place.call()
    proposed = place.authority.propose_redaction(place.chen, scope="call", target=call, reason=WHY)
    for who in (place.chen, replace(place.chen, auth="token:another", channel="cli")):
        with refused("second_person"):
            place.authority.confirm_redaction(who, proposed.id, reason=WHY)
    assert len(place.store.contents("general", place.contents(call))) == 2


@pytest.mark.parametrize("who", ["ana", "lee"])
def test_only_persons_with_the_duty_propose_and_confirm(place: Place, who: str) -> None:
    call, person = place.call(), place.desk.human(who)
    with refused("not_on_duty"):
        place.authority.propose_redaction(person, scope="call", target=call, reason=WHY)
    proposed = place.authority.propose_redaction(place.chen, scope="call", target=call, reason=WHY)
    with refused("not_on_duty"):
        place.authority.confirm_redaction(person, proposed.id, reason=WHY)


def test_a_program_cannot(place: Place) -> None:
    robot = Service(name="guard", tenant="general", agents=frozenset({"discharge-agent"}), auth="service:1")
    with refused("not_a_person"):
        place.authority.propose_redaction(robot, scope="call", target=place.call(), reason=WHY)


def test_a_proposal_is_confirmed_once_and_within_a_week(place: Place) -> None:
    first, second = place.call(), place.call(run="run-2")
    done = place.authority.propose_redaction(place.chen, scope="call", target=first, reason=WHY)
    place.authority.confirm_redaction(place.okafor, done.id, reason=WHY)
    with pytest.raises(NotFoundError):
        place.authority.confirm_redaction(place.okafor, done.id, reason=WHY)
    late = place.authority.propose_redaction(place.chen, scope="call", target=second, reason=WHY)
    place.clock.advance(PROPOSAL_SECONDS)
    with refused("expired"):
        place.authority.confirm_redaction(place.okafor, late.id, reason=WHY)
    assert place.authority.redactions(place.okafor) == ()


def test_what_was_kept_after_the_proposal_stays(place: Place) -> None:
    """The second person confirms what the first one meant."""
    session = str(place.named(place.call())[0].draft.body["toolguard.session.id"])
    proposed = place.authority.propose_redaction(place.chen, scope="session", target=session, reason=WHY)
    later = place.call()
    assert place.authority.confirm_redaction(place.okafor, proposed.id, reason=WHY) == 2
    assert len(place.store.contents("general", place.contents(later))) == 2


# --- what of


def test_one_record_a_session_or_all_of_an_actor_can_be_redacted(place: Place) -> None:
    bea = Caller.of("bea", agent="discharge-agent", tenant="general")
    one, two, three = place.call(), place.call(run="run-2"), place.call(run="run-3", caller=bea)
    decided = place.named(one)[0]
    for scope, target, count in (
        ("record", f"{decided.log_id}:{decided.seq}", 1),
        ("session", str(place.named(two)[0].draft.body["toolguard.session.id"]), None),
        ("actor", str(place.named(three)[0].draft.body["toolguard.actor.id"]), None),
    ):
        proposed = place.authority.propose_redaction(place.chen, scope=scope, target=target, reason=WHY)
        assert count is None or len(proposed.contents) == count
        place.authority.confirm_redaction(place.okafor, proposed.id, reason=WHY)
        if scope == "record":
            assert place.contents(one)[1] in place.store.contents("general", place.contents(one))
    assert place.store.contents("general", place.contents(two, three)) == {}
    assert place.verify().ok


@pytest.mark.parametrize(
    ("scope", "target"),
    [("call", "unknown"), ("record", "x:y"), ("record", "x:99999999999999999999"), ("session", "?")],
)
def test_what_is_not_kept_cannot_be_redacted(place: Place, scope: str, target: str) -> None:
    place.call()
    with pytest.raises(NotFoundError):
        place.authority.propose_redaction(place.chen, scope=scope, target=target, reason=WHY)


@pytest.mark.parametrize(("scope", "target"), [("tenant", ""), ("call", ""), ("everything", "x")])
def test_a_whole_tenant_is_not_redacted_at_once(place: Place, scope: str, target: str) -> None:
    with refused("scope_invalid"):
        place.authority.propose_redaction(place.chen, scope=scope, target=target, reason=WHY)


def test_another_tenants_call_is_not_there(place: Place) -> None:
    foreign = Caller.of("ana", agent="discharge-agent", tenant="elsewhere")
    call = place.call(caller=foreign)
    (record, *_) = place.named(call)
    for scope, target in (("call", call), ("record", f"{record.log_id}:{record.seq}")):
        with pytest.raises(NotFoundError):
            place.authority.propose_redaction(place.chen, scope=scope, target=target, reason=WHY)
    place.authority.hold(place.lee, scope="tenant", reason=WHY)
    assert len(place.store.content_ids("elsewhere")) == 2


def test_a_reason_is_required_and_masked(place: Place) -> None:
    call = place.call()
    with refused("reason_required"):
        place.authority.propose_redaction(place.chen, scope="call", target=call, reason=" ")


# --- legal hold


def held(place: Place, scope: str, call: str) -> str:
    decided = place.named(call)[0]
    body = decided.draft.body
    target = {
        "call": call,
        "record": f"{decided.log_id}:{decided.seq}",
        "session": str(body["toolguard.session.id"]),
        "actor": str(body["toolguard.actor.id"]),
        "tenant": "",
    }[scope]
    return place.authority.hold(place.lee, scope=scope, target=target, reason="case 7").id


@pytest.mark.parametrize("scope", ["call", "record", "session", "actor", "tenant"])
def test_what_is_on_hold_is_not_redacted(place: Place, scope: str) -> None:
    call = place.call()
    held(place, scope, call)
    with refused("on_hold"):
        place.authority.propose_redaction(place.chen, scope="call", target=call, reason=WHY)


def test_a_hold_made_after_the_proposal_holds(place: Place) -> None:
    call = place.call()
    proposed = place.authority.propose_redaction(place.chen, scope="call", target=call, reason=WHY)
    held(place, "call", call)
    with refused("on_hold"):
        place.authority.confirm_redaction(place.okafor, proposed.id, reason=WHY)
    assert len(place.store.contents("general", place.contents(call))) == 2


def test_a_hold_made_while_a_redaction_is_being_confirmed_comes_first(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at the holds and the commit: the register has moved on, and everything is looked at again."""
    call = place.call()
    proposed = place.authority.propose_redaction(place.chen, scope="call", target=call, reason=WHY)
    write, made = place.authority._write_act, list[str]()

    def slowly(*given: object, **more: object) -> None:
        if more.get("shred") and not made:
            made.append("")
            made.append(held(place, "call", call))
        write(*given, **more)  # type: ignore[arg-type] # what it was called with

    monkeypatch.setattr(place.authority, "_write_act", slowly)
    with refused("on_hold"):
        place.authority.confirm_redaction(place.okafor, proposed.id, reason=WHY)
    assert len(made) == 2
    assert len(place.store.contents("general", place.contents(call))) == 2


def test_a_hold_covers_what_is_kept_later(place: Place) -> None:
    held(place, "session", place.call())
    with refused("on_hold"):
        place.authority.propose_redaction(place.chen, scope="call", target=place.call(), reason=WHY)


def test_a_hold_is_lifted_by_two_persons(place: Place) -> None:
    call = place.call()
    hold = held(place, "call", call)
    assert place.authority.lift_hold(place.lee, hold, reason="over") is False
    with refused("second_person"):
        place.authority.lift_hold(place.lee, hold, reason="over")
    with refused("on_hold"):
        place.authority.propose_redaction(place.chen, scope="call", target=call, reason=WHY)
    assert place.authority.lift_hold(place.chen, hold, reason="over") is True
    assert place.authority.holds(place.chen) == ()
    assert place.redact(call) == 2
    with pytest.raises(NotFoundError):
        place.authority.lift_hold(place.chen, hold, reason="over")


def test_only_persons_with_the_duty_hold_and_lift(place: Place) -> None:
    hold = held(place, "tenant", place.call())
    for who in (place.okafor, place.ana):
        with refused("not_on_duty"):
            place.authority.hold(who, scope="tenant", reason=WHY)
        with refused("not_on_duty"):
            place.authority.lift_hold(who, hold, reason=WHY)
    assert [h.id for h in place.authority.holds(place.okafor)] == [hold]


# --- whoever writes to the database


def test_a_body_deleted_by_hand_is_seen(disk: Place) -> None:
    call = disk.call()
    disk.edit("DELETE FROM contents WHERE id = ?", values=disk.contents(call)[:1])
    report = disk.verify()
    assert (report.exit_code, disk.faults()) == (1, {"gone"})


def test_content_that_came_back_is_seen(disk: Place) -> None:
    call = disk.call()
    name = disk.contents(call)[0]
    kept = disk.store.contents("general", [name])[name]
    disk.redact(call)
    disk.edit("INSERT INTO contents VALUES ('general', ?, ?, ?)", values=(name, kept.key, kept.body))
    assert disk.faults() == {"back"}


def test_content_no_record_names_is_seen(disk: Place) -> None:
    disk.call()
    disk.edit("INSERT INTO contents VALUES ('general', 'ff', x'00', x'00')")
    assert disk.faults() == {"unrecorded"}


def test_a_redaction_somebody_signed_with_a_key_of_their_own_is_not_believed(disk: Place, tmp_path: object) -> None:
    """The database's operator writes act and record, and deletes: everything fits but the signature."""
    call = disk.call()
    forger = Place(disk.desk.folder, store=disk.store)  # same people and store, another signing key
    assert forger.redact(call) == 2
    report = disk.verify()
    assert report.tampered
    assert {"register", "gone"} <= disk.faults()
    assert verify(disk.store).acts_signed is False


def test_one_persons_redaction_does_not_fold_even_if_it_is_signed(place: Place) -> None:
    """A service that would let one person do both cannot: no register, and so no guard, takes the act."""
    call = place.call()
    proposed = place.authority.propose_redaction(place.chen, scope="call", target=call, reason=WHY)
    registers = place.authority._registers("general")
    _, person = place.authority._known(place.chen)
    body = {"proposal": proposed.id, "contents": list(proposed.contents), "reason": WHY}
    with pytest.raises(TamperedError):
        place.authority._act(registers, ActKind.REDACTED, place.chen, person, body, place.store.now())  # type: ignore[arg-type] # JSON


def test_the_store_deletes_nothing_without_the_act(place: Place) -> None:
    call = place.call()
    with pytest.raises(StoreError):
        place.store.commit(Change(tenant="general", shred=tuple(place.contents(call))))
    assert len(place.store.contents("general", place.contents(call))) == 2


def test_a_second_record_that_names_held_content_does_not_free_it(disk: Place) -> None:
    """Who can write records names the content of a held call in one of their own, and has that one redacted."""
    call, decoy = disk.call(), disk.call(run="run-2")
    held(disk, "call", call)
    name = disk.contents(call)[0]
    stolen = disk.named(decoy)[0]
    draft = replace(stolen.draft, body={**stolen.draft.body, CONTENT_ID: name})
    disk.store.commit(Change(tenant="general", records=(draft,)))
    with pytest.raises(ApprovalError) as caught:
        disk.redact(decoy)
    assert caught.value.code in ("on_hold", "tampered")
    assert name in disk.store.contents("general", [name])
    assert "twice" in disk.faults()


def test_what_was_redacted_is_overwritten_on_disk(disk: Place) -> None:
    call = disk.call()
    names = disk.contents(call)
    parts = [part for kept in disk.store.contents("general", names).values() for part in (kept.key, kept.body)]
    assert all(part in disk.bytes_on_disk() for part in parts)
    disk.redact(call)
    found = disk.bytes_on_disk()
    assert not any(part in found for part in parts)
    assert CANARY.encode() not in found


def test_calls_go_on_under_a_register_with_holds_and_redactions(place: Place) -> None:
    call = place.call()
    place.redact(call)
    held(place, "tenant", place.call(run="run-2"))
    assert place.call(look, run="run-3")
