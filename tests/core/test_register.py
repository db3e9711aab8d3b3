"""The register of acts: what it folds to, and that it says nothing where it does not hold together."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolguard._core.approval import Grant
from toolguard._core.call import Person, canonical
from toolguard._core.register import ALL, START, ActKind, Register, Registers, act_of, act_payload
from toolguard.errors import TamperedError

SID = Person(issuer="local", tenant="t", subject="sid")
STANDING = {
    "approval": "r1",
    "requester": "ana",
    "agent": "scribe",
    "session": "s",
    "tool": "send",
    "tool_ref": "app#send@0",
    "level": "high",
    "rules": "d",
    "fixed": {"to": "v1:x"},
    "terms": {"seconds": 60.0, "uses": 2, "session_only": False, "vary": [{"argument": "body", "at_most": None}]},
    "expires": 160.0,
    "approvers": ["chen"],
}
GLASS = {
    "approval": "r2",
    "requester": "ana",
    "agent": "scribe",
    "subject": "v1:p",
    "call_digest": "v1:c",
    "expires": 160.0,
    "reason": "bleeding",
}
FREEZE = {"agent": "scribe", "reason": "x"}


def act(kind, body, *, n=1, prev=START, tenant="t", id="a1", person="sid", at=100.0):
    payload = act_payload(
        tenant=tenant, n=n, prev=prev, kind=kind, id=id, at=at, person=person, identity=SID, auth="token:1", body=body
    )
    return act_of(Grant(payload=payload, signature=b"s", key_id="k"))


def folded(*acts, tenant="t"):
    register = Register(tenant=tenant)
    for n, (kind, body) in enumerate(acts, start=1):
        register = register.add(act(kind, body, n=n, prev=register.last, tenant=tenant, id=f"a{n}"))
    return register


def test_an_act_is_what_its_signed_bytes_say():
    made = act(ActKind.FREEZE, FREEZE)
    assert (made.tenant, made.n, made.prev, made.kind, made.id, made.person, made.at) == (
        "t",
        1,
        START,
        ActKind.FREEZE,
        "a1",
        "sid",
        100.0,
    )
    assert made.body == FREEZE
    assert json.loads(made.payload)["identity"] == SID.ref
    assert made.grant == Grant(payload=made.payload, signature=b"s", key_id="k")


def test_freezing_and_lifting():
    frozen = folded((ActKind.FREEZE, FREEZE), (ActKind.FREEZE, {"agent": "", "reason": ""}))
    assert [(f.id, f.agent, f.tenant) for f in frozen.freezes.values()] == [("a1", "scribe", "t"), ("a2", "", "t")]
    lifted = frozen.add(act(ActKind.UNFREEZE, {"freeze": "a2"}, n=3, prev=frozen.last, id="a3"))
    assert list(lifted.freezes) == ["a1"]


@pytest.mark.parametrize(
    ("agent", "own", "every", "frozen"),
    [
        ("scribe", [], [], False),
        ("scribe", ["scribe"], [], True),
        ("scribe", ["other"], [], False),
        ("scribe", [""], [], True),
        ("scribe", [], ["scribe"], True),
        ("scribe", [], ["other"], False),
        ("scribe", [], [""], True),
        ("", ["scribe"], [], False),
    ],
)
def test_an_agent_is_frozen_by_name_with_its_tenant_or_with_everyone(agent, own, every, frozen):
    registers = Registers(
        tenant=folded(*((ActKind.FREEZE, {"agent": a, "reason": ""}) for a in own)),
        all=folded(*((ActKind.FREEZE, {"agent": a, "reason": ""}) for a in every), tenant=ALL),
    )
    assert (registers.frozen(agent) is not None) is frozen
    assert (registers.heads.tenant, registers.heads.all) == (len(own), len(every))


def test_a_standing_approval_and_its_end():
    register = folded((ActKind.STANDING, STANDING))
    (standing,) = register.standing.values()
    assert (standing.id, standing.begins, standing.expires) == ("a1", 100.0, 160.0)
    assert standing.fixed == {"to": "v1:x"}
    assert (standing.terms.uses, standing.terms.vary[0].argument, standing.approvers) == (2, "body", ("chen",))
    assert register.holds("a1")
    ended = register.add(act(ActKind.STANDING_ENDED, {"standing": "a1"}, n=2, prev=register.last, id="a2"))
    assert not ended.holds("a1")


@pytest.mark.parametrize(
    ("kind", "body", "approval"), [(ActKind.STANDING, STANDING, "r1"), (ActKind.BREAK_GLASS, GLASS, "r2")]
)
def test_what_came_of_a_yes_falls_with_it(kind, body, approval):
    register = folded((kind, body))
    assert register.holds("a1")
    other = register.add(act(ActKind.VOID, {"approval": "another"}, n=2, prev=register.last, id="a2"))
    assert other.holds("a1")
    void = other.add(act(ActKind.VOID, {"approval": approval}, n=3, prev=other.last, id="a3"))
    assert not void.holds("a1")
    assert void.void == {"another", approval}
    assert not void.holds("no-such-act")


def test_broken_glass_and_its_review():
    register = folded((ActKind.BREAK_GLASS, GLASS), (ActKind.REVIEWED, {"break_glass": "a1"}))
    (glass,) = register.glass.values()
    assert (glass.person, glass.by, glass.subject, glass.reason) == ("ana", "sid", "v1:p", "bleeding")
    assert register.reviewed == {"a1"}


def test_invariant_15_who_proposed_other_arguments_in_a_run_is_known_from_the_signed_register():
    first = folded((ActKind.PROPOSED, {"approval": "r", "run": "one"}))
    second = first.add(
        act(ActKind.PROPOSED, {"approval": "q", "run": "one"}, n=2, prev=first.last, id="a2", person="bo")
    )
    assert second.editors == {"one": frozenset({"sid", "bo"})}


@pytest.mark.parametrize(("at", "holds"), [(99.0, True), (100.0, False), (101.0, False)])
def test_what_was_made_before_a_store_was_set_back_stands_no_more(at, holds):
    mine = folded((ActKind.STANDING, STANDING))
    (made,) = mine.standing
    restored = Register(tenant=ALL).add(act(ActKind.RESTORED, {}, tenant=ALL, at=at))
    assert Registers(tenant=mine, all=Register(tenant=ALL)).holds(made)
    assert Registers(tenant=mine, all=restored).holds(made) is holds


@pytest.mark.parametrize("kind", [ActKind.RESOLVED])
def test_acts_that_change_nothing_a_guard_looks_at_still_count(kind):
    register = folded((kind, {}))
    assert replace(register, n=0, last=START) == Register(tenant="t")
    assert register.n == 1


PLACES = {
    "not the next": {"n": 3},
    "the same again": {"n": 1},
    "another before it": {"prev": "f" * 64},
    "the beginning again": {"prev": START},
    "another tenant's": {"tenant": "u"},
    "everyone's": {"tenant": ALL},
}


@pytest.mark.parametrize("change", PLACES.values(), ids=PLACES)
def test_t4_an_act_out_of_its_place_is_not_read(change):
    register = folded((ActKind.FREEZE, FREEZE))
    right = {"n": 2, "prev": register.last, "tenant": "t", "id": "a2"}
    register.add(act(ActKind.FREEZE, FREEZE, **right))
    with pytest.raises(TamperedError):
        register.add(act(ActKind.FREEZE, FREEZE, **{**right, **change}))


NONSENSE = [
    (ActKind.FREEZE, {}),
    (ActKind.FREEZE, {"agent": 7, "reason": ""}),
    (ActKind.UNFREEZE, {"freeze": "never"}),
    (ActKind.VOID, {"approval": None}),
    (ActKind.STANDING, {**STANDING, "level": "enormous"}),
    (ActKind.STANDING, {**STANDING, "terms": {}}),
    (ActKind.STANDING, {**STANDING, "expires": "soon"}),
    (ActKind.BREAK_GLASS, {k: v for k, v in GLASS.items() if k != "subject"}),
    (ActKind.PROPOSED, {}),
]


@pytest.mark.parametrize(("kind", "body"), NONSENSE)
def test_an_act_that_says_nothing_it_could_mean_is_not_read(kind, body):
    with pytest.raises(TamperedError):
        Register(tenant="t").add(act(kind, body))


def test_bytes_that_are_no_act_are_not_read():
    good = act(ActKind.FREEZE, FREEZE)
    data = json.loads(good.payload)
    spaced = json.dumps(data, indent=1).encode()
    for payload in (
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b"null",
        spaced,
        canonical({**data, "v": 2}),
        canonical({**data, "act": "thaw"}),
        canonical({**data, "n": "one"}),
        canonical({**data, "body": 1}),
        b"[" * 100_000,
    ):
        with pytest.raises(TamperedError):
            act_of(Grant(payload=payload, signature=b"", key_id="k"))


@given(st.integers(0, 7), st.data())
def test_any_byte_of_any_act_that_is_changed_is_seen(index, data):
    """The chain alone, without signatures: an edited act no longer is the one the next names."""
    acts, register = [], Register(tenant="t")
    for n in range(1, 9):
        acts.append(act(ActKind.FREEZE, {"agent": f"a{n}", "reason": ""}, n=n, prev=register.last, id=f"id{n}"))
        register = register.add(acts[-1])
    place = data.draw(st.integers(0, len(acts[index].payload) - 1))
    payload = bytearray(acts[index].payload)
    payload[place] ^= data.draw(st.integers(1, 255))
    edited = [a.grant for a in acts]
    edited[index] = replace(edited[index], payload=bytes(payload))
    again = Register(tenant="t")
    try:
        for grant in edited:
            again = again.add(act_of(grant))
    except TamperedError:
        return
    assert index == 7, "only the last of a chain is named by nobody; its signature is"
    assert again.last != register.last
