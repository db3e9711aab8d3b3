"""The shape of a policy file. The JSON Schema for editors is generated from these models."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from toolguard.policyfile.fields import (
    Classes,
    Controls,
    Credentials,
    Days,
    EffectWord,
    HandlingWord,
    Hours,
    Id,
    Labels,
    LevelWord,
    MaskWord,
    Name,
    Names,
    Offset,
    Origins,
    Packs,
    Principals,
    Reader,
    ResultWord,
    Seconds,
    Taints,
    Types,
    Version,
)
from toolguard.policyfile.masking import MaskingModel

__all__ = [
    "API_VERSION",
    "AnnotationsModel",
    "KIND",
    "ApprovalModel",
    "DefaultsModel",
    "MatchModel",
    "PolicyModel",
    "RuleModel",
    "TimeModel",
    "ToolModel",
]

API_VERSION = "toolguard/v1"
KIND = "ToolPolicy"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True)


class MetadataModel(_Model):
    """Who this policy is."""

    name: Id = Field(description="Name of the policy, recorded with every decision.")
    version: Version = Field(description="Version of the policy, recorded with every decision.")
    owner: str = Field(default="", description="Who answers for the policy, such as a mail address.")


class DefaultsModel(_Model):
    """What holds where no rule speaks."""

    unknown_tool: EffectWord = Field(default="deny", description="For a tool this policy does not name.")
    by_risk: dict[LevelWord, EffectWord] = Field(
        default_factory=dict,
        description="For a named tool, by the risk of the call; levels left out keep allow, allow, require_approval, deny.",
    )
    args: HandlingWord = Field(default="default", description="How identifiers in arguments are handled.")
    results: ResultWord = Field(default="mask", description="How identifiers in results are handled.")
    approval: Id | None = Field(default=None, description="The approval used where a rule names none.")
    per_run: int = Field(default=100, ge=1, description="Questions one run may ask in an hour.")
    per_person: int = Field(
        default=300, ge=1, description="Questions that may be asked in one person's name in an hour."
    )


class StageModel(_Model):
    """A further stage of an approval."""

    approvers: Principals = Field(description="group:NAME, person:ID or oncall:SCHEDULE.")
    quorum: int = Field(default=1, ge=1, le=20, description="How many different persons must approve in this stage.")


class EscalationModel(_Model):
    """Who may decide as well after a while."""

    after: Seconds = Field(description="How long the question has stood, such as 20m.")
    approvers: Principals = Field(description="group:NAME, person:ID or oncall:SCHEDULE.")


class StandingModel(_Model):
    """How far an approver may let a yes stand for calls like the one approved."""

    seconds: Seconds = Field(alias="for", description="The longest it may last, such as 8h.")
    uses: int = Field(ge=1, le=10000, description="The most calls it may let run.")


class ApprovalModel(_Model):
    """Who may approve, how many of them, and for how long."""

    approvers: Principals = Field(description="group:NAME, person:ID or oncall:SCHEDULE.")
    quorum: int = Field(default=1, ge=1, le=20, description="How many different persons must approve.")
    then: list[StageModel] = Field(
        default_factory=list, max_length=5, description="Further stages, each open once the one before is complete."
    )
    escalate: list[EscalationModel] = Field(
        default_factory=list,
        max_length=5,
        description="Who may decide as well when the question has stood for a while.",
    )
    fallback: Principals | None = Field(
        default=None, description="Who decides where too few of the approvers are there when the question is asked."
    )
    remind: Seconds | None = Field(default=None, description="How often approvers are reminded, such as 15m.")
    expires: Seconds = Field(
        default=3600.0, description="How long the question stands, such as 1h.", json_schema_extra={"default": "1h"}
    )
    claim_ttl: Seconds = Field(
        default=900.0,
        description="How long an approval waits for its one execution.",
        json_schema_extra={"default": "15m"},
    )
    channel: Name = Field(default="inbox", description="Where approvers are told, such as inbox or teams:privacy.")
    on_expiry: Literal["deny"] = Field(default="deny", description="What happens when nobody decides in time.")
    reason_required: bool = Field(default=True, description="Whether an approver must say why.")
    verified_requester: bool = Field(
        default=False, description="Whether the requester must be verified, not only asserted by the application."
    )
    step_up: bool = Field(default=False, description="Whether an approver must give a second factor for this very yes.")
    reveal: bool = Field(
        default=True,
        description="Whether approvers may see hidden decisive arguments in clear, and must before they approve.",
    )
    standing: StandingModel | None = Field(
        default=None, description="Whether a yes may be made to stand for calls like it; never for critical risk."
    )
    budget: int = Field(
        default=0, ge=0, description="Approvals per person and hour; above it one more person is needed. 0: no limit."
    )
    denial_memory: Seconds | Literal[0] = Field(
        default=900.0,
        description="How long a no holds for the same person, tool and target. 0: for that one call only.",
        json_schema_extra={"default": "15m"},
    )
    break_glass: Principals | None = Field(
        default=None, description="Who may break the glass in an emergency instead of waiting; reviewed afterwards."
    )
    break_glass_for: Seconds = Field(
        default=1800.0,
        le=4 * 3600.0,
        description="How long broken glass lets calls for that one patient through.",
        json_schema_extra={"default": "30m"},
    )


class ToolModel(_Model):
    """What is known of the tools a pattern names."""

    source: Name | None = Field(default=None, description="Where the tool must come from (module or server identity).")
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = Field(
        default=None, description="SHA-256 of the tool's schema and description; a tool that changed is refused."
    )
    risk: LevelWord | None = Field(default=None, description="The risk of its calls, instead of the classifier's.")
    category: Classes | None = Field(default=None, description="Kinds of effect its calls have.")
    trusted_for: Types | None = Field(default=None, description="Identifier types whose real values it may receive.")
    args: dict[Name, HandlingWord] = Field(default_factory=dict, description="Handling by argument (dotted path).")
    prose: Names | None = Field(default=None, description="Arguments that are free text for people, such as a letter.")
    decisive: Names | None = Field(default=None, description="Arguments an approver must see in clear.")
    results: ResultWord | None = Field(default=None, description="How identifiers in its results are handled.")
    trusted_results: bool | None = Field(
        default=None, description="Whether identifiers in its structured results may be learned for the session."
    )
    subject: Name | None = Field(
        default=None, description="The argument that names the patient; broken glass holds for one patient."
    )
    patient: Names | None = Field(
        default=None,
        description="Fields of its arguments and structured results that identify patients (dotted path; lists are walked).",
    )
    content: Literal["trusted", "untrusted"] | None = Field(
        default=None,
        description="Whether strangers can write what its results hold; where it is not said, the guard judges by the tool.",
    )
    credentials: Credentials | None = Field(
        default=None, description="Credentials its calls may ask for while they execute."
    )
    references: dict[Name, Reader] = Field(
        default_factory=dict,
        description="Arguments (dotted path) that refer to content elsewhere, and its reader, such as file.",
    )


class TimeModel(_Model):
    """Times of day and days of the week."""

    hours: Hours | None = Field(
        default=None, description="Spans such as 22:00-06:00; one that crosses midnight belongs to the day it begins."
    )
    days: Days | None = Field(default=None, description="Days of the week: mon, tue, wed, thu, fri, sat, sun.")
    utc_offset: Offset | None = Field(
        default=None, description="In place of the guard's local time: an offset from UTC, such as +01:00."
    )


class AnnotationsModel(_Model):
    """What tools say of themselves (the hints of MCP)."""

    read_only: bool | None = Field(default=None, description="It changes nothing.")
    destructive: bool | None = Field(default=None, description="It may destroy something.")
    idempotent: bool | None = Field(default=None, description="Doing it twice does no more than doing it once.")
    open_world: bool | None = Field(default=None, description="It reaches beyond a closed system, such as to the web.")


class AfterModel(_Model):
    """A call that ran earlier in this session, or in one it belongs to."""

    tool: Names | None = Field(default=None, description="Tool names; * any run of characters, ? one.")
    category: Classes | None = Field(default=None, description="Kinds of effect.")
    within: Seconds | None = Field(default=None, description="How long ago at most, such as 1h; left out: at any time.")


class MoreThanModel(_Model):
    """More calls than so many, this one included. Calls that fit the rule's tool and category count."""

    calls: int = Field(ge=0, le=1_000_000, description="How many may run.")
    per: Seconds = Field(description="In this time, such as 1h.")
    by: Literal["session", "person", "agent", "tenant"] = Field(default="session", description="Whose calls count.")


class PatientsModel(_Model):
    """More distinct patients than so many, this call's included."""

    more_than: int = Field(ge=0, le=1_000_000, description="How many there may be.")
    per: Seconds = Field(description="In this time, such as 24h.")
    by: Literal["session", "person", "agent", "tenant"] = Field(default="person", description="Whose patients count.")


class MatchModel(_Model):
    """When a rule concerns a call. All fields must hold; within a field any one suffices."""

    tool: Names | None = Field(default=None, description="Tool names; * any run of characters, ? one.")
    category: Classes | None = Field(default=None, description="Kinds of effect.")
    role: Names | None = Field(default=None, description="Roles of the caller.")
    agent: Names | None = Field(default=None, description="Agents; * and ? as for tools.")
    data: Types | None = Field(default=None, description="Identifier types present in the arguments.")
    environment: Names | None = Field(default=None, description="Such as production.")
    min_risk: LevelWord | None = Field(default=None, description="This risk or a higher one.")
    time: TimeModel | None = Field(default=None, description="At these times; both hours and days must hold.")
    after: AfterModel | None = Field(default=None, description="After such a call.")
    more_than: MoreThanModel | None = Field(default=None, description="Above a number of calls.")
    patients: PatientsModel | None = Field(default=None, description="Above a number of distinct patients.")
    taint: Taints | None = Field(default=None, description="What the session has read; it never gets rid of it.")
    label: Labels | None = Field(
        default=None, description="What the files, addresses and objects in the arguments carry."
    )
    origin: Origins | None = Field(
        default=None,
        description="Where a deciding argument came from (recipient, account, URL); of a rule that allows, where all did.",
    )
    annotations: AnnotationsModel | None = Field(
        default=None, description="Tools that say this of themselves; all of it must hold."
    )


class RuleModel(_Model):
    """One rule."""

    id: Id = Field(description="Unique in the policy; stands in every record.")
    because: Annotated[str, Field(min_length=1, pattern=r"\S")] = Field(description="The reason, in words for people.")
    controls: Controls | None = Field(
        default=None, description="Controls it puts into practice, such as hipaa:164.502(b); recorded where it matches."
    )
    effect: EffectWord = Field(description="What it asks for; the most restrictive of all matching rules wins.")
    match: MatchModel = Field(default=MatchModel(), description="When it concerns a call; empty means every call.")
    when: Annotated[str, Field(min_length=1)] | None = Field(default=None, description="A condition in CEL.")
    approval: Id | None = Field(default=None, description="Which approval; with effect require_approval.")
    on_error: EffectWord | None = Field(default=None, description="Instead of the policy's on_error, for this rule.")
    args: dict[Name, MaskWord] = Field(default_factory=dict, description="Arguments withheld when it matches.")
    results: MaskWord | None = Field(default=None, description="The result is masked when it matches.")
    max_result_chars: int | None = Field(default=None, ge=1, description="A result longer than this is withheld.")
    max_results: int | None = Field(
        default=None, ge=1, description="A result in which a list has more items or rows than this is withheld."
    )
    log: Literal["minimal", "full"] | None = Field(
        default=None, description="full: the record also says what led to the decision."
    )
    shadow: bool = Field(default=False, description="Record what the rule would do, without doing it.")


class PolicyModel(_Model):
    """A toolguard policy: what agents may do with tools."""

    api_version: Literal["toolguard/v1"] = Field(alias="apiVersion", description="Version of this format.")
    kind: Literal["ToolPolicy"] = Field(description="Kind of document.")
    metadata: MetadataModel
    mode: Literal["enforce", "shadow"] = Field(
        default="enforce", description="shadow decides and records without blocking; masking still masks."
    )
    combine: Literal["most_restrictive"] = Field(default="most_restrictive", description="How rules combine.")
    on_error: EffectWord = Field(
        default="require_approval", description="What a rule that cannot be evaluated asks for at least."
    )
    include: Packs = Field(
        default_factory=list, description="Packs of rules to add, such as pack:hipaa or pack:hipaa@1."
    )
    defaults: DefaultsModel = DefaultsModel()
    approvals: dict[Id, ApprovalModel] = Field(default_factory=dict, description="Approvals by name.")
    tools: dict[Name, ToolModel | None] = Field(default_factory=dict, description="Tools by name or pattern.")
    masking: MaskingModel = Field(
        default=MaskingModel(), description="What is an identifier, and what takes its place."
    )
    rules: list[RuleModel] = Field(default_factory=list, description="The rules; their order never matters.")
