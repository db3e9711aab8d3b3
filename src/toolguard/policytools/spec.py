"""Calls and tools as they are written down in cases, in files of calls and in lists of tools."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from toolguard._core.call import Annotations, Assurance, Caller, Person, Tool
from toolguard._core.history import Before
from toolguard._core.steps import Origin
from toolguard.policytools.judging import Call, local_seconds

__all__ = ["CallModel", "CallerModel", "Spec", "ToolModel", "annotations_of", "cases_schema"]

_HINTS = {
    "readOnlyHint": "read_only",
    "destructiveHint": "destructive",
    "idempotentHint": "idempotent",
    "openWorldHint": "open_world",
}


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Words = Annotated[list[str], BeforeValidator(_listed)]


class Spec(BaseModel):
    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, populate_by_name=True, hide_input_in_errors=True
    )


def _hints(value: Any) -> Any:
    return {_HINTS.get(k, k): v for k, v in value.items() if k != "title"} if isinstance(value, dict) else value


class HintsModel(Spec):
    """What a tool says of itself, in MCP's words (``readOnlyHint``) or ours (``read_only``)."""

    read_only: bool | None = None
    destructive: bool | None = None
    idempotent: bool | None = None
    open_world: bool | None = None
    trusted: bool = False


def annotations_of(hints: Mapping[str, Any]) -> Annotations:
    """MCP annotations as the guard knows them; what is no hint is left out."""
    known = {k: v for k, v in _hints(dict(hints)).items() if k in HintsModel.model_fields and isinstance(v, bool)}
    return Annotations(**known)


class ToolModel(Spec):
    """A tool: a name alone, or with where it comes from and what it says of itself."""

    name: Annotated[str, Field(min_length=1)]
    source: str = "app"
    description: str = ""
    parameters: dict[str, Any] = Field(default_factory=dict, alias="schema")
    annotations: Annotated[HintsModel, BeforeValidator(_hints)] = HintsModel()

    def tool(self) -> Tool:
        return Tool.describe(
            self.name,
            source=self.source,
            description=self.description,
            schema=self.parameters,
            annotations=Annotations(**self.annotations.model_dump()),
        )


def _named(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


class CallerModel(Spec):
    """Who is behind a call."""

    subject: Annotated[str, Field(min_length=1)] = "somebody"
    issuer: str = "local"
    tenant: Annotated[str, Field(min_length=1)] = "default"
    agent: Annotated[str, Field(min_length=1)] = "agent"
    roles: Words = Field(default_factory=list)
    verified: bool = False

    def caller(self) -> Caller:
        return Caller(
            person=Person(issuer=self.issuer, tenant=self.tenant, subject=self.subject),
            agent=self.agent,
            tenant=self.tenant,
            roles=frozenset(self.roles),
            assurance=Assurance.VERIFIED if self.verified else Assurance.ASSERTED,
        )


def _moment(value: Any) -> Any:
    try:
        found = dt.datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError('is no local time; write it as "2026-11-22T23:30"') from None
    if found.tzinfo is not None:
        raise ValueError("names a time zone, but a policy speaks of local time; leave the zone out")
    return found


class SaidModel(Spec):
    """What the model had read before a call; ``records`` are results of a source the policy trusts, with their fields."""

    user: Words = Field(default_factory=list)
    system: Words = Field(default_factory=list)
    results: Words = Field(default_factory=list)
    records: list[dict[str, Any]] = Field(default_factory=list)

    def words(self) -> tuple[tuple[Origin, Any], ...]:
        told = ((Origin.USER, self.user), (Origin.SYSTEM, self.system), (Origin.RESULT, self.results))
        return tuple((o, w) for o, w in (*told, (Origin.TRUSTED, self.records)) if w)


class BeforeModel(Spec):
    """What was before a call: calls that ran and patients that were seen, of each kind a rule counts."""

    taint: list[Literal["untrusted", "phi"]] = Field(default_factory=list)
    label: list[Literal["untrusted", "phi", "unknown"]] = Field(default_factory=list)
    calls: Annotated[int, Field(ge=0)] = 0
    patients: Annotated[int, Field(ge=0)] = 0
    after: bool = False

    def before(self) -> Before:
        return Before(
            taints=frozenset(self.taint),
            labels=frozenset(self.label),
            calls=self.calls,
            patients=self.patients,
            after=self.after,
        )


class CallModel(Spec):
    """A call. What it does not say, ``given`` of the same file says; and else the defaults here."""

    tool: Annotated[ToolModel, BeforeValidator(_named)]
    args: dict[str, Any] = Field(default_factory=dict)
    caller: CallerModel | None = None
    environment: str | None = None
    at: Annotated[dt.datetime, BeforeValidator(_moment)] | None = None
    hour: Annotated[int, Field(ge=0, le=23)] | None = None
    session: dict[str, Any] | None = None
    before: BeforeModel = BeforeModel()
    said: SaidModel = SaidModel()

    @model_validator(mode="after")
    def _one_time(self) -> Self:
        if self.at is not None and self.hour is not None:
            raise ValueError("names both 'at' and 'hour'; keep one")
        return self

    def call(self, tools: Mapping[str, Tool] | None = None, given: GivenModel | None = None) -> Call:
        """The call; a tool that says nothing but its name is looked up in ``tools``."""
        given = given or GivenModel()
        known = (tools or {}).get(self.tool.name) if len(self.tool.model_fields_set) == 1 else None
        timed = self if self.at is not None or self.hour is not None else given
        hour = 12 if timed.hour is None else timed.hour
        return Call(
            tool=known or self.tool.tool(),
            args=self.args,
            caller=_over(given.caller, self.caller).caller(),
            environment=self.environment or given.environment or "production",
            at=local_seconds(hour=hour, moment=timed.at),
            session={**(given.session or {}), **(self.session or {})},
            before=self.before.before(),
            said=self.said.words(),
        )


def _over(given: CallerModel | None, own: CallerModel | None) -> CallerModel:
    said = {n: getattr(m, n) for m in (given, own) if m is not None for n in m.model_fields_set}
    return CallerModel(**said)


class GivenModel(Spec):
    """What every case of a file starts from."""

    caller: CallerModel | None = None
    environment: str | None = None
    at: Annotated[dt.datetime, BeforeValidator(_moment)] | None = None
    hour: Annotated[int, Field(ge=0, le=23)] | None = None
    session: dict[str, Any] | None = None


EffectWord = Literal["allow", "mask", "require_approval", "deny"]
HandlingWord = Literal["pass", "mask", "unmask", "default"]


class RiskModel(Spec):
    level: Literal["low", "medium", "high", "critical"] | None = None
    category: Words | None = None


class ExpectModel(Spec):
    """What must come out. What is not named is not looked at."""

    effect: EffectWord | None = None
    reason: str | None = None
    rules: Words | None = None
    not_rules: Words | None = None
    approvals: Words | None = None
    args: dict[str, HandlingWord] | None = None
    results: Literal["pass", "mask"] | None = None
    max_result_chars: int | None = None
    reveals: Words | None = None
    finds: Words | None = None
    risk: RiskModel | None = None


class CaseModel(CallModel):
    """A call, and what must come out."""

    name: Annotated[str, Field(min_length=1)]
    expect: ExpectModel


class CasesModel(Spec):
    """A file of cases beside a policy."""

    api_version: Literal["toolguard/v1"] = Field(alias="apiVersion")
    kind: Literal["PolicyCases"]
    policy: Annotated[str, Field(min_length=1)]
    over: dict[str, Any] = Field(default_factory=dict, alias="with")
    tools: list[ToolModel] = Field(default_factory=list)
    given: GivenModel = GivenModel()
    cases: Annotated[list[CaseModel], Field(min_length=1)]


def cases_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a file of cases. Where a list may stand, one word may stand alone."""
    found = CasesModel.model_json_schema(by_alias=True, mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_for_people(found), "title": "toolguard cases"}


def _for_people(value: Any) -> Any:
    """``value`` without generated titles, and with what is read from a single word."""
    if isinstance(value, list):
        return [_for_people(v) for v in value]
    if not isinstance(value, dict):
        return value
    plain = {k: _for_people(v) for k, v in value.items() if not (k == "title" and isinstance(v, str))}
    if plain.get("type") == "array" and plain.get("items") == {"type": "string"}:
        return {"anyOf": [{"type": "string"}, plain]}
    properties = plain.get("properties")
    if isinstance(properties, dict) and "tool" in properties:
        plain["properties"] = {**properties, "tool": {"anyOf": [{"type": "string"}, properties["tool"]]}}
    return plain
