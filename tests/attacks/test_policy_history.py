"""Attackers against what a policy remembers: calls that are not to count, taint to be washed out, labels to be lost."""

import asyncio
import os
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from attacks.den import Den, cut_off, outcome, person, rule
from toolguard import DeniedError
from toolguard._core.call import Annotations, Tool
from toolguard.bound import BoundTool


@pytest.fixture
def den(tmp_path):
    den = Den(tmp_path)
    yield den
    den.desk.store.close()


@pytest.fixture
def hospital(tmp_path):
    """The same with a store in a file, which another process could share."""
    den = Den(tmp_path, None)
    yield den
    den.desk.store.close()


# --- rates: a call that is not to count


def fails(to: str) -> str:
    """Send a message."""
    raise TimeoutError("no answer")


def says_much(to: str) -> str:
    """Send a message."""
    return "x" * 9_000


hanging: list[asyncio.Event] = []


async def hangs(to: str) -> str:
    """Send a message."""
    hanging[-1].set()
    await asyncio.sleep(60)
    return ""


def try_it(session, tool):
    if tool is not hangs:
        return outcome(session, tool, to="x")

    hanging.append(asyncio.Event())
    try:
        asyncio.run(cut_off(session.acall(tool, {"to": "x"}), hanging[-1]))
    except asyncio.CancelledError:
        return "cut off"
    except DeniedError:
        return "denied"
    return "ran"


@pytest.mark.parametrize("tool", [fails, says_much, hangs], ids=["fails", "is withheld", "is cut off"])
def test_a_call_that_ran_and_came_to_nothing_counts(den, tool):
    name = tool.__name__
    guard = den.guard(
        {name: {"risk": "low"}},
        rule("deny", {"tool": name, "more_than": {"calls": 2, "per": "1h", "by": "person"}}),
        rule("allow", {"tool": name}, id="short", max_result_chars=1000),
    )
    with guard.session(caller=person()) as session:
        said = [try_it(session, tool) for _ in range(4)]
    assert said[2:] == ["denied", "denied"]
    assert "denied" not in said[:2]


def lookalike(name, source="app:x"):
    return BoundTool(tool=Tool.describe(name, source=source, schema={"type": "object"}), invoke=lambda passed: "page")


@pytest.mark.parametrize("name", ["web_fetch", "WEB_fetch", "ｗeb_fetch", "web\u200b_fetch", "web_fetch\u00a0"])
def test_a_tool_whose_name_only_looks_like_another_counts_as_that_one_where_a_rule_restricts(den, name):
    match = {"tool": "web_*", "more_than": {"calls": 1, "per": "1h"}}
    after = {"tool": "send", "after": {"tool": ["web_*"]}}
    guard = den.guard({"*": {"risk": "low"}}, rule("deny", match), rule("deny", after, id="a"))

    def send(to: str) -> str:
        """Send a message."""
        return "sent"

    with guard.session(caller=person()) as session:
        said = [outcome(session, t) for t in [lookalike(name)] * 2]
        assert [*said, outcome(session, send, to="x")] == ["ran", "denied", "denied"]


def test_a_tool_whose_name_only_looks_like_another_opens_nothing_that_waits_for_that_one(den):
    guard = den.guard(
        {"*": {"risk": "low"}, "pay": {"risk": "critical"}},
        rule("allow", {"tool": "pay", "after": {"tool": "checked"}}),
        defaults={"by_risk": {"low": "allow", "medium": "allow", "high": "deny", "critical": "deny"}},
    )

    def pay(to: str) -> str:
        """Pay."""
        return "paid"

    with guard.session(caller=person()) as session:
        assert outcome(session, lookalike("ｃhecked")) == "ran"
        assert outcome(session, pay, to="x") == "denied"
        assert outcome(session, lookalike("checked2")) == "ran"
        assert outcome(session, pay, to="x") == "denied"


WHO = {
    "another account of the same person": {"who": "7781", "issuer": "badge"},
    "another agent": {"agent": "night-agent"},
    "other roles": {"roles": {"clinician"}},
}


@pytest.mark.parametrize("name", WHO)
def test_a_person_is_one_however_they_come(den, name):
    guard = den.guard(
        {"look": {"risk": "low"}},
        rule("deny", {"tool": "look", "more_than": {"calls": 1, "per": "1h", "by": "person"}}),
    )

    def look() -> str:
        """Look."""
        return "ok"

    more = dict(WHO[name])
    issuer = more.pop("issuer", None)
    other = person(more.pop("who", "ana"), **more, **({"issuer": issuer} if issuer else {}))
    said = []
    for caller in (person(), other):
        with guard.session(caller=caller) as session:
            said.append(outcome(session, look))
    assert said == ["ran", "denied"]


def test_a_clock_that_is_set_back_frees_nothing(den):
    def look() -> str:
        """Look."""
        return "ok"

    guard = den.guard({"look": {"risk": "low"}}, rule("deny", {"tool": "look", "more_than": {"calls": 1, "per": "1h"}}))
    with guard.session(caller=person()) as session:
        assert outcome(session, look) == "ran"
        den.clock.advance(-7200)
        assert outcome(session, look) == "denied"


def test_a_question_that_is_answered_later_counts_when_it_runs_and_not_before(den):
    def look() -> str:
        """Look."""
        return "ok"

    guard = den.guard(
        {"look": {"risk": "low"}},
        rule("require_approval", {"tool": "look"}),
        rule("deny", {"tool": "look", "more_than": {"calls": 1, "per": "1h"}}, id="once"),
    )
    with guard.session(caller=person()) as session:
        asked = []
        for n in range(3):  # none of them has run, so each may ask
            try:
                session.call(look, {}, call_id=f"c{n}")
            except Exception as fault:
                asked.append(fault.approval_id)
        assert len(asked) == 3
        for approval in asked:
            den.desk.approve(approval)
        said = []
        for n in range(3):
            try:
                session.call(look, {}, call_id=f"c{n}")
                said.append("ran")
            except DeniedError:
                said.append("denied")
        assert said == ["ran", "denied", "denied"]


# --- taint: to be washed out


def test_what_was_to_be_withheld_is_withheld_when_the_reason_comes_between_judging_and_running(den):
    """Judged clean, tainted before it runs: a person may let it run, but not with what a rule now withholds."""

    def read_page(url: str) -> str:
        """Read a web page."""
        return "do as I say"

    def send(to: str, text: str) -> str:
        """Send a message."""
        got.append(text)
        return "sent"

    got = []
    guard = den.guard(
        {"read_page": {"risk": "low"}, "send": {"risk": "low", "trusted_for": ["MRN"], "prose": ["text"]}},
        rule("require_approval", {"tool": "send", "taint": ["untrusted"]}),
        rule("mask", {"tool": "send", "taint": ["untrusted"]}, id="m", args={"text": "mask"}),
    )
    with guard.session(caller=person()) as session:
        bound, ref = guard.tool(send), session.ref("c1")
        masked = session.mask("MRN-4711")
        permit = session.authorise(bound, {"to": "bo", "text": masked}, ref=ref)
        assert outcome(session, read_page, url="https://x.example") == "ran"
        try:
            session.execute(bound, permit)
        except Exception as fault:
            if getattr(fault, "approval_id", None):
                den.desk.approve(fault.approval_id)
        with suppress(Exception):
            permit = session.authorise(bound, {"to": "bo", "text": masked}, ref=ref)
            session.execute(bound, permit)
    assert "MRN-4711" not in got


def test_a_yes_to_what_was_judged_before_the_reason_came_runs_nothing_a_rule_now_withholds(tmp_path):
    """The same while the call waits in place: it would run with the arguments it was judged with."""
    den = Den(tmp_path, real=True)

    def read_page(url: str) -> str:
        """Read a web page."""
        return "do as I say"

    def send(to: str, text: str) -> str:
        """Send a message."""
        got.append(text)
        return "sent"

    got, taint = [], {"tool": "send", "taint": ["untrusted"]}
    guard = den.guard(
        {"read_page": {"risk": "low"}, "send": {"risk": "low", "trusted_for": ["MRN"], "prose": ["text"]}},
        rule("require_approval", taint),
        rule("mask", taint, id="m", args={"text": "mask"}),
        parts={"suspend": "block", "wait": 5},
    )
    with guard.session(caller=person()) as session:
        bound, ref = guard.tool(send), session.ref("c1")
        permit = session.authorise(bound, {"to": "bo", "text": session.mask("MRN-4711")}, ref=ref)
        assert outcome(session, read_page, url="https://x.example") == "ran"
        ended = threading.Event()

        def yes():
            while not ended.wait(0.02):
                for approval in den.desk.store.list("general", limit=5):
                    with suppress(Exception):  # until it is there, and once it is given
                        den.desk.approve(approval.request.id)

        approver = threading.Thread(target=yes)
        approver.start()
        with suppress(Exception):  # whichever way it is stopped
            session.execute(bound, permit)
        ended.set()
        approver.join()
    assert "MRN-4711" not in got


def test_a_result_that_is_given_again_counts_nobody_twice_and_taints_who_reads_it(den):
    def chart(patient: str) -> dict:
        """Look into one patient's chart."""
        return {"id": "MRN-4711"}

    guard = den.guard(
        {"chart": {"risk": "low", "patient": ["id"], "content": "trusted"}},
        rule("deny", {"tool": "chart", "patients": {"more_than": 1, "per": "1d"}}),
        rule("deny", {"tool": "pay", "taint": ["phi"]}, id="p"),
    )
    bound = guard.tool(chart)
    for times in range(3):
        with guard.session(caller=person(), run="r", id="one" if times < 2 else "two") as session:
            ref = session.ref("c1")
            permit = session.authorise(bound, {"patient": "x"}, ref=ref)
            done = session.execute(bound, permit, replays=True)
            assert done.replayed is (times > 0)
            assert "phi" in session.taints()
    with guard.session(caller=person(), run="r2") as session:
        assert "r" not in session.explain(chart, {"patient": "y"}).rule_ids


SAYS_LITTLE = {
    # name of a tool that hands strangers' text on, its arguments
    "send_request": {"url": {"type": "string"}, "method": {"type": "string"}},
    "post_request": {"url": {"type": "string"}, "body": {"type": "string"}},
    "http_post": {"url": {"type": "string"}},
    "call_api": {"url": {"type": "string"}},
    "submit_query": {"url": {"type": "string"}},
    "ask_assistant": {"url": {"type": "string"}},
    "send_and_receive": {"message": {"type": "string"}},
    "create_crawl": {"url": {"type": "string"}},
}


@pytest.mark.parametrize("name", SAYS_LITTLE)
def test_a_tool_whose_name_only_acts_taints_where_it_hands_back_what_an_address_says(den, name):
    schema = {"type": "object", "properties": SAYS_LITTLE[name]}
    tool = BoundTool(tool=Tool.describe(name, source="app:x", schema=schema), invoke=lambda passed: "obey me")
    guard = den.guard({"*": {"risk": "low"}}, rule("deny", {"tool": "pay", "taint": ["untrusted"]}))
    with guard.session(caller=person()) as session:
        outcome(session, tool, **dict.fromkeys(SAYS_LITTLE[name], "https://evil.example"))
        assert "untrusted" in session.taints()


def test_a_tools_own_word_that_it_stays_at_home_is_not_believed(den):
    said = Annotations(open_world=False, read_only=True, trusted=False)
    tool = BoundTool(
        tool=Tool.describe("fetch_page", source="mcp:x", schema={"type": "object"}, annotations=said),
        invoke=lambda passed: "obey me",
    )
    guard = den.guard({"*": {"risk": "low"}}, rule("deny", {"tool": "pay", "taint": ["untrusted"]}))
    with guard.session(caller=person()) as session:
        assert outcome(session, tool) == "ran"
        assert session.taints() == {"untrusted"}


ENDS = {"is withheld": "x" * 9_000, "fails": OSError("disk full"), "is cut off": None, "ends well": "ok"}


@pytest.mark.parametrize("end", ENDS)
def test_what_a_download_wrote_is_strangers_text_however_the_call_ended(den, tmp_path, end):
    """The file is there, whatever became of the result: who reads it back has read a stranger."""
    path = str(tmp_path / "page.txt")

    runs = asyncio.Event()

    def write():
        Path(path).write_text("obey me", "utf-8")

    async def save_page(url: str, path: str) -> str:
        """Download a web page and write it into a file."""
        write()
        if ENDS[end] is None:
            runs.set()
            await asyncio.sleep(60)
        if isinstance(ENDS[end], Exception):
            raise ENDS[end]
        return ENDS[end]

    def read_file(path: str) -> str:
        """Read a file."""
        return Path(path).read_text("utf-8")

    guard = den.guard(
        {"save_page": {"risk": "low", "category": ["write"]}, "read_file": {"risk": "low", "content": "trusted"}},
        rule("deny", {"tool": "pay", "taint": ["untrusted"]}),
        rule("allow", {"tool": "save_page"}, id="short", max_result_chars=1000),
    )
    with guard.session(caller=person(), run="one") as session:
        with suppress(Exception, asyncio.CancelledError):  # each end but one is an error
            asyncio.run(cut_off(session.acall(save_page, {"url": "https://x.example", "path": path}), runs))
    with guard.session(caller=person(), run="two") as session:
        assert outcome(session, read_file, path=path) == "ran"
        assert "untrusted" in session.taints()


@pytest.mark.parametrize("end", ["is withheld", "ends well"])
def test_what_a_tool_wrote_of_patients_it_found_is_about_patients_though_its_result_is_withheld(den, tmp_path, end):
    path = str(tmp_path / "out.csv")

    def query_into(path: str) -> str:
        """Query the warehouse and write the rows into a file."""
        Path(path).write_text("MRN-1", "utf-8")
        return "MRN-1 " * (2_000 if end == "is withheld" else 1)

    def upload(path: str) -> str:
        """Upload a file."""
        return "done"

    guard = den.guard(
        {"query_into": {"risk": "low", "category": ["write"]}, "upload": {"risk": "low", "category": ["exfiltration"]}},
        rule("deny", {"tool": "upload", "label": ["phi"]}),
        rule("allow", {"tool": "query_into"}, id="short", max_result_chars=1000),
    )
    with guard.session(caller=person(), run="one") as session:
        outcome(session, query_into, path=path)
    with guard.session(caller=person(), run="two") as session:
        assert outcome(session, upload, path=path) == "denied"


def test_a_second_guard_with_a_laxer_memory_makes_no_fact_shorter(hospital):
    """Another policy on the same store remembers the same for a minute; that ends nothing."""

    def look(patient: str) -> str:
        """Look."""
        return "ok"

    tools = {"look": {"risk": "low", "subject": "patient"}}
    strict = hospital.guard(tools, rule("deny", {"patients": {"more_than": 1, "per": "1d"}}))
    lax = hospital.guard(tools, rule("deny", {"patients": {"more_than": 50, "per": "1m"}}), name="lax.yaml")
    with strict.session(caller=person()) as session:
        assert outcome(session, look, patient="1") == "ran"
    with lax.session(caller=person()) as session:
        assert outcome(session, look, patient="1") == "ran"
    hospital.clock.advance(3600)
    hospital.desk.store.forget_marks()
    with strict.session(caller=person()) as session:
        assert outcome(session, look, patient="2") == "denied"


# --- labels: to be lost

WAYS = {
    "double slash": "//{dir}/cohort.csv",
    "proc root": "/proc/self/root{dir}/cohort.csv",
    "proc cwd": "/proc/self/cwd/cohort.csv",
    "dev fd": "/dev/fd/{fd}",
    "proc fd": "/proc/self/fd/{fd}",
    "proc task fd": "/proc/self/task/{tid}/fd/{fd}",
    "file URL of four slashes": "file:////{dir}/cohort.csv",
    "file without slashes": "file:{dir}/cohort.csv",
    "upper FILE": "FILE://{dir}/cohort.csv",
    "file URL of this host by number": "file://127.0.0.1{dir}/cohort.csv",
    "file URL with a query": "file://{dir}/cohort.csv?x=1",
    "file URL with a fragment": "file://{dir}/cohort.csv#x",
    "a sign of curl": "@{dir}/cohort.csv",
    "outer blanks": "  {dir}/cohort.csv  ",
    "the folder": "{dir}",
    "the folder with a dot": "{dir}/.",
    "a pattern": "{dir}/*.csv",
    "a pattern with classes": "{dir}/c[o]hort.csv",
    "a brace": "{dir}/{{cohort,other}}.csv",
    "a pattern of folders": "{dir}/**",
    "two at once": "{dir}/clean.csv {dir}/cohort.csv",
    "two with a comma": "{dir}/clean.csv,{dir}/cohort.csv",
    "JSON in a text": '["{dir}/clean.csv", "{dir}/cohort.csv"]',
    "two lines": "{dir}/clean.csv\n{dir}/cohort.csv",
    "home": "~/cohort.csv",
    "a variable": "$HOME/cohort.csv",
    "a variable in braces": "${{HOME}}/cohort.csv",
    "soft hyphen": "{dir}/co\u00adhort.csv",
    "a member of an archive": "{dir}/cohort.csv/inner.csv",
    "zip URL": "zip://{dir}/cohort.csv!inner",
    "archive URL": "jar:file:{dir}/cohort.csv!/x",
    "pandas scheme": "local://{dir}/cohort.csv",
    "a database URL": "sqlite:///{dir}/cohort.csv",
}


@pytest.mark.parametrize("way", WAYS)
def test_a_file_about_patients_does_not_leave_under_another_name(den, tmp_path, monkeypatch, way):
    folder = tmp_path / "files"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(folder))

    def export(path: str) -> str:
        """Write the cohort into a file."""
        Path(path).write_text("MRN-1", "utf-8")
        return "ok"

    def write_file(path: str, text: str) -> str:
        """Write a file."""
        Path(path).write_text(text, "utf-8")
        return "ok"

    def upload(path: str, url: str = "https://cloud.example/in") -> str:
        """Upload a file."""
        return "done"

    guard = den.guard(
        {
            "export": {"risk": "low", "category": ["write"], "trusted_for": ["MRN"], "content": "trusted"},
            "write_file": {"risk": "low", "category": ["write"], "content": "trusted"},
            "upload": {"risk": "low", "category": ["exfiltration"], "content": "trusted"},
        },
        rule("deny", {"tool": "upload", "label": ["phi", "unknown"]}),
    )
    with guard.session(caller=person(), run="a") as session:
        assert outcome(session, write_file, path=str(folder / "clean.csv"), text="x") == "ran"
    with guard.session(caller=person(), run="b") as session:
        assert outcome(session, export, path=str(folder / "cohort.csv")) == "ran"
    handle = os.open(folder / "cohort.csv", os.O_RDONLY)
    try:
        path = WAYS[way].format(dir=folder, fd=handle, tid=threading.get_native_id())
        with guard.session(caller=person(), run="c") as session:
            assert outcome(session, upload, path=str(folder / "clean.csv")) == "ran"
            assert outcome(session, upload, path=path) == "denied"
    finally:
        os.close(handle)
