"""What ``toolguard init`` writes: a configuration, a starter policy with its cases, a directory and keys, tried before they stand."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from toolguard._core.call import Assurance, Caller, Json, Person, Tool
from toolguard._core.policy import Effect
from toolguard.config import ANALYSES
from toolguard.directory import Audience, FileDirectory, TokenFile
from toolguard.errors import ConfigError, KeyUnavailableError
from toolguard.keys import PublicKey, Purpose, SecretKey, write_key
from toolguard.policyfile import load_policy
from toolguard.policytools.cases import read_cases, run_files
from toolguard.policytools.judging import Call, Judge, local_seconds
from toolguard.policytools.lint import lint
from toolguard.policytools.offered import UNKNOWN_SOURCE
from toolguard.policytools.remark import Severity
from toolguard.policytools.scan import inventory, starter

__all__ = ["EXAMPLE", "FILES", "FIRST_CALL", "Wishes", "write"]

KEYS = {
    "guard.key": Purpose.SEAL,
    "service.key": Purpose.SIGN,
    "reveal.key": Purpose.REVEAL,
    "audit.key": Purpose.AUDIT,
}
FIRST_CALL = "first_call.py"
FILES = (
    "toolguard.toml",
    "policy.yaml",
    "policy.cases.yaml",
    "directory.yaml",
    "tokens.json",
    *(f"keys/{name}" for name in KEYS),
    "keys/guard.token",
)
_MOST_CASES = 25
_UNNAMED = "a_tool_that_nobody_named"

EXAMPLE = Tool.describe(
    "export_report",
    source=UNKNOWN_SOURCE,
    description="Export a report to a partner.",
    schema={"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]},
)
"""The tool of an installation that has none of its own yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What was asked for. ``person`` asks, ``approver`` is the second person; ids of the directory."""

    name: str
    person: str
    approver: str
    tenant: str
    tools: tuple[Tool, ...] = ()

    @property
    def account(self) -> str:
        """The guard's service account."""
        return f"{self.name}-guard"

    @property
    def offered(self) -> tuple[Tool, ...]:
        return self.tools or (EXAMPLE,)


def write(folder: Path, wishes: Wishes) -> tuple[str, ...]:
    """Write everything into ``folder``; the names of what was written. Nothing that is there is changed.

    Raises:
        ConfigError: something of it is there already, cannot be written, or would not hold together.
    """
    names = (*FILES, *(() if wishes.tools else (FIRST_CALL,)))
    there = [name for name in names if (folder / name).exists() or (folder / name).is_symlink()]
    if there:
        raise ConfigError(f"{', '.join(map(repr, there[:3]))}{f' and {len(there) - 3} more' if there[3:] else ''} already there, so nothing was written; choose another folder, "
                          "or move what is there away")  # fmt: skip
    texts = _tried(wishes)
    keys = {name: SecretKey.generate(purpose) for name, purpose in KEYS.items()}
    texts["toolguard.toml"] = _TOML.format(
        name=wishes.name,
        signing=PublicKey.of(keys["service.key"]).line,
        audit=PublicKey.of(keys["audit.key"]).line,
    )
    try:
        (folder / "keys").mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, key in keys.items():
            write_key(folder / "keys" / name, key)
        _token(folder, wishes)
        for name, text in texts.items():
            with (folder / name).open("x", encoding="utf-8") as file:
                file.write(text)
    except KeyUnavailableError as fault:
        raise ConfigError(str(fault)) from None
    except OSError as fault:
        raise ConfigError(f"cannot write to {str(folder)!r} ({type(fault).__name__}); choose another folder") from None
    return names


def _tried(wishes: Wishes) -> dict[str, str]:
    """Policy, cases and directory, as a policy's author would try them. Raises ConfigError where they do not hold."""
    texts = {"policy.yaml": _policy(wishes), "directory.yaml": _directory(wishes)}
    if not wishes.tools:
        texts[FIRST_CALL] = _FIRST_CALL.format(
            person=json.dumps(wishes.person), name=json.dumps(wishes.name), tenant=json.dumps(wishes.tenant)
        )
    with tempfile.TemporaryDirectory(prefix="toolguard-") as scratch:
        at = Path(scratch)
        for name in ("policy.yaml", "directory.yaml"):
            (at / name).write_text(texts[name], "utf-8")
        policy = load_policy(at / "policy.yaml", functions=ANALYSES)
        directory = FileDirectory(at / "directory.yaml")
        directory.tenants()
        with Judge(policy) as judge:
            texts["policy.cases.yaml"] = _cases(wishes, judge)
        (at / "policy.cases.yaml").write_text(texts["policy.cases.yaml"], "utf-8")
        wrong = [r for r in lint(str(at / "policy.yaml"), directory=directory) if r.severity >= Severity.WARNING]
        failed = [r for _, r in run_files([read_cases(str(at / "policy.cases.yaml"))]) if not r.passed]
    if wrong or failed:
        said = f"{wrong[0].code}: {wrong[0].message}" if wrong else f"case {failed[0].name!r} does not come out"
        raise ConfigError(f"no policy to start from could be written for these tools ({said}); write one by hand: "
                          "toolguard policy scan … --write policy.yaml")  # fmt: skip
    return texts


def _token(folder: Path, wishes: Wishes) -> None:
    """The guard's own token, with which it asks the service before a critical call."""
    tokens = TokenFile(folder / "tokens.json", now=time.time)
    issued = tokens.issue(
        audience=Audience.SERVICE, person=f"service:{wishes.account}", identity=None, tenant=wishes.tenant
    )
    descriptor = os.open(folder / "keys" / "guard.token", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(issued.secret + "\n")


def _policy(wishes: Wishes) -> str:
    text = starter(inventory(wishes.offered), name=wishes.name)
    text = text.replace("THIS-FILE", "policy.yaml")
    if not wishes.tools:
        text = text.replace(
            "export_report: {}", "export_report: {risk: high}    # an example: replace it by your own tools"
        )
    return text


def _directory(wishes: Wishes) -> str:
    person, approver, tenant, name = (
        json.dumps(w) for w in (wishes.person, wishes.approver, wishes.tenant, wishes.name)
    )
    return f"""\
# Who is who. Verdicts compare persons: nobody approves their own call. docs/directory.md has every part.
version: 1
persons:
  - {{id: {person}, name: {person}, identities: [{{issuer: local, tenant: {tenant}, subject: {person}}}]}}
  # the second person is a placeholder: write the name of somebody who really answers for it
  - {{id: {approver}, name: {approver}, identities: [{{issuer: local, tenant: {tenant}, subject: {approver}}}]}}
groups:
  - {{name: approvers, tenant: {tenant}, members: [{person}, {approver}]}}
services:
  - {{name: {json.dumps(wishes.account)}, tenant: {tenant}, agents: [{name}]}}
"""


def _cases(wishes: Wishes, judge: Judge) -> str:
    caller = {"subject": wishes.person, "agent": wishes.name, "tenant": wishes.tenant}
    lines = [
        "# What the policy has to decide. Try it with: toolguard policy test",
        "apiVersion: toolguard/v1",
        "kind: PolicyCases",
        "policy: policy.yaml",
        "tools:",
    ]
    tools = [_placed(tool) for tool in wishes.offered[:_MOST_CASES]]
    lines += [f"  - {json.dumps(_described(tool))}" for tool in tools]
    lines += [f"given: {{caller: {json.dumps(caller)}}}", "cases:"]
    stranger = Tool.describe(_UNNAMED, source="app")
    for tool in (*tools, stranger):
        args = _sample(tool.schema)
        call = Call(tool=tool, args=args, caller=_caller(wishes), at=local_seconds())
        decision = judge.explained(call)[0].decision
        effect = Effect.DENY if decision is None else decision.effect
        said = "a tool that nobody named" if tool is stranger else f"{tool.name}, as it says of itself"
        lines += [
            f"  - name: {json.dumps(said)}",
            f"    tool: {json.dumps(tool.name)}",
            f"    args: {json.dumps(args)}",
            f"    expect: {{effect: {effect.label}}}",
        ]
    return "\n".join(lines) + "\n"


def _caller(wishes: Wishes) -> Caller:
    who = Person(issuer="local", tenant=wishes.tenant, subject=wishes.person)
    return Caller(person=who, agent=wishes.name, tenant=wishes.tenant, assurance=Assurance.ASSERTED)


def _placed(tool: Tool) -> Tool:
    if tool.identity.source != UNKNOWN_SOURCE:
        return tool
    return Tool.describe(
        tool.name, source="app", description=tool.description, schema=tool.schema, annotations=tool.annotations
    )


def _described(tool: Tool) -> dict[str, Json]:
    hints = {
        name: value
        for name in ("read_only", "destructive", "idempotent", "open_world")
        if (value := getattr(tool.annotations, name)) is not None
    }
    said: dict[str, Json] = {"name": tool.name, "source": tool.identity.source, "description": tool.description}
    said["schema"] = json.loads(json.dumps(tool.schema, default=dict))
    return {**said, "annotations": dict(hints)} if hints else said


_SAMPLES: Mapping[str, Json] = {
    "string": "example",
    "integer": 1,
    "number": 1.0,
    "boolean": True,
    "array": [],
    "object": {},
}


def _sample(schema: Mapping[str, Json]) -> dict[str, Json]:
    """The required arguments, with values that stand for nothing."""
    properties, required = schema.get("properties"), schema.get("required")
    if not isinstance(properties, Mapping) or not isinstance(required, Sequence):
        return {}
    found: dict[str, Json] = {}
    for name in required:
        about = properties.get(str(name))
        kind = about.get("type") if isinstance(about, Mapping) else None
        choices = about.get("enum") if isinstance(about, Mapping) else None
        found[str(name)] = choices[0] if isinstance(choices, list) and choices else _SAMPLES.get(str(kind), "example")
    return found


_TOML = """\
# toolguard: what is enforced, where it is kept, and who decides. docs/configuration.md has every key.

[guard]
policy = "policy.yaml"
environment = "development"   # anywhere else somebody other than its author has to sign the policy
suspend = "block"             # a call that needs a person waits in place; "raise" lets the program go on

[store]
url = "sqlite:///toolguard.db"

[keys]
file = "keys/guard.key"       # every process that runs a guard reads it
trusted = ["{signing}"]

[directory]
file = "directory.yaml"       # persons, groups, services
tokens = "tokens.json"        # hashes of their tokens; made by 'toolguard people token'

[service]
url = "http://127.0.0.1:8790"
signing_key = "keys/service.key"    # the service's alone: run it as another user once it matters
reveal_key = "keys/reveal.key"
token = "keys/guard.token"          # with it a guard asks before a critical call

[telemetry]
spans = "tracer"              # "otlp" sends them to Jaeger or a collector

[audit]
signing_key = "keys/audit.key"
trusted = ["{audit}"]
anchors = []                  # files on another machine or medium that keep every checkpoint
"""

_FIRST_CALL = '''\
"""A first guarded call. It waits until somebody else approves it, and then runs, once."""

from toolguard import Caller, Guard


def export_report(title: str) -> str:
    """Export a report to a partner."""
    return f"exported {{title!r}}"


caller = Caller.of({person}, agent={name}, tenant={tenant})
with Guard.from_config("toolguard.toml") as guard, guard.session(caller=caller) as session:
    print("this waits for approval; in another terminal: toolguard approvals list --mine", flush=True)
    print(session.call(export_report, {{"title": "spring figures"}}))
'''
