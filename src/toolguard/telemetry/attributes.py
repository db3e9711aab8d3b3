"""Every attribute a span of ours may carry: on which spans, what it means, an example.

``python -m toolguard.telemetry.attributes`` prints the table of the documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from toolguard._core.audit import Kind

__all__ = ["ATTRIBUTES", "WORDS", "Attribute", "markdown", "words_of"]

WORDS: Mapping[str, tuple[Kind, ...]] = {
    "evaluate": (Kind.CALL_DECIDED,),
    "execute": (Kind.CALL_RETURNED, Kind.CALL_FAILED, Kind.CALL_INDETERMINATE, Kind.CALL_EXECUTING),
    "not_run": (Kind.CALL_NOT_RUN,),
    "request": (Kind.APPROVAL_REQUESTED,),
    "decision": (Kind.APPROVAL_VERDICT, Kind.APPROVAL_REFUSED),
    "wait": (Kind.APPROVAL_RESOLVED,),
    "reveal": (Kind.APPROVAL_REVEALED,),
    "values": (Kind.VALUES_REVEALED,),
    "credential": (Kind.CREDENTIAL_RELEASED, Kind.CREDENTIAL_REVOKED, Kind.CREDENTIAL_REFUSED),
    "act": (Kind.ACT_RECORDED,),
    "review": (Kind.AUDIT_REVIEW,),
    "archive": (Kind.AUDIT_ARCHIVED,),
    "prune": (Kind.AUDIT_PRUNED,),
    "opened": (Kind.CONTENT_OPENED,),
    "redact": (Kind.CONTENT_REDACTED,),
    "policy": (Kind.POLICY_LOADED, Kind.POLICY_REFUSED),
    "checkpoint": (Kind.AUDIT_CHECKPOINT,),
    "parked": (Kind.SPAN_PARKED,),
    "opening": (Kind.LOG_OPENED,),
}
"""Words of the table's second column, and the records that stand behind them (``opening`` is in the journal only)."""
_GROUPS = {
    "call": ("evaluate", "execute", "not_run", "request", "wait", "values", "credential"),
    "approval": ("request", "decision", "wait", "reveal"),
    "all": tuple(WORDS),
}

_TABLE = """
gen_ai.operation.name | call | always `execute_tool` | execute_tool
gen_ai.tool.name | call approval act | the tool | ehr.lookup
gen_ai.tool.type | call | always `function` | function
gen_ai.tool.call.id | call approval | the call's id as the provider gave it, or a digest | call_7Hk2
gen_ai.agent.name | call approval | the agent, or a digest | discharge-agent
gen_ai.conversation.id | call approval | the run: a thread, a conversation | run-2026-11-22-1
gen_ai.tool.call.arguments | evaluate | arguments, every identifier as its type; only with `content = "masked"` | {"name":"<PERSON>"}
gen_ai.tool.call.result | execute | the masked result; only with `content = "masked"` | "<PERSON_1> was seen"
gen_ai.guardrail.name | evaluate | draft: which guardrail; only with `drafts`, on guardrail spans | toolguard.policy
gen_ai.guardrail.triggered | evaluate | draft: whether it found something | true
gen_ai.guardrail.action | evaluate | draft: allow, modify, escalate, block | escalate
error.type | evaluate execute | the class of a fault, never its message | TimeoutError
toolguard.call.id | call approval review opened redact parked | our id of the call; all its spans have it | 9f2c…32 hex digits
toolguard.tenant | call approval act review opened redact parked | the tenant | general
toolguard.session.id | call | the session, or a digest | ward-7
toolguard.session.taints | evaluate | marks the session carries | ["untrusted"]
toolguard.actor.id | call approval opened | who is behind the call (issuer:tenant:subject), or a digest | local:general:ana
toolguard.actor.person | call approval | the same as the directory's person | ana
toolguard.actor.assurance | call opened | `verified` by a token, or `asserted` by the application | verified
toolguard.actor.roles | evaluate | their roles | ["clinician"]
toolguard.environment | evaluate | where the guard runs | production
toolguard.time.utc_offset | evaluate | seconds from UTC to the local time that rules ask for | 3600
toolguard.tool.source | evaluate | module or server the tool comes from | ehr_tools
toolguard.tool.digest | evaluate | digest of its schema and description | 4b1d…
toolguard.tool.annotations | evaluate | what the tool says of itself | ["destructive"]
toolguard.decision.outcome | call approval | where the call stands: see below | pending
toolguard.decision.effect | evaluate | what the policy does: allow, mask, require_approval, deny | require_approval
toolguard.decision.reason_code | call approval policy parked | why, a code | self_approval
toolguard.decision.would | evaluate | what it would do if it were enforced | deny
toolguard.risk.level | evaluate approval | low, medium, high, critical | high
toolguard.risk.class | evaluate | read, write, destructive, … | write
toolguard.risk.found | evaluate | who spoke for which class and level | ["args:destructive:high"]
toolguard.risk.evidence | evaluate | all of it; where a rule asks for a full record | ["sql:destructive:high"]
toolguard.policy.id | evaluate policy | the policy's name | hospital
toolguard.policy.version | evaluate policy | its version | 12
toolguard.policy.sha256 | call approval policy | its digest, packs included | 3c9a…
toolguard.policy.rule.id | evaluate | rules that fired | ["phi-out"]
toolguard.policy.rule.effects | evaluate | with their effects; where a rule asks for a full record | ["phi-out:deny"]
toolguard.policy.rule.errors | evaluate | rules whose condition failed; likewise | ["late:error"]
toolguard.policy.controls | evaluate | controls the fired rules put into practice | ["HIPAA 164.312(b)"]
toolguard.policy.shadow | evaluate | rules that only watch, and what they would do | ["new-rule:deny"]
toolguard.guard.separation | policy | whether agent and approval service are kept apart (none, waived: they are not) | apart
toolguard.policy.mode | policy | enforce or shadow | enforce
toolguard.policy.rules | policy | how many rules | 41
toolguard.policy.packs | policy | packs and their versions | ["hipaa@1"]
toolguard.policy.signed | policy | whether somebody signed it | true
toolguard.policy.signer | policy | the key that did | ed25519:7a…
toolguard.policy.author | policy | who answers for it | privacy@general.example
toolguard.policy.signed_at | policy | when (UTC) | 2026-11-22T10:00:00.000Z
toolguard.policy.replaces | policy | digest of the one before | 1f0e…
toolguard.policy.file_sha256 | policy | digest of a file that was not put into force | 8d21…
toolguard.args.hmac | evaluate execute approval | keyed digest of the arguments | v1:a7…
toolguard.args.labels | evaluate | what references in the arguments carry | ["phi"]
toolguard.args.origins | evaluate | where what decides the call came from | ["result"]
toolguard.call.hmac | approval | keyed digest of the one call that is approved | v1:c2…
toolguard.view.hmac | approval | keyed digest of what the approver is shown | v1:9e…
toolguard.history.counts | evaluate | counts that rules asked for | ["calls:21"]
toolguard.phi.entities | evaluate execute | identifiers by type | ["MRN:1","PERSON:2"]
toolguard.phi.count | evaluate execute | how many | 3
toolguard.phi.masked | evaluate | how many the model wrote that became tokens | 2
toolguard.phi.released | evaluate reveal values | tokens turned back for the tool or a person, by type | ["PERSON:1"]
toolguard.phi.revealed | evaluate | identifiers that would reach the tool in clear, by type | ["MRN:1"]
toolguard.phi.detector.version | evaluate | what looked for them | toolguard/3
toolguard.reveal.purpose | reveal values | what for, a code or a digest | treatment
toolguard.execution.span_id | execute | (in the journal) the span its end will have | 5e5e…
toolguard.result.withheld | execute | the tool ran, and its result was shown to nobody | true
toolguard.approval.id | approval execute not_run credential act | the approval | a81f…
toolguard.approval.channel | approval review redact | where it is asked, or how the answer came | inbox
toolguard.approval.requested_at | approval execute not_run credential act | when it was asked (UTC) | 2026-11-22T10:00:00.500Z
toolguard.approval.expires_at | approval | when the question ends | 2026-11-22T11:00:00.500Z
toolguard.approval.grant_expires_at | approval | until when the yes can be used | 2026-11-22T10:15:00.500Z
toolguard.approval.decided_at | decision wait | when it was answered or ended | 2026-11-22T10:01:00.500Z
toolguard.approval.wait_s | decision wait | seconds from the question | 60.0
toolguard.approval.refusals | decision | how often this person was refused | 2
toolguard.approver.id | approval act review redact | who, as the directory's person | chen
toolguard.approver.tenant | approval review redact | their tenant | general
toolguard.approver.auth_method | approval review redact | how they proved it, and by which credential | token:3fa9c1
toolguard.approver.assured | approval review redact | single, or stepped_up with a second factor for this very answer | stepped_up
toolguard.approver.quorum | approval | how many have to say yes | 2
toolguard.act.id | evaluate act review redact | an act of the approval service; on evaluate, the one that let it run | b2c4…
toolguard.act.kind | act | freeze, standing, break_glass, … | freeze
toolguard.act.number | act | its place in the tenant's register | 7
toolguard.act.hash | act review redact | digest of what was signed | 77aa…
toolguard.comment.number | act | the comment's place among the tenant's comments; its words stay there | 12
toolguard.comment.side | act | where its author stood: asking, approver, other | asking
toolguard.review.kind | review | what was looked at | call
toolguard.review.subject | review | its id | 9f2c…
toolguard.review.finding | review | what was found, a code | in_order
toolguard.content.id | evaluate execute | masked content is kept beside the record under this name | 5bb0…
toolguard.content.commitment | evaluate execute | what it is, under a key that stands beside it: nothing without that | v1:c0…
toolguard.content.opened | opened | how many contents were read | 2
toolguard.redaction.proposed_by | redact | who proposed it; the approver confirmed it | chen
toolguard.redaction.scope | redact | record, call, session or actor | call
toolguard.redaction.contents | redact | what was deleted of this call | ["5bb0…"]
toolguard.credential.name | credential | which credential | ehr_token
toolguard.credential.provider | credential | where it comes from | postgresql
toolguard.resumed.trace_id | call | the trace that made the call again; linked | 0af7…
toolguard.resumed.span_id | call | its span | b7ad…
toolguard.parked.log_id | parked | the record whose span is refused: its log | 10ab…
toolguard.parked.seq | parked | its number there | 812
toolguard.parked.hash | parked | its hash | 5d3f…
toolguard.parked.sink | parked | who refuses it | otlp:127.0.0.1:4318/v1/traces
toolguard.audit.log_id | all | the log the record stands in | 10ab…
toolguard.audit.seq | all | its number there | 811
toolguard.audit.hash | all | its hash: the leaf of the log's tree, and what the next record is chained to | 91c0…
toolguard.audit.checkpoint.log_id | checkpoint | the log it speaks of, or the registry | 10ab…
toolguard.audit.checkpoint.size | checkpoint | how many records it covers | 1000
toolguard.audit.checkpoint.root | checkpoint | the root of their tree | f00d…
toolguard.audit.checkpoint.note | checkpoint | the signed note | toolguard/…
toolguard.audit.anchored | checkpoint | where it lies outside the store, and how far | ["file:41"]
toolguard.archive.log_id | archive | the log a segment was written of | 10ab…
toolguard.archive.first | archive | its first record's number | 1
toolguard.archive.last | archive | its last record's number | 1000
toolguard.archive.root | archive | the root of the log's tree up to that | f00d…
toolguard.archive.sha256 | archive | digest of the file | 3c9a…
toolguard.prune.log_id | prune | the log records were taken out of; they stand in segments | 10ab…
toolguard.prune.first | prune | the number of the first of them | 1
toolguard.prune.last | prune | of the last of them: the log begins after it | 1000
toolguard.prune.root | prune | the root of the log's tree up to that | f00d…
toolguard.prune.hash | prune | the hash of the last of them | 77aa…
toolguard.prune.peaks | prune | the tree up to that, to grow from | ["f00d…"]
toolguard.prune.newest_at | prune | the latest time of a record that was taken out, so far | 2026-09-21T14:13:20.250Z
toolguard.prune.segment | prune | digest of the segment that holds the last of them | 3c9a…
toolguard.prune.by | prune | who had it done, as they named themselves | rita
toolguard.prune.without | prune | receivers of spans that had not got all of it, and were not waited for | ["otlp:jaeger"]
toolguard.prune.note | prune | a signed checkpoint that says so | toolguard/8f…
toolguard.audit.registry.number | opening | the log's place in the registry | 3
toolguard.audit.registry.prev | opening | hash of the first record of the log before | 00aa…
toolguard.store.epoch | opening | the store's life | e0c1…
process.pid | opening | the process that writes the log | 4711
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """``on``: words of `WORDS`."""

    name: str
    on: tuple[str, ...]
    meaning: str
    example: str


def _read(table: str) -> dict[str, Attribute]:
    found: dict[str, Attribute] = {}
    for line in table.strip().splitlines():
        name, on, meaning, example = (part.strip() for part in line.split(" | "))
        words = [word for group in on.split() for word in _GROUPS.get(group, (group,))]
        found[name] = Attribute(name=name, on=tuple(dict.fromkeys(words)), meaning=meaning, example=example)
    return found


ATTRIBUTES: Mapping[str, Attribute] = _read(_TABLE)


def words_of(kind: Kind) -> frozenset[str]:
    """Names of the attributes a record of this kind may have."""
    (word,) = [word for word, kinds in WORDS.items() if kind in kinds]
    return frozenset(name for name, attribute in ATTRIBUTES.items() if word in attribute.on)


def markdown() -> str:
    """The table as the documentation has it."""
    rows = ["| attribute | on | meaning | example |", "|---|---|---|---|"]
    for line in _TABLE.strip().splitlines():
        name, on, meaning, example = (part.strip() for part in line.split(" | "))
        rows.append(f"| `{name}` | {on.replace(' ', ', ')} | {meaning} | `{example}` |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    import sys

    sys.stdout.write(markdown())
