"""The shape of a policy file. The JSON Schema for editors is generated from these models."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

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

EffectWord: TypeAlias = Literal["allow", "mask", "require_approval", "deny"]
LevelWord: TypeAlias = Literal["low", "medium", "high", "critical"]
HandlingWord: TypeAlias = Literal["pass", "mask", "unmask", "default"]
ResultWord: TypeAlias = Literal["pass", "mask"]
ClassWord: TypeAlias = Literal[
    "read", "write", "communication", "financial", "exfiltration", "privilege", "code_execution", "destructive"
]

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = r"^[0-9]+(\.[0-9]+)?[smhd]$"
_ONE_YEAR = 366 * 86400.0


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _seconds(value: Any) -> Any:
    text = str(value)
    if not re.fullmatch(_DURATION, text):
        raise ValueError("is not a duration; write a number and a unit (s, m, h or d), such as 30m, 1h or 2d")
    seconds = float(text[:-1]) * _UNITS[text[-1]]
    if not 0 < seconds <= _ONE_YEAR:
        raise ValueError("must be longer than nothing and at most a year; an approval that never ends is no approval")
    return seconds


def _withholding(value: Any) -> Any:
    if value in ("pass", "unmask", "default"):
        raise ValueError(
            f"a rule can only withhold, so {value!r} would do nothing here; write mask, or say {value} under tools"
        )
    return value


def _word(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _strings(item: dict[str, Any]) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [item, {"type": "array", "items": item, "minItems": 1}]})


MaskWord: TypeAlias = Annotated[Literal["mask"], BeforeValidator(_withholding)]
_Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^\S(.*\S)?$")]
Id = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Names = Annotated[
    list[_Name], BeforeValidator(_listed), Field(min_length=1), _strings({"type": "string", "minLength": 1})
]
_TYPE = r"^[A-Z][A-Z0-9_]*$"
Types = Annotated[
    list[Annotated[str, Field(pattern=_TYPE)]],
    BeforeValidator(_listed),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": _TYPE},
                {"type": "array", "items": {"type": "string", "pattern": _TYPE}},
            ]
        }
    ),
]
_DAYS: TypeAlias = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_SPAN = r"^([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"
_OFFSET = r"^[+-](0[0-9]|1[0-4]):[0-5][0-9]$"


def _span(value: Any) -> Any:
    if isinstance(value, str) and value[:5] == value[6:]:
        raise ValueError(f"{value!r} ends when it begins; leave hours out for the whole day")
    return value


Hours = Annotated[
    list[Annotated[str, Field(pattern=_SPAN), BeforeValidator(_span)]],
    BeforeValidator(_listed),
    Field(min_length=1, max_length=24),
    _strings({"type": "string", "pattern": _SPAN}),
]
Days = Annotated[
    list[_DAYS],
    BeforeValidator(_listed),
    Field(min_length=1),
    _strings({"type": "string", "enum": list(get_args(_DAYS))}),
]
Offset = Annotated[str, Field(pattern=_OFFSET)]
_CREDENTIAL = r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$"
_READER = r"^[a-z][a-z0-9_]{0,63}$"
Credentials = Annotated[
    list[Annotated[str, Field(pattern=_CREDENTIAL)]],
    BeforeValidator(_listed),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": _CREDENTIAL},
                {"type": "array", "items": {"type": "string", "pattern": _CREDENTIAL}},
            ]
        }
    ),
]
Classes = Annotated[
    list[ClassWord],
    BeforeValidator(_listed),
    Field(min_length=1),
    _strings({"type": "string", "enum": list(get_args(ClassWord))}),
]
Seconds = Annotated[float, BeforeValidator(_seconds), WithJsonSchema({"type": "string", "pattern": _DURATION})]
_CONTROL = r"^[a-z][a-z0-9_.-]{0,31}:[A-Za-z0-9][A-Za-z0-9 ()._/§-]{0,63}$"
Controls = Annotated[
    list[Annotated[str, Field(pattern=_CONTROL)]],
    BeforeValidator(_listed),
    Field(min_length=1, max_length=50),
    _strings({"type": "string", "pattern": _CONTROL}),
]
Principal = Annotated[str, Field(pattern=r"^(group|person|oncall):\S+$")]
Principals = Annotated[
    list[Principal],
    BeforeValidator(_listed),
    Field(min_length=1),
    _strings({"type": "string", "pattern": "^(group|person|oncall):"}),
]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True)


class MetadataModel(_Model):
    """Who this policy is."""

    name: Id = Field(description="Name of the policy, recorded with every decision.")
    version: Annotated[str, BeforeValidator(_word), WithJsonSchema({"type": ["string", "integer"]})] = Field(
        description="Version of the policy, recorded with every decision."
    )
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
    channel: _Name = Field(default="inbox", description="Where approvers are told, such as inbox or teams:privacy.")
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

    source: _Name | None = Field(default=None, description="Where the tool must come from (module or server identity).")
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = Field(
        default=None, description="SHA-256 of the tool's schema and description; a tool that changed is refused."
    )
    risk: LevelWord | None = Field(default=None, description="The risk of its calls, instead of the classifier's.")
    category: Classes | None = Field(default=None, description="Kinds of effect its calls have.")
    trusted_for: Types | None = Field(default=None, description="Identifier types whose real values it may receive.")
    args: dict[_Name, HandlingWord] = Field(default_factory=dict, description="Handling by argument (dotted path).")
    prose: Names | None = Field(default=None, description="Arguments that are free text for people, such as a letter.")
    decisive: Names | None = Field(default=None, description="Arguments an approver must see in clear.")
    results: ResultWord | None = Field(default=None, description="How identifiers in its results are handled.")
    trusted_results: bool | None = Field(
        default=None, description="Whether identifiers in its structured results may be learned for the session."
    )
    subject: _Name | None = Field(
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
    references: dict[_Name, Annotated[str, Field(pattern=_READER)]] = Field(
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


TaintWord: TypeAlias = Literal["untrusted", "phi"]
LabelWord: TypeAlias = Literal["untrusted", "phi", "unknown"]
OriginWord: TypeAlias = Literal["user", "system", "linked", "result", "model"]


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
    taint: (
        Annotated[
            list[TaintWord],
            BeforeValidator(_listed),
            Field(min_length=1),
            _strings({"type": "string", "enum": list(get_args(TaintWord))}),
        ]
        | None
    ) = Field(default=None, description="What the session has read; it never gets rid of it.")
    label: (
        Annotated[
            list[LabelWord],
            BeforeValidator(_listed),
            Field(min_length=1),
            _strings({"type": "string", "enum": list(get_args(LabelWord))}),
        ]
        | None
    ) = Field(default=None, description="What the files, addresses and objects in the arguments carry.")
    origin: (
        Annotated[
            list[OriginWord],
            BeforeValidator(_listed),
            Field(min_length=1),
            _strings({"type": "string", "enum": list(get_args(OriginWord))}),
        ]
        | None
    ) = Field(
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
    args: dict[_Name, MaskWord] = Field(default_factory=dict, description="Arguments withheld when it matches.")
    results: MaskWord | None = Field(default=None, description="The result is masked when it matches.")
    max_result_chars: int | None = Field(default=None, ge=1, description="A result longer than this is withheld.")
    max_results: int | None = Field(
        default=None, ge=1, description="A result in which a list has more items or rows than this is withheld."
    )
    log: Literal["minimal", "full"] | None = Field(
        default=None, description="full: the record also says what led to the decision."
    )
    shadow: bool = Field(default=False, description="Record what the rule would do, without doing it.")


_PACK = r"^pack:[a-z0-9][a-z0-9_-]*(@[A-Za-z0-9][A-Za-z0-9._-]*)?$"
_PACK_SCHEMA: dict[str, Any] = {"type": "string", "pattern": _PACK}


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
    include: Annotated[
        list[Annotated[str, Field(pattern=_PACK)]],
        BeforeValidator(_listed),
        WithJsonSchema({"anyOf": [_PACK_SCHEMA, {"type": "array", "items": _PACK_SCHEMA}]}),
    ] = Field(default_factory=list, description="Packs of rules to add, such as pack:hipaa or pack:hipaa@1.")
    defaults: DefaultsModel = DefaultsModel()
    approvals: dict[Id, ApprovalModel] = Field(default_factory=dict, description="Approvals by name.")
    tools: dict[_Name, ToolModel | None] = Field(default_factory=dict, description="Tools by name or pattern.")
    masking: MaskingModel = Field(
        default=MaskingModel(), description="What is an identifier, and what takes its place."
    )
    rules: list[RuleModel] = Field(default_factory=list, description="The rules; their order never matters.")
