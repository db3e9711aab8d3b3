"""The table of attributes: it names every one there is, and no span carries one it does not name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes

import toolguard
from telemetry.records import life
from toolguard import Caller, Suspended
from toolguard._core.audit import AuditRecord, Kind
from toolguard.errors import ApprovalError, DeniedError, ToolFailedError
from toolguard.telemetry import names, spans_of
from toolguard.telemetry.attributes import ATTRIBUTES, WORDS, markdown, words_of
from toolguard.telemetry.spans import _NAMES
from toolguard.testing import WordDetector
from toolguard.testing.desk import Desk

SOURCE = Path(toolguard.__file__).parent
DOCUMENT = Path(__file__).parents[2] / "docs" / "observability.md"
_NAME = re.compile(r"(?:toolguard|gen_ai|error|process)(?:\.[a-z0-9_]+)+")
_NOT_RECORDS = {"metrics.py", "store_samples.py", "attributes.py"}


def written() -> dict[str, set[str]]:
    """Every name that some code of ours gives a value: keys of dicts, of ``body[…] =``, and constants used as such."""
    found: dict[str, set[str]] = {}
    for file in SOURCE.rglob("*.py"):
        if file.name in _NOT_RECORDS:
            continue
        for name in _names_in(ast.parse(file.read_text("utf-8"))):
            if _NAME.fullmatch(name) and not name.endswith(".toml"):
                found.setdefault(name, set()).add(file.name)
    return found


def _names_in(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        keys: list[ast.expr | None] = []
        if isinstance(node, ast.Dict):
            keys = list(node.keys)
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            keys = [node.slice]
        yield from (k.value for k in keys if isinstance(k, ast.Constant) and isinstance(k.value, str))


def test_every_attribute_that_is_written_stands_in_the_table() -> None:
    missing = {name: files for name, files in written().items() if name not in ATTRIBUTES}
    assert missing == {}, "say in telemetry/attributes.py on which spans they stand and what they mean"


def test_the_table_names_nothing_that_is_not_there() -> None:
    text = "\n".join(f.read_text("utf-8") for f in SOURCE.rglob("*.py") if f.name != "attributes.py")
    assert {name for name in ATTRIBUTES if f'"{name}"' not in text} == set()
    constants = {v for k, v in vars(names).items() if k.isupper()}
    assert constants <= ATTRIBUTES.keys()


def test_every_kind_of_record_has_its_word_and_every_span_is_named() -> None:
    said = [kind for kinds in WORDS.values() for kind in kinds]
    assert sorted(said) == sorted(Kind)
    document = DOCUMENT.read_text("utf-8")
    for name in _NAMES.values():
        assert f"`{name}`" in document


def test_the_document_has_the_table_as_it_is() -> None:
    assert markdown() in DOCUMENT.read_text("utf-8"), "python -m toolguard.telemetry.attributes prints it"


def test_the_names_of_conventions_are_those_of_the_installed_package() -> None:
    known = {v for k, v in vars(gen_ai_attributes).items() if k.startswith("GEN_AI_") and isinstance(v, str)}
    drafts = {name for name in ATTRIBUTES if name.startswith("gen_ai.guardrail.")}
    assert {name for name in ATTRIBUTES if name.startswith("gen_ai.")} - drafts <= known
    assert drafts & known == set(), "they are agreed now: show them without a switch"


# --- what records really carry ---------------------------------------------------------------------------------

POLICY = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: attributes, version: 1, owner: privacy@general.example}
approvals:
  default: {approvers: ["group:privacy-office"], quorum: 1, expires: 1h}
tools:
  look: {risk: low, trusted_for: [PERSON]}
  export: {risk: high, decisive: [name]}
  wipe: {risk: low}
  fails: {risk: low}
  toolguard.reveal: {risk: low}
rules:
  - {id: never, because: "Nothing is wiped.", effect: deny, match: {tool: wipe}}
"""


def look(name: str) -> str:
    """Look."""
    return f"{name} was seen"


def export(name: str) -> str:
    """Export."""
    return name


def wipe(name: str) -> str:
    """Wipe."""
    return name


def fails(name: str) -> str:
    """Fail."""
    raise ValueError(name)


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[AuditRecord]:
    """A guard, people, and all that may happen between them."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "policy.yaml").write_text(POLICY, "utf-8")
    desk = Desk(folder, store="memory:")
    guard = desk.guard(folder / "policy.yaml", detector=WordDetector({"Zebedee Quill": "PERSON"}))
    with guard.session(caller=Caller.of("ana", agent="discharge-agent", tenant="general"), run="run-1") as session:
        session.call(look, {"name": "Zebedee Quill"})
        session.reveal("<PERSON_1>", purpose="treatment")
        for tool, kind in ((wipe, DeniedError), (fails, ToolFailedError)):
            with pytest.raises(kind):
                session.call(tool, {"name": "Zebedee Quill"})
        for call_id, answer in (("x1", desk.approve), ("x2", desk.deny)):
            with pytest.raises(Suspended) as waits:
                session.call(export, {"name": f"Zebedee Quill {call_id}"}, call_id=call_id)
            with pytest.raises(ApprovalError):
                answer(waits.value.approval_id, by="ana")
            answer(waits.value.approval_id)
            with guard.session(
                caller=Caller.of("lee", agent="discharge-agent", tenant="general"), run="run-1"
            ) as other:
                with pytest.raises(DeniedError):
                    other.call(export, {"name": f"Zebedee Quill {call_id}"}, call_id=call_id)
        session.call(export, {"name": "Zebedee Quill x1"}, call_id="x1")
        with pytest.raises(DeniedError):
            session.call(export, {"name": "Zebedee Quill x2"}, call_id="x2")
        with pytest.raises(Suspended):
            session.call(export, {"name": "Zebedee Quill x3"}, call_id="x3")
        session.forget()
    return list(desk.store.records())


def test_a_record_carries_only_what_the_table_gives_its_kind(records: list[AuditRecord]) -> None:
    kinds = {record.draft.kind for record in records}
    assert kinds >= {
        Kind.POLICY_LOADED,
        Kind.CALL_DECIDED,
        Kind.CALL_RETURNED,
        Kind.CALL_FAILED,
        Kind.CALL_NOT_RUN,
        Kind.APPROVAL_REQUESTED,
        Kind.APPROVAL_VERDICT,
        Kind.APPROVAL_REFUSED,
        Kind.APPROVAL_RESOLVED,
        Kind.APPROVAL_REVEALED,
        Kind.VALUES_REVEALED,
    }
    strange = {
        (record.draft.kind.value, name)
        for record in records
        for name in record.draft.body
        if name not in words_of(record.draft.kind)
    }
    assert strange == set()


def test_every_span_has_ids_of_its_own(records: list[AuditRecord]) -> None:
    """I6; also where others make somebody's call, and where it is made again."""
    ids = [(s.context.trace_id, s.context.span_id) for r in records for s in spans_of(r, Resource({})) if s.context]
    assert len(set(ids)) == len(ids)


def test_every_call_is_judged_once(records: list[AuditRecord]) -> None:
    """The audit population: one evaluate span for each proposed call."""
    judged = [r.draft.call for r in records if r.draft.kind is Kind.CALL_DECIDED]
    assert len(set(judged)) == len(judged)


def test_every_value_is_of_one_type_wherever_it_stands(records: list[AuditRecord]) -> None:
    """A backend that has seen a text there takes no list."""
    types: dict[str, set[str]] = {}
    for record in (*records, *life()):
        for span in spans_of(record, Resource({}), drafts=True):
            for name, value in (span.attributes or {}).items():
                kind = (
                    "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__
                )
                types.setdefault(name, set()).add(kind)
    assert {name: found for name, found in types.items() if len(found) > 1} == {}


_APPROVAL = {
    "toolguard.approval.id",
    "toolguard.approval.channel",
    "toolguard.approval.requested_at",
    "toolguard.approval.expires_at",
    "toolguard.approver.quorum",
    "toolguard.decision.outcome",
    "toolguard.actor.id",
    "gen_ai.tool.name",
    "gen_ai.conversation.id",
    "toolguard.call.id",
    "toolguard.args.hmac",
}
_APPROVER = {"toolguard.approver.id", "toolguard.approver.tenant", "toolguard.approver.auth_method"}
_ENDED = {"toolguard.approval.decided_at", "toolguard.approval.wait_s"}
_NEEDED = {
    Kind.CALL_DECIDED: {
        "gen_ai.operation.name",
        "gen_ai.tool.name",
        "gen_ai.tool.call.id",
        "gen_ai.tool.type",
        "gen_ai.agent.name",
        "gen_ai.conversation.id",
        "toolguard.call.id",
        "toolguard.decision.outcome",
        "toolguard.decision.reason_code",
        "toolguard.risk.level",
        "toolguard.policy.id",
        "toolguard.policy.version",
        "toolguard.policy.sha256",
        "toolguard.policy.rule.id",
        "toolguard.args.hmac",
        "toolguard.phi.detector.version",
        "toolguard.actor.id",
    },
    Kind.APPROVAL_REQUESTED: _APPROVAL,
    Kind.APPROVAL_VERDICT: _APPROVAL | _APPROVER | _ENDED,
    Kind.APPROVAL_REFUSED: _APPROVAL | _APPROVER,
    Kind.APPROVAL_RESOLVED: _APPROVAL | _ENDED,
    Kind.POLICY_LOADED: {"toolguard.policy.id", "toolguard.policy.version", "toolguard.policy.sha256"},
    Kind.CALL_FAILED: {"error.type", "toolguard.decision.outcome"},
}


@pytest.mark.parametrize("kind", _NEEDED, ids=str)
def test_what_an_auditor_asks_for_is_there(records: list[AuditRecord], kind: Kind) -> None:
    found = [record for record in records if record.draft.kind is kind]
    assert found
    for record in found:
        assert _NEEDED[kind] - record.draft.body.keys() == set()
        (own, *_) = spans_of(record, Resource({}))
        for name in ("toolguard.audit.log_id", "toolguard.audit.seq", "toolguard.audit.hash"):
            assert name in (own.attributes or {})


def test_no_attribute_holds_an_identifier_or_a_message(records: list[AuditRecord]) -> None:
    for record in records:
        for span in spans_of(record, Resource({}), drafts=True):
            assert not re.search(r"Zebedee|Quill|checked|not needed", span.to_json())
