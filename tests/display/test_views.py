"""Views: each object in a page and in lines. Nothing in them can act, nothing hidden stays hidden, and no raw value gets in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console

from authority.ward import Ward
from telemetry.records import changed, life
from toolguard import Caller, Guard, Suspended, Tool
from toolguard._core.approval import Answer, Verdict
from toolguard._core.audit import Fault
from toolguard._core.call import Person
from toolguard._core.flow.marked import MarkedSpan, MarkedText
from toolguard._core.policy import Decision
from toolguard.cli.trace import render_trace
from toolguard.display import (
    cases_view,
    difference_view,
    lint_view,
    seen_view,
    tools_view,
    trace_view,
    view,
)
from toolguard.errors import PolicyError
from toolguard.journal import AnchorReport, LogReport, StateFault, VerifyReport
from toolguard.policyfile import Problem, explain
from toolguard.policytools.cases import Difference, Result
from toolguard.policytools.coverage import RuleCoverage
from toolguard.policytools.difference import Change, Turn
from toolguard.policytools.judging import Answer as Judged
from toolguard.policytools.remark import Remark
from toolguard.policytools.replay import Report
from toolguard.policytools.scan import inventory

POLICY = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: clinic, version: 3, owner: privacy@clinic.example}
approvals:
  default: {approvers: ["group:privacy-officers"], expires: 15m}
tools:
  send: {risk: high, category: [communication], args: {to: unmask}, decisive: [to], trusted_for: [EMAIL]}
rules:
  - {id: mail-waits, because: "A letter outside waits for a person.", match: {tool: send}, when: 'size(args.body) > 3', effect: require_approval}
"""
NAME, MRN, PHONE, STREET = "Margaret Applegate", "00451234", "617 555 0142", "12 Larkspur Lane"
NOTE = f"Patient {NAME}, MRN {MRN}, lives at {STREET}, Boston. Phone +1 {PHONE}."
ALLOWED = frozenset(
    (
        "style",
        "section",
        "div",
        "h3",
        "h4",
        "p",
        "span",
        "b",
        "q",
        "i",
        "code",
        "ul",
        "ol",
        "li",
        "dl",
        "dt",
        "dd",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "pre",
        "mark",
        "a",
    )
)
ATTRIBUTES = frozenset({"class", "title", "style", "aria-label", "scope", "href", "target", "rel"})
HOSTILE = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "</style><svg onload=alert(1)>",
    "</pre></section><iframe src=//evil.example>",
    "<a href='javascript:alert(1)'>yes</a>",
    "{{7*7}}${7*7}%s{0}",
    "<!--",
    "&lt;b&gt;",
    "safe\u202etxet\u200b\x1b[31m\x07",
)  # fmt: skip


class Seen(HTMLParser):
    """What a browser would make of a page: its elements, attributes and text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.comments: list[str] = []
        self.open = Counter[str]()
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.open[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        self.open[tag] -= 1

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)


def send(to: str, body: str) -> str:
    """Send a letter."""
    return "sent"


@pytest.fixture(scope="module")
def guard(tmp_path_factory: pytest.TempPathFactory) -> Guard:
    path = tmp_path_factory.mktemp("policy") / "policy.yaml"
    path.write_text(POLICY)
    return Guard(str(path))


@pytest.fixture(scope="module")
def decision(guard: Guard) -> Decision:
    session = guard.session(caller=Caller.of("ruiz", agent="discharge-assistant", tenant="st-marys"))
    return session.explain(send, {"to": "records@partner.example", "body": NOTE})


Make = Callable[[str], object]


@pytest.fixture(scope="module")
def makers(guard: Guard, decision: Decision, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Make]:
    """Every view with ``text`` wherever text can come from outside: files, tools, people, records."""
    policy = guard.parts.policy
    told = explain(decision, policy)
    waiting = Ward(tmp_path_factory.mktemp("ward")).ask(agent_reason="it was asked for")
    judged = Judged(decision=decision, plan=policy.plan(Tool.describe("send", source="here")))

    def fired(text: str) -> object:
        return tuple(replace(f, because=text, id=text, controls=(text,), error=text) for f in decision.fired)

    def evidence(text: str) -> object:
        return replace(
            decision.risk, evidence=tuple(replace(e, text=text, source=text) for e in decision.risk.evidence)
        )

    def approval(text: str) -> object:
        request = replace(waiting.request, tool=text, because=text, agent=text, agent_reason=text, requester_person=text,
                          decisive={text: text}, hidden=(text,), view={text: text, "n": [text]})  # fmt: skip
        verdict = Verdict(request=request.id, answer=Answer.DENY, person=text, identity=Person(issuer="l", tenant="t", subject="s"),
                          groups=(), seen_call_digest="", seen_view_digest="", reason=text, channel=text, auth="a", at=1.0)  # fmt: skip
        return replace(waiting, request=request, verdicts=(verdict,))

    def trace(text: str) -> object:
        return trace_view(
            changed(r, **{"gen_ai.tool.name": text, "toolguard.policy.rule.id": [text], "toolguard.approver.id": text,
                          "toolguard.decision.reason_code": text, "gen_ai.conversation.id": text})
            for r in life()
        )  # fmt: skip

    def tools(text: str) -> object:
        tool = Tool.describe(
            text or "t",
            source=text or "s",
            description=text,
            schema={"type": "object", "properties": {text: {"type": "string", "description": text}}},
        )
        return tools_view(inventory([tool, tool], policy))

    def cases(text: str) -> object:
        result = Result(
            file=text, line=1, name=text, differences=(Difference(what=text, expected=text, got=text),), answer=judged
        )
        return cases_view([result], {text: (RuleCoverage(id=text, matched=0, missed=0, wants_miss=True),)})

    def verified(text: str) -> object:
        return VerifyReport(
            logs=(LogReport(log_id=text, records=2, faults=(Fault(log_id=text, seq=1, code=text),)),),
            states=(StateFault(approval=text, code=text),), approvals=1, running=(text,), anchors=(AnchorReport(name=text, notes=0, codes=(text,)),),
        )  # fmt: skip

    def replayed(text: str) -> object:
        return Report(same=1, changes=Counter({("deny", "allow"): 2}), by_tool=Counter({(text, "deny", "allow"): 2}), unknown=Counter({text: 1}), not_replayed=1)  # fmt: skip

    return {
        "decision": lambda text: replace(decision, fired=fired(text), risk=evidence(text), policy_id=text, policy_version=text),  # type: ignore[arg-type] # made above
        "explanation": lambda text: replace(told, evidence=(text,), approvers=(text,), approver=text, values={text: text}, policy_id=text,
                                            rules=tuple(replace(n, id=text, because=text, reads=(text,), error=text) for n in told.rules)),
        "risk": evidence,
        "masked text": lambda text: MarkedText(text=f"a{text}b", spans=(MarkedSpan(start=1, end=1 + len(text), type=text, score=0.5, source=text),)),
        "masked data": lambda text: seen_view({text: [text, 1, None]}),
        "approval": approval,
        "suspended": lambda text: Suspended(text, approval_id=text, call_digest=f"v1:{text}", tool=text, expires_at=4e9),
        "trace": trace,
        "tools": tools,
        "policy": lambda text: replace(policy, id=text, version=text, owner=text, packs=(text,), rules=tuple(replace(r, id=text, because=text) for r in policy.rules)),
        "faults": lambda text: PolicyError(text, (Problem(file=text, line=1, column=1, path=text, message=text),)),
        "lint": lambda text: lint_view([Remark(file=text, line=1, column=1, code="TG101", message=text, path=text)]),
        "cases": cases,
        "difference": lambda text: difference_view([Change(part=text, name=text, field=text, before=text, after=text, turn=Turn.LOOSENS)]),
        "replay": replayed,
        "verified": verified,
    }  # fmt: skip


VIEWS = (
    "decision", "explanation", "risk", "masked text", "masked data", "approval", "suspended", "trace", "tools", "policy",
    "faults", "lint", "cases", "difference", "replay", "verified",
)  # fmt: skip


def shown(made: object) -> tuple[str, str]:
    """(page, lines) of an object, as a notebook and a terminal ask for them."""
    page = made._repr_html_()  # type: ignore[attr-defined] # what IPython calls
    return page, (str(made) if type(made).__name__ == "View" else view(made).text)


def test_every_view_is_tried(makers: dict[str, Make]) -> None:
    assert tuple(makers) == VIEWS


@pytest.mark.parametrize("name", VIEWS)
def test_what_others_wrote_is_text_and_nothing_else(makers: dict[str, Make], name: str) -> None:
    for text in HOSTILE:
        page, lines = shown(makers[name](text))
        seen = Seen(page)
        assert seen.tags <= ALLOWED, (text, seen.tags - ALLOWED)
        assert not seen.comments
        assert not +seen.open, "every element ends"
        for tag, attribute, value in seen.attributes:
            assert attribute in ATTRIBUTES, (tag, attribute)
            assert attribute != "href" or value.startswith(("http://", "https://"))
            assert attribute != "style" or value.replace("left:", "").replace("width:", "").strip("0123456789.%;") == ""
        for steering in "\u202e\u200b\x1b\x07":
            assert steering not in page
            assert steering not in lines


@pytest.mark.parametrize("name", VIEWS)
def test_what_others_wrote_can_be_read(makers: dict[str, Make], name: str) -> None:
    page, _ = shown(makers[name]("<b>Ward 7</b>"))
    seen = Seen(page)
    assert "Ward 7" in seen.text + "".join(value for _, _, value in seen.attributes)


@pytest.mark.parametrize("name", VIEWS)
def test_a_page_needs_no_script_and_fits_light_and_dark(makers: dict[str, Make], name: str) -> None:
    page, lines = shown(makers[name]("plain"))
    assert "<script" not in page
    assert "http" not in page.replace("https://partner", "") or name == "trace"
    for needed in (
        "prefers-color-scheme:dark",
        "--jp-layout-color1",
        "--vscode-editor-background",
        "data-jp-theme-light=false",
    ):
        assert needed in page
    assert lines.strip()
    assert "<" not in lines.replace("<EMAIL_1>", "").replace("<PERSON_1>", "")


def test_no_raw_value_is_in_what_a_session_shows(guard: Guard, decision: Decision) -> None:
    session = guard.session(caller=Caller.of("ruiz", agent="discharge-assistant", tenant="st-marys"))
    marked = session.marked(NOTE)
    told = explain(decision, guard.parts.policy, masked={"body": session.mask(NOTE)})
    for made in (decision, decision.risk, told, marked, seen_view(session.mask({"note": NOTE}))):
        page, lines = shown(made)
        for value in (NAME, "Applegate", MRN, PHONE, STREET):
            assert value not in page
            assert value not in lines
            assert value not in repr(made)


def test_marked_text_is_what_mask_gives(guard: Guard) -> None:
    session = guard.session(caller=Caller.of("ruiz", agent="discharge-assistant", tenant="st-marys"))
    for text in (
        NOTE,
        "",
        "nothing to find here",
        f"{NAME} and {NAME}",
        "someone wrote <PERSON_9> here",
        "é\n\t" + NOTE + NOTE,
    ):
        marked = session.marked(text)
        assert marked.text == session.mask(text)
        ends = [0, *(s.end for s in marked.spans)]
        assert all(a <= s.start < s.end for a, s in zip(ends, marked.spans, strict=False))
        for span in marked.spans:
            assert marked.text[span.start : span.end].startswith(f"<{span.type}_")
    assert session.marked(NOTE).counts.keys() >= {"PERSON", "MRN", "ADDRESS", "PHONE"}


def test_each_placeholder_says_its_kind_score_and_finder(guard: Guard) -> None:
    session = guard.session(caller=Caller.of("ruiz", agent="discharge-assistant", tenant="st-marys"))
    marked = session.marked(NOTE)
    seen = Seen(marked._repr_html_())
    titles = [value for tag, name, value in seen.attributes if (tag, name) == ("mark", "title")]
    assert len(titles) == len(marked.spans)
    for title, span in zip(titles, marked.spans, strict=True):
        assert title == f"{span.type}, score {span.score:.2f}, found by {span.source}"


def test_a_trace_says_what_the_command_says() -> None:
    records = life()
    console = Console(width=200, color_system=None, soft_wrap=True)
    with console.capture() as capture:
        console.print(render_trace(records))
    tree = capture.get().rstrip("\n")
    drawn = trace_view(records)
    assert str(drawn) == tree
    text = " ".join(Seen(drawn.html).text.split())
    for line in tree.splitlines()[1:]:
        for word in line.strip("│├└─ ").split("  "):
            assert " ".join(word.split()) in text, word


def test_time_left_is_text() -> None:
    paused = Suspended("x", approval_id="a" * 32, call_digest="v1:" + "b" * 64, tool="send", expires_at=1000.0)
    from toolguard.display import suspended_view

    assert "1 min" in suspended_view(paused, now=910.0).html
    assert "was not answered" in suspended_view(paused, now=1000.0).html


def test_what_has_no_view_says_so() -> None:
    with pytest.raises(TypeError, match="there is no view of a 'int'"):
        view(3)


def test_ipython_shows_lines_and_not_the_repr(decision: Decision) -> None:
    from IPython.lib.pretty import pretty

    assert pretty(decision).startswith("Waits for a person: A letter outside waits for a person.")


def test_showing_costs_nothing_until_somebody_looks(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = "import sys, toolguard; from toolguard import Guard; assert 'toolguard.display' not in sys.modules; assert 'IPython' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


def test_a_short_word_beside_a_long_one_stays_whole() -> None:
    change = Change(part="rule", name="r", field="when", before="always", after="x" * 200, turn=Turn.LOOSENS)
    html = difference_view([change])._repr_html_()
    assert '<code class="whole">always</code>' in html
    assert f"<code>{'x' * 200}</code>" in html


@pytest.mark.parametrize(("faults", "said"), [(1, "1 fault<"), (2, "2 faults<")])
def test_faults_are_counted_in_words(faults: int, said: str) -> None:
    log = LogReport(
        log_id="a" * 32, records=3, faults=tuple(Fault(log_id="a" * 32, seq=n, code="hash") for n in range(faults))
    )
    report = VerifyReport(logs=(log,), states=(), approvals=0, running=(), anchors=())
    assert said in view(report)._repr_html_()
