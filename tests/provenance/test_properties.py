"""What holds for every conversation: the user's words only ever lower, a result's words only ever raise."""

from hypothesis import given, settings
from hypothesis import strategies as st

from provenance.support import conversation
from toolguard._core.provenance import Aim, Aimed, CameFrom, provenance_evidence
from toolguard._core.risk import Risk, RiskClass, RiskLevel

RANK = {came: rank for rank, came in enumerate(CameFrom)}
WORD = st.sampled_from(
    ["ann@house.example", "eve@else.example", "Bob", "general", "all", "GB29NWBK60161331926819", "13", "file", "www.else.example",
     "external", "External_0", "to", "the", "<EMAIL_1>", "12:00", "98.70", "аnn@house.example", "O'Neil", "'", '"', "#", ".", ","]
)  # fmt: skip
TEXT = st.lists(WORD, max_size=6).map(" ".join)
TEXTS = st.lists(TEXT, max_size=3)
RECORDS = st.lists(st.dictionaries(st.sampled_from(["name", "email", "body"]), TEXT, max_size=3), max_size=3)
AIMED = st.builds(Aimed, path=st.sampled_from([("to",), ("file_id",), ("channel",)]), aim=st.sampled_from(list(Aim)))
RISKS = st.builds(Risk, risk_class=st.sampled_from(list(RiskClass)), level=st.sampled_from(list(RiskLevel)))


def looked_up(aimed, value, **told):
    return conversation(**told).trace([(aimed, value)])


def level(provenance, risk):
    return max((e.level for e in provenance_evidence(provenance, risk)), default=risk.level)


@settings(max_examples=150)
@given(aimed=AIMED, value=TEXT, user=TEXTS, more=TEXT, results=TEXTS, records=RECORDS, risk=RISKS)
def test_what_the_user_adds_never_raises(aimed, value, user, more, results, records, risk):
    before = looked_up(aimed, value, user=user, results=results, records=records)
    after = looked_up(aimed, value, user=[*user, more], results=results, records=records)
    assert RANK[after.traced[0].came] <= RANK[before.traced[0].came]
    assert level(after, risk) <= level(before, risk)


@settings(max_examples=150)
@given(aimed=AIMED, value=TEXT, user=TEXTS, more=TEXT, results=TEXTS, records=RECORDS, risk=RISKS)
def test_what_a_result_adds_never_lowers(aimed, value, user, more, results, records, risk):
    before = looked_up(aimed, value, user=user, results=results, records=records)
    after = looked_up(aimed, value, user=user, results=[*results, more], records=records)
    assert RANK[after.traced[0].came] >= RANK[before.traced[0].came]
    assert level(after, risk) >= level(before, risk)


@settings(max_examples=100)
@given(aimed=AIMED, value=TEXT, results=TEXTS, records=RECORDS)
def test_where_nobody_said_anything_nothing_counts_as_said(aimed, value, results, records):
    assert looked_up(aimed, value, results=results, records=records).traced[0].came in (CameFrom.RESULT, CameFrom.MODEL)


@settings(max_examples=100)
@given(aimed=AIMED, value=TEXT, user=TEXTS, results=TEXTS)
def test_being_told_again_changes_nothing(aimed, value, user, results):
    once = looked_up(aimed, value, user=user, results=results)
    assert looked_up(aimed, value, user=[*user, *user], results=[*results, *results]) == once
