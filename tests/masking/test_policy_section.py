"""The ``masking:`` section of a policy: what it says is done, and what it cannot mean is refused where it stands."""

import pytest

from toolguard import Caller, Guard
from toolguard._core.masking import Masking, Shape, Typed
from toolguard._core.operators import Operator
from toolguard.errors import PolicyError


def test_a_policy_that_says_nothing_means_nothing(policy):
    assert policy().masking == Masking()


def test_everything_it_says_is_kept(policy):
    found = policy(r"""
        masking:
          profile: accurate
          typed: refuse
          shapes:
            - {name: badge, type: BADGE, pattern: 'ZQ\d{3}', labels: [badge, badge no], score: 0.7}
            - {name: room, type: ROOM, pattern: 'R\d+'}
          deny: {Project Heron: PROJECT}
          allow: Fenwick Pharmacy
          fields: {pat_no: MRN}
          types: [HOSPITAL_BED]
          operators: {DATE: year, HOSPITAL_BED: redact, BADGE: keep}
    """).masking
    assert found.shapes == (
        Shape(name="badge", type="BADGE", pattern=r"ZQ\d{3}", labels=("badge", "badge no"), score=0.7),
        Shape(name="room", type="ROOM", pattern=r"R\d+"),
    )
    assert dict(found.deny) == {"Project Heron": "PROJECT"}
    assert found.allow == ("Fenwick Pharmacy",)
    assert dict(found.fields) == {"pat_no": "MRN"}
    assert found.types == {"HOSPITAL_BED"}
    assert dict(found.operators) == {"DATE": Operator.YEAR, "HOSPITAL_BED": Operator.REDACT, "BADGE": Operator.KEEP}
    assert (found.typed, found.profile) == (Typed.REFUSE, "accurate")


def test_the_guards_own_detector_is_built_from_it(policy, ana):
    guard = Guard(
        policy(r"""
        masking:
          shapes: [{name: badge, type: BADGE, pattern: 'ZQ\d{3}', labels: [badge]}]
          deny: {quokkafish: PROJECT}
          allow: [Fenwick Pharmacy]
          fields: {pat_no: MRN}
        """)
    )
    with guard.session(caller=ana) as session:
        assert session.mask("the badge is ZQ123") == "the badge is <BADGE_1>"
        assert session.mask("we call it quokkafish here") == "we call it <PROJECT_1> here"
        assert session.mask("from Fenwick Pharmacy") == "from Fenwick Pharmacy"
        assert session.mask({"pat_no": "so what"}) == {"pat_no": "<MRN_1>"}


@pytest.mark.parametrize(
    ("text", "line", "path", "message"),
    [
        ("masking: {shapes: [{name: x, type: X, pattern: '(a'}]}", 10, "masking.shapes[0].pattern", "missing )"),
        (r"masking: {shapes: [{name: x, type: X, pattern: '(?=a)b'}]}", 10, "masking.shapes[0].pattern", "(?="),
        (
            r"masking: {shapes: [{name: x, type: X, pattern: '(a)\1'}]}",
            10,
            "masking.shapes[0].pattern",
            "not supported",
        ),
        ("masking: {shapes: [{name: x, type: X, pattern: 'a*'}]}", 10, "masking.shapes[0].pattern", "empty text"),
        ("masking: {shapes: [{name: x, type: x, pattern: 'a'}]}", 10, "masking.shapes[0].type", "in capitals"),
        (
            "masking: {shapes: [{name: x, type: LITERAL, pattern: 'a'}]}",
            10,
            "masking.shapes[0].type",
            "toolguard's own",
        ),
        ("masking: {shapes: [{name: x, type: AS_DATE, pattern: 'a'}]}", 10, "masking.shapes[0].type", "another name"),
        ("masking: {shapes: [{name: x, type: X}]}", 10, "masking.shapes[0]", "'pattern' is missing"),
        (
            "masking: {shapes: [{name: x, type: X, pattern: a, lables: [b]}]}",
            10,
            "masking.shapes[0].lables",
            "did you mean 'labels'",
        ),
        ("masking: {shapes: [{name: x, type: X, pattern: a, score: 2}]}", 10, "masking.shapes[0].score", ""),
        (
            "masking:\n  shapes:\n  - {name: x, type: X, pattern: a}\n  - {name: x, type: Y, pattern: b}",
            13,
            "masking.shapes[1].name",
            "stands twice",
        ),
        ("masking: {operators: {DATE: yeer}}", 10, "masking.operators.DATE", "did you mean 'year'"),
        ("masking: {operators: {DATES: year}}", 10, "masking.operators.DATES", "did you mean 'DATE'"),
        ("masking: {operators: {PERSON: zip3}}", 10, "masking.operators.PERSON", "write redact"),
        ("masking: {operators: {ZIP: year}}", 10, "masking.operators.ZIP", "DATE and DATE_OF_BIRTH"),
        ("masking: {deny: {Heron: LITERAL}}", 10, "masking.deny.Heron", "toolguard's own"),
        ("masking: {deny: {Heron: BIRD}, allow: [heron]}", 10, "masking.allow[0]", "under deny"),
        ("masking: {profil: fast}", 10, "masking.profil", "did you mean 'profile'"),
        ("masking: {profile: slow}", 10, "masking.profile", "known here: accurate, fast"),
        ("masking: {typed: maybe}", 10, "masking.typed", "known here: refuse, surrogate"),
        ("masking: []", 10, "masking", "must be a map"),
    ],
)
def test_what_it_cannot_mean_is_refused_where_it_stands(policy, text, line, path, message):
    with pytest.raises(PolicyError) as refused:
        policy(text)
    problem = refused.value.problems[0]
    assert (problem.line, problem.path) == (line, path)
    assert message in problem.message


def test_a_fault_in_a_pattern_is_pointed_at(policy):
    with pytest.raises(PolicyError) as refused:
        policy("masking:\n  shapes:\n  - name: x\n    type: X\n    pattern: 'abc(?!d)'\n")
    problem = refused.value.problems[0]
    assert (problem.line, problem.column) == (14, 18)


def test_a_refused_pattern_is_not_printed(policy, capfd):
    with pytest.raises(PolicyError):
        policy("masking: {shapes: [{name: x, type: X, pattern: '(secret'}]}")
    assert "secret" not in capfd.readouterr().err


def test_a_pattern_made_to_be_slow_is_not(policy, ana):
    text = "masking: {shapes: [{name: x, type: X, pattern: '(a+)+b'}]}"
    with Guard(policy(text)).session(caller=ana) as session:
        assert session.mask("a" * 20000 + "c")


def test_the_including_file_has_the_last_word_and_lists_unite(ana):
    from toolguard.policyfile import load_policy

    pack = b"""\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: base, version: 1}
masking:
  deny: {Heron: BIRD, Crow: BIRD}
  allow: [Owl]
  operators: {DATE: year, AGE: age_bin}
  typed: refuse
"""
    policy = load_policy(
        """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: ward, version: 1}
include: pack:base
approvals: {default: {approvers: ["group:privacy-office"]}}
masking:
  deny: {Heron: PROJECT}
  operators: {DATE: redact, BIRD: redact}
""",
        packs=lambda name: pack,
    )
    assert dict(policy.masking.deny) == {"Heron": "PROJECT", "Crow": "BIRD"}
    assert policy.masking.allow == ("Owl",)
    assert policy.masking.operators == {"DATE": "redact", "AGE": "age_bin", "BIRD": "redact"}
    assert policy.masking.typed is Typed.REFUSE


# --- operators in a session -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operators", "text", "masked", "back"),
    [
        ("{}", "Ada Byron, 93", "<PERSON_1>, <AGE_1>", "Ada Byron, 93"),
        ("{PERSON: redact}", "Ada Byron!", "<PERSON>!", "<PERSON>!"),
        ("{PERSON: keep}", "Ada Byron, 93", "Ada Byron, <AGE_1>", "Ada Byron, 93"),
        ("{DATE: year}", "on 1815-12-10", "on 1815", "on 1815"),
        ("{AGE: age_bin}", "aged 93", "aged 90+", "aged 90+"),
        ("{ZIP: zip3}", "in 03601", "in 000", "in 000"),
        ("{DATE: surrogate}", "on 1815-12-10.", "on 9000-01-02.", "on 1815-12-10."),
        ("{EMAIL: surrogate}", "to ada@byron.example", "to m1@masked.example", "to ada@byron.example"),
        ("{PERSON: surrogate}", "Ada Byron", "<PERSON_1>", "Ada Byron"),
        (
            "{PERSON: pseudonym, MRN: fpe, DATE: date_shift}",
            "Ada Byron 4711001",
            "<PERSON_1> <MRN_1>",
            "Ada Byron 4711001",
        ),
    ],
)
def test_what_an_operator_puts_there_and_what_comes_back(session, operators, text, masked, back):
    with session(f"masking: {{operators: {operators}}}") as open_session:
        assert open_session.mask(text) == masked
        assert open_session.mask(masked) == masked, "masking twice changes nothing"
        assert open_session.reveal(masked, purpose="treatment").text == back


def test_an_operator_leaves_what_the_model_wrote_to_a_tool_alone(session):
    """The tool needs the value: it becomes a token, as far as the tool may not have it."""
    got = []

    def find(name: str) -> str:
        """Find."""
        got.append(name)
        return "done"

    with session("masking: {operators: {PERSON: redact}}") as open_session:
        open_session.call(find, {"name": "Ada Byron"})
    assert got == ["Ada Byron"]


def test_what_is_kept_and_what_is_not_in_one_typed_field_is_not_kept(session):
    words = {"1815-12-10": "DATE", "T08": "ID"}
    schema = {"type": "string", "format": "date-time"}
    with session("masking: {operators: {DATE: keep}}", words=words) as open_session:
        assert "1815" not in open_session.mask("1815-12-10T08:00:00Z", schema=schema)


def test_another_tenant_sees_nothing_of_a_surrogate(policy, ana):
    from toolguard.testing import WordDetector

    guard = Guard(policy("masking: {operators: {DATE: surrogate}}"), detector=WordDetector({"1815-12-10": "DATE"}))
    other = Caller.of("eve", agent="desk", tenant="elsewhere")
    with guard.session(caller=ana, run="r") as one, guard.session(caller=other, run="r") as two:
        masked = one.mask("1815-12-10")
        assert two.reveal(masked, purpose="treatment").text == masked


def test_lists_that_do_not_reach_a_detector_are_named_aloud(policy, ana, caplog):
    from toolguard.testing import WordDetector

    Guard(policy("masking: {deny: {Heron: BIRD}, allow: [Owl]}"), detector=WordDetector({}))
    assert [r.getMessage() for r in caplog.records if r.name == "toolguard.config"] == [
        "masking.deny, masking.allow of the policy are for the guard's own detector; the one given has its own lists"
    ]
    caplog.clear()
    Guard(policy("masking: {operators: {DATE: year}}"), detector=WordDetector({}))
    assert not caplog.records
