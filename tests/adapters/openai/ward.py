"""A small ward to test in: real tools, a real policy, a real approval desk, the real client, a server on loopback."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openai import AsyncOpenAI, DefaultAsyncHttpxClient, DefaultHttpxClient, OpenAI
from pydantic import BaseModel

from toolguard import Caller, Guard, Session
from toolguard._core.policy import Policy
from toolguard.detection import DefaultDetector
from toolguard.policyfile import load_policy
from toolguard.testing.desk import Desk
from toolguard.testing.openai_server import OpenAIServer, Script
from toolguard_openai import ToolBox, guard_client

POLICY = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: ward, version: 1, owner: privacy-office}
defaults: {unknown_tool: deny, args: default, results: mask}
approvals:
  default: {approvers: [group:privacy-office], expires: 1h, claim_ttl: 15m}
tools:
  look_up: {risk: low, trusted_for: [PERSON, MRN, DATE_OF_BIRTH]}
  Visit: {risk: low, trusted_for: [MRN, DATE_OF_BIRTH]}
  set_weight: {risk: low, trusted_for: [MRN]}
  write_note: {risk: low, trusted_for: [PERSON, MRN], prose: [input]}
  note_outside: {risk: low}
  search_papers: {risk: low, args: {query: pass}}
  fails: {risk: low, trusted_for: [MRN]}
  send_letter: {risk: low, trusted_for: [PERSON, MRN], prose: [body], decisive: [to]}
  export_all: {risk: low}
  toolguard.reveal: {risk: critical}
  openai.web_search: {risk: low}
  openai.code_interpreter: {risk: high}
rules:
  - {id: letters, because: Letters leave the house., match: {tool: [send_letter]}, effect: require_approval}
  - {id: no-export, because: Nobody exports., match: {tool: [export_all]}, effect: deny}
  - {id: clinicians, because: They treat., match: {tool: [toolguard.reveal], role: [clinician]}, effect: allow}
"""

NAME, MRN, SSN, BORN = "Maria Delgado", "48213377", "219-09-9999", "03/04/1961"
USER = f"Please see to patient {NAME}, MRN {MRN}, born {BORN}, SSN {SSN}."
RAW = (NAME, "Delgado", MRN, SSN, BORN)

RAN: list[Any] = []
"""What tools were given, in order."""


def look_up(mrn: str) -> dict[str, Any]:
    """Look a patient up by record number."""
    RAN.append(("look_up", mrn))
    return {"name": NAME, "mrn": int(MRN), "note": f"{NAME} may go home."}


class Visit(BaseModel):
    """When was the patient here?"""

    mrn: str
    born: dt.date | None = None


def visit(asked: Visit) -> Visit:
    RAN.append(("Visit", asked))
    return asked


def set_weight(**given: Any) -> str:
    RAN.append(("set_weight", given))
    return "ok"


WEIGHT = {
    "type": "object",
    "description": "Note a weight.",
    "properties": {"mrn": {"type": "integer"}, "kg": {"type": "number"}},
    "required": ["mrn", "kg"],
    "additionalProperties": False,
}


def write_note(text: str) -> str:
    """Add to the chart."""
    RAN.append(("write_note", text))
    return f"noted for {NAME}"


def note_outside(text: str) -> str:
    """Put something on the public board."""
    RAN.append(("note_outside", text))
    return "ok"


def search_papers(query: str) -> str:
    """Search the literature."""
    RAN.append(("search_papers", query))
    return "nothing found"


def fails(mrn: str) -> str:
    """Always fails."""
    RAN.append(("fails", mrn))
    raise RuntimeError(f"no record for {NAME}, MRN {MRN}")


def send_letter(to: str, body: str) -> str:
    """Send a letter."""
    RAN.append(("send_letter", to, body))
    return f"sent to {NAME}"


def export_all(path: str) -> str:
    """Export everything."""
    RAN.append(("export_all", path))
    return "exported"


PLAIN = (look_up, note_outside, search_papers, fails, send_letter, export_all)


DETECTOR = DefaultDetector()
_loaded: list[Policy] = []


def loaded(folder: Path) -> Policy:
    """The policy, read from a file once."""
    if not _loaded:
        path = folder / "policy.yaml"
        path.write_text(POLICY, "utf-8")
        _loaded.append(load_policy(path))
    return _loaded[0]


@dataclass
class Ward:
    """Everything of one test. ``api`` is ``chat`` or ``responses``; ``sync`` chooses the client and the methods."""

    folder: Path
    desk: Desk
    api: str = "chat"
    sync: bool = True
    servers: list[OpenAIServer] = field(default_factory=list)
    clients: list[Any] = field(default_factory=list)

    async def close(self) -> None:
        for client in self.clients:
            closed = client.close()
            if closed is not None:
                await closed
        for server in self.servers:
            server.stop()
        self.desk.store.close()

    def guard(self, **parts: Any) -> Guard:
        return self.desk.guard(loaded(self.folder), **{"detector": DETECTOR, **parts})

    def server(self, script: Script, **given: Any) -> OpenAIServer:
        server = OpenAIServer(script, **given).start()
        self.servers.append(server)
        return server

    def plain_client(self, server: OpenAIServer) -> Any:
        """The SDK's own client, not guarded."""
        given: dict[str, Any] = {"base_url": server.base_url, "api_key": "test", "max_retries": 0}
        if self.sync:  # without certificates: loading them takes longer than most tests here
            client: Any = OpenAI(**given, http_client=DefaultHttpxClient(verify=False))
        else:
            client = AsyncOpenAI(**given, http_client=DefaultAsyncHttpxClient(verify=False))
        self.clients.append(client)
        return client

    def client(self, server: OpenAIServer, guard: Guard, **given: Any) -> Any:
        return guard_client(self.plain_client(server), guard=guard, **given)

    async def run(self, box: ToolBox, client: Any, text: str = USER, **params: Any) -> Any:
        if self.api == "chat":
            given: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": text}], **params}
            return box.run(client, **given) if self.sync else await box.arun(client, **given)
        given = {"model": "m", "input": text, **params}
        return box.run_responses(client, **given) if self.sync else await box.arun_responses(client, **given)

    async def resume(self, box: ToolBox, client: Any, blob: str) -> Any:
        return box.resume(client, blob) if self.sync else await box.aresume(client, blob)

    async def execute(self, box: ToolBox, call: Any, **given: Any) -> dict[str, Any]:
        return box.execute(call, **given) if self.sync else await box.aexecute(call, **given)

    def call(self, name: str, arguments: str, call_id: str = "c1", *, custom: bool = False) -> dict[str, Any]:
        """A call as this API writes it."""
        if self.api == "chat" and custom:
            return {"id": call_id, "type": "custom", "custom": {"name": name, "input": arguments}}
        if self.api == "chat":
            return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
        if custom:
            return {"type": "custom_tool_call", "call_id": call_id, "name": name, "input": arguments}
        return {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}

    @staticmethod
    def said(output: Mapping[str, Any]) -> str:
        """The text of what `ToolBox.execute` gives."""
        return str(output.get("content") or output.get("output"))

    @property
    def never_seen(self) -> str:
        """Every byte every server was sent."""
        return "\n".join(server.seen for server in self.servers)


def ana(guard: Guard, **given: Any) -> Session:
    """A session of Ana's, who asks and so cannot approve."""
    caller = Caller.of("ana", agent="discharge-agent", tenant="general", roles=given.pop("roles", frozenset()))
    return guard.session(caller=caller, **given)


def assert_masked(text: str) -> None:
    """No identifier of the patient is in ``text``."""
    found = [raw for raw in RAW if raw in text]
    assert not found, f"{len(found)} raw identifiers came through"
