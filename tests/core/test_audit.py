"""The chain: any change to any field of any record is seen."""

from dataclasses import fields, replace

import pytest

from toolguard._core.audit import GENESIS, Draft, Kind, payload, seal, verify_chain
from toolguard._core.call import canonical


def log(n=5):
    drafts = [Draft(kind=Kind.CALL_DECIDED, at=float(i), started=0.5, call=f"c{i}", body={"n": i}) for i in range(n)]
    return list(seal(drafts, log_id="log", seq=0, prev=GENESIS))


def test_a_whole_log_verifies():
    assert verify_chain(log()) == (5, ())


def test_sealing_in_parts_gives_the_same_chain():
    whole = log()
    part = seal([whole[3].draft, whole[4].draft], log_id="log", seq=3, prev=whole[2].hash)
    assert [r.hash for r in part] == [r.hash for r in whole[3:]]


def test_what_stands_aside_is_no_part_of_a_record():
    """Content that a span may show: neither hashed, nor compared, nor in a repr."""
    plain = log()[2]
    told = replace(plain, draft=replace(plain.draft, aside={"gen_ai.tool.call.arguments": "Zebedee Quill"}))
    assert verify_chain([*log()[:2], told])[1] == ()
    assert told == plain
    assert "Zebedee" not in repr(told)


OTHER = {"kind": Kind.CALL_FAILED, "at": 99.0, "started": 1.0, "body": {"n": 99}}


@pytest.mark.parametrize("field", [f.name for f in fields(Draft) if f.compare])
def test_a_changed_field_is_seen(field):
    records = log()
    records[2] = replace(records[2], draft=replace(records[2].draft, **{field: OTHER.get(field, "x")}))
    _, faults = verify_chain(records)
    assert [(f.seq, f.code) for f in faults] == [(3, "hash")]


@pytest.mark.parametrize(("field", "value"), [("log_id", "other"), ("seq", 9), ("prev", "f" * 64), ("hash", "f" * 64)])
def test_a_changed_place_is_seen(field, value):
    records = log()
    records[2] = replace(records[2], **{field: value})
    assert verify_chain(records)[1]


@pytest.mark.parametrize(
    "tampered",
    [
        lambda r: r[1:],
        lambda r: r[:2] + r[3:],
        lambda r: [r[1], r[0], *r[2:]],
        lambda r: [*r[:2], r[1], *r[2:]],
    ],
    ids=["first removed", "one removed", "swapped", "doubled"],
)
def test_removed_swapped_and_doubled_records_are_seen(tampered):
    assert verify_chain(tampered(log()))[1]


def test_a_record_changed_and_hashed_again_breaks_the_chain_after_it():
    records = log()
    (forged,) = seal([replace(records[2].draft, body={"n": 7})], log_id="log", seq=2, prev=records[1].hash)
    records[2] = forged
    assert [(f.seq, f.code) for f in verify_chain(records)[1]] == [(4, "chain")]


@pytest.mark.parametrize(
    "draft",
    [
        Draft(kind=Kind.LOG_OPENED, at=1.0, started=0.1),
        Draft(kind=Kind.CALL_FAILED, at=1e21, started=1e-7, call='"\\\n€', body={"b": 1.5, "a": ["x"], "$c": None}),
    ],
)
def test_the_payload_written_by_hand_is_the_canonical_form(draft):
    whole = {
        "v": 1,
        "log": "l",
        "seq": 3,
        "prev": "p",
        "kind": draft.kind.value,
        "at": draft.at,
        "started": draft.started,
        "call": draft.call,
        "trace": draft.trace_id,
        "span": draft.span_id,
        "parent": draft.parent_id,
        "link": draft.link_id,
        "body": draft.body,
    }
    assert payload(draft, log_id="l", seq=3, prev="p") == canonical(whole)
