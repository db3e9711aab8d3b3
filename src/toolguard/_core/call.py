"""The call: what the model asks for, on whose behalf, and the digests that bind it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum

from toolguard._core.canonical import (
    Arguments,
    Json,
    canonical,
    canonical_text,
    flat_text,
    framed,
    freeze,
    keyed_digest,
    number_text,
    quoted,
)
from toolguard._core.frozen import made_fast
from toolguard.errors import IdentityError

__all__ = [
    "Annotations",
    "Arguments",
    "Assurance",
    "CallRef",
    "Caller",
    "Json",
    "Person",
    "Tool",
    "ToolIdentity",
    "args_digest",
    "call_digest",
    "canonical",
    "canonical_text",
    "flat_text",
    "freeze",
    "keyed_digest",
    "number_text",
    "quoted",
    "schema_digest",
]


class Assurance(StrEnum):
    """How surely we know the person behind a call."""

    VERIFIED = "verified"
    ASSERTED = "asserted"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Person:
    """A human identity as an issuer names it. Two of these may be one person: the directory knows."""

    issuer: str
    tenant: str
    subject: str

    def __post_init__(self) -> None:
        if not (self.issuer and self.tenant and self.subject):
            raise IdentityError("a person needs issuer, tenant and subject; one of them is empty")

    @property
    def ref(self) -> str:
        """``issuer|tenant|subject``, the form kept in records."""
        return f"{self.issuer}|{self.tenant}|{self.subject}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who is behind a call: the person, the agent acting for them, the tenant and the roles.

    ``assurance`` is recorded as given; `Guard.verify_caller` is the way to a verified one.
    """

    person: Person
    agent: str
    tenant: str
    roles: frozenset[str] = frozenset()
    assurance: Assurance = Assurance.ASSERTED
    on_behalf_of: Person | None = None
    """Who delegated the task to ``person``: neither of them can approve."""

    def __post_init__(self) -> None:
        if not isinstance(self.person, Person):
            raise IdentityError("caller.person must be a Person; pass Caller.of(...) or Person(...)")
        if not self.agent:
            raise IdentityError("caller.agent is empty; name the agent that makes the calls")
        if not self.tenant:
            raise IdentityError("caller.tenant is empty; name the tenant the call belongs to")
        object.__setattr__(self, "roles", frozenset(self.roles))

    @classmethod
    def of(
        cls,
        subject: str,
        *,
        agent: str,
        tenant: str,
        roles: frozenset[str] | set[str] = frozenset(),
        issuer: str = "local",
    ) -> Caller:
        """An asserted caller of the local issuer: the application says who it is."""
        return cls(
            person=Person(issuer=issuer, tenant=tenant, subject=subject),
            agent=agent,
            tenant=tenant,
            roles=frozenset(roles),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotations:
    """What a tool says of itself (MCP words). Hints may only raise risk unless ``trusted``."""

    read_only: bool | None = None
    destructive: bool | None = None
    idempotent: bool | None = None
    open_world: bool | None = None
    trusted: bool = False

    @property
    def said(self) -> tuple[str, ...]:
        """``("destructive=true", "trusted=true")``: what is said, as words."""
        told = ((f.name, getattr(self, f.name)) for f in fields(self))
        return tuple(
            f"{name}={str(value).lower()}"
            for name, value in told
            if value is not None and (name, value) != ("trusted", False)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolIdentity:
    """What trust binds to: where the tool comes from, its name, and a digest of what it says it is."""

    source: str
    name: str
    digest: str

    @property
    def ref(self) -> str:
        """``source#name@digest``."""
        return f"{self.source}#{self.name}@{self.digest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool as the guard knows it. ``schema`` is the JSON Schema of its arguments (draft 2020-12)."""

    identity: ToolIdentity
    description: str = ""
    schema: Mapping[str, Json] = field(default_factory=dict)
    annotations: Annotations = Annotations()

    @property
    def name(self) -> str:
        return self.identity.name

    @classmethod
    def describe(
        cls,
        name: str,
        *,
        source: str,
        description: str = "",
        schema: Mapping[str, Json] | None = None,
        annotations: Annotations = Annotations(),
    ) -> Tool:
        """A tool with the identity that follows from its source, name, schema and description."""
        schema = dict(schema or {})
        identity = ToolIdentity(source=source, name=name, digest=schema_digest(schema, description))
        return cls(identity=identity, description=description, schema=schema, annotations=annotations)


@made_fast
@dataclass(frozen=True, slots=True, kw_only=True)
class CallRef:
    """Which call this is: the run, the provider's call id and the position in the message."""

    run: str
    call_id: str
    ordinal: int = 0

    @property
    def ref(self) -> str:
        """Unambiguous: every part is length-prefixed."""
        return f"{len(self.run)}:{self.run}/{len(self.call_id)}:{self.call_id}/{self.ordinal}"


def schema_digest(schema: Mapping[str, Json], description: str) -> str:
    """SHA-256 over a tool's schema and description: public facts, so a plain hash is right here."""
    return hashlib.sha256(framed(b"toolguard.tool.v1", canonical(schema), description.encode())).hexdigest()


def args_digest(key: bytes, *, tenant: str, tool: ToolIdentity, arguments: Arguments, target: str = "") -> str:
    """What is asked: tenant, tool identity, resolved and validated arguments, decisive target.

    Serves denial memory, comparison and display; it is not authority to run.
    """
    return keyed_digest(key, "toolguard.args", tenant.encode(), tool.ref.encode(), arguments.canonical, target.encode())


def call_digest(key: bytes, *, args: str, ref: CallRef) -> str:
    """Which call asks it: `args_digest` bound to run, call id and ordinal. This is what a person approves."""
    return keyed_digest(key, "toolguard.call", args.encode(), ref.ref.encode())
