"""Making a log, an error, a repr, an approver's card or the database show an identifier in clear."""

import logging
import traceback

import pytest

from toolguard import BoundTool, Suspended
from toolguard._core.call import Tool
from toolguard.errors import BadArgumentsError, DeniedError, DetectionError, ToolFailedError, ToolguardError
from toolguard.testing import NoDetector, WordDetector
from toolguard.testing.desk import Desk

ADA, SSN = "Ada Byron", "900-12-3456"
WORDS = WordDetector({ADA: "PERSON", SSN: "SSN", f"ada@{ADA}": "EMAIL"})


def tool(name, invoke, validate=None):
    return BoundTool(tool=Tool.describe(name, source="app"), invoke=invoke, validate=validate)


def chain(error):
    """Everything an error reporter finds when it walks from an error on."""
    seen, todo = [], [error]
    while todo:
        at = todo.pop()
        if at is not None and at not in seen:
            seen.append(at)
            todo += [at.__cause__, at.__context__]
    return seen


def broken(data):
    raise ValueError(f"bad value {ADA}")


class Echoing(NoDetector):
    def inspect(self, value, *, origin, schema=None):
        raise ValueError(f"could not read {ADA}")


@pytest.mark.parametrize("why", ["schema", "detector", "analyser", "policy", "result", "tool"])
def test_i19_nothing_is_chained_to_an_error_that_leaves_the_guard(desk, policy, ana, drive, calm, why):
    parts = {"detector": Echoing() if why == "detector" else WORDS, "analyser": calm}
    if why == "analyser":
        calm.analyse = broken
    invoke = broken if why == "tool" else lambda passed: (_ for _ in [ADA]) if why == "result" else "ok"
    bound = tool("wipe" if why == "policy" else "send", invoke, broken if why == "schema" else None)
    if why == "policy":
        bound = tool("unknown", invoke)
    with desk.guard(policy, **parts).session(caller=ana) as session, pytest.raises(ToolguardError) as told:
        try:
            raise KeyError(f"the application was handling {ADA}")
        except KeyError:
            drive(session, "call", bound, {"to": "x"})
    ours = [e for e in chain(told.value) if not isinstance(e, KeyError)]
    assert ours == [told.value]
    assert ADA not in "".join(traceback.format_exception_only(told.value))
    if why == "tool":
        assert isinstance(told.value, ToolFailedError)  # the application gets the original, by name


def test_i19_reprs_of_what_a_call_is_made_of_show_no_value_and_no_key(desk, policy, ana):
    guard = desk.guard(policy, detector=WORDS)
    with guard.session(caller=ana) as session:
        session.mask(ADA)
        bound = tool("lookup", lambda passed: ADA)
        permit = session.authorise(bound, {"name": "<PERSON_1>", "ssn": SSN}, ref=session.ref("c"), reason=ADA)
        done = session.execute(bound, permit)
        clear = session.reveal("<PERSON_1>", purpose="treatment")
    from toolguard._core.steps import Inspect, Invoke, Ran, Seal, Validate
    from toolguard._core.vault import Need
    from toolguard.ports import Term

    parts = [permit, permit.judged, permit.judged.arguments, permit.trail, done, clear, session, guard, bound]
    parts += [
        Inspect(ADA, "user"),
        Invoke({"a": ADA}, "c", "k"),
        Ran(ADA),
        Ran(error=ValueError(ADA)),
        Seal(ADA.encode(), "c"),
    ]
    parts += [Validate({"a": ADA}), Need(type="PERSON", text=ADA), Term(type="PERSON", value=ADA)]
    shown = "\n".join(f"{part!r} {part!s}" for part in parts)
    assert ADA not in shown
    assert SSN not in shown
    key = desk.keys.sealer("general").digest_key
    assert repr(key)[2:-1] not in shown


def test_i19_logging_an_error_with_its_traceback_shows_no_value(desk, policy, ana, drive, caplog):
    with desk.guard(policy, detector=WORDS).session(caller=ana) as session, caplog.at_level(logging.DEBUG):
        for bound, given in ((tool("send", print, broken), {}), (tool("unknown", print), {"a": ADA})):
            try:
                drive(session, "call", bound, given)
            except ToolguardError:
                logging.getLogger("app").exception("a call failed")
    assert "a call failed" in caplog.text
    assert ADA not in caplog.text


# --- what approvers see ---------------------------------------------------------------------------------

TO = {
    "a name after an at sign": f"ward@{ADA}",
    "a name with a scheme": f"{ADA}://x",
    "a name before a scheme": f"{ADA} https://x.example",
    "a number as a domain": f"x@{SSN}",
    "a number in a host": f"https://{SSN}.evil.example/x",
    "a number after a host": f"https://evil.example/{SSN}",
    "a number as a password": f"https://user:{SSN}@evil.example/",
    "two at signs": f"a@b@{ADA}",
    "lines": f"a@b.example\n{ADA}",
    "a fragment": f"https://evil.example#{SSN}",
    "a list": [f"x@{ADA}"],
    "an object": {"address": f"x@{ADA}"},
    "a key": {ADA: "x"},
}


@pytest.mark.parametrize("to", TO.values(), ids=TO)
def test_t7_what_decides_a_call_is_shown_without_the_identifiers_in_it(desk, policy, ana, drive, to):
    bound = tool("export", lambda passed: "ok")
    with desk.guard(policy, detector=WORDS).session(caller=ana) as session, pytest.raises(Suspended) as waits:
        drive(session, "call", bound, {"to": to}, call_id="c")
    request = desk.store.get("general", waits.value.approval_id).request
    for hidden in (ADA, SSN, "Byron"):
        assert hidden not in repr(request)


@pytest.mark.parametrize(
    ("to", "shown"),
    [
        ("ada@st-marys.example", "…@st-marys.example"),
        ("Ada <ada@st-marys.example>", "…@st-marys.example"),
        ("https://ada:pw@files.example:8443/p?q=1", "https://files.example:8443/…"),
        ("the ward", "the ward"),
    ],
)
def test_t7_the_domain_or_host_that_decides_a_call_is_shown(desk, policy, ana, to, shown):
    detector = WordDetector({"ada@st-marys.example": "EMAIL", "ada:pw": "SECRET", "Ada": "PERSON"})
    bound = tool("export", lambda passed: "ok")
    with desk.guard(policy, detector=detector).session(caller=ana) as session, pytest.raises(Suspended) as waits:
        session.call(bound, {"to": to}, call_id="c")
    assert desk.store.get("general", waits.value.approval_id).request.decisive == {"to": shown}


# --- what is kept ---------------------------------------------------------------------------------------


def test_i19_nothing_in_clear_is_kept_whatever_carries_it(tmp_path, policy, ana):
    """Every odd place at once, on disk: keys, lists, prose, reasons, ids, run names, errors, kept results."""
    desk = Desk(tmp_path)
    guard = desk.guard(policy, detector=WORDS)
    with guard.session(caller=ana, run=f"thread of {ADA}") as session:
        session.mask([{ADA: [SSN, {SSN: ADA}]}])
        for name, given in (
            ("send", {"a": {ADA: SSN}, ADA: [SSN]}),
            ("lookup", {"a": ADA, "b": [SSN]}),
            ("relay", {"body": {ADA: ADA}}),
            ("export", {"to": f"x@{ADA}", "text": f"<PERSON_1> {SSN}", ADA: 1}),
            ("unknown", {"a": ADA}),
        ):
            bound = tool(name, lambda passed: {"echo": passed, ADA: SSN, "n": [ADA, SSN]})
            for call in (f"call of {ADA}", None):
                try:
                    permit = session.authorise(bound, given, ref=session.ref(call), reason=f"{ADA} {SSN}", replays=True)
                    session.execute(bound, permit, replays=True)
                except Suspended as waits:
                    desk.approve(waits.approval_id, reason=f"{ADA} agreed")
                except ToolguardError:
                    pass
        with pytest.raises(ToolFailedError):
            session.call(tool("send", broken), {})
        session.reveal("<PERSON_1>", purpose=f"because {ADA}")
    desk.store.close()
    kept = b"".join(file.read_bytes() for file in tmp_path.glob("toolguard.db*"))
    assert b"lookup" in kept
    reasons = ADA.encode() in kept.replace(f"{ADA} agreed".encode(), b"")  # this desk's authority looks for nothing
    assert not reasons
    assert SSN.encode() not in kept


@pytest.mark.parametrize(
    ("error", "attempt"),
    [
        (BadArgumentsError, lambda s: s.call(tool("send", print), {"a": {ADA: object()}})),
        (BadArgumentsError, lambda s: s.call(tool("send", print), {ADA: float("nan")})),
        (DeniedError, lambda s: s.call(tool("wipe", print), {ADA: SSN})),
        (DetectionError, lambda s: s.mask({ADA: {SSN}})),
        (DeniedError, lambda s: s.call(tool("nobody-knows", print), {ADA: SSN}, call_id=ADA)),
    ],
)
def test_no_error_text_quotes_what_it_is_about(desk, policy, ana, error, attempt):
    with desk.guard(policy, detector=WORDS).session(caller=ana) as session, pytest.raises(error) as told:
        attempt(session)
    for text in (str(told.value), repr(told.value), str(told.value.args), told.value.model_text, told.value.code):
        assert ADA not in text
        assert SSN not in text
