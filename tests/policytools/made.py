"""Calls that are really made: a guard on a store, so that what is read back is what a guard records."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from toolguard import Caller, Guard
from toolguard.config import ANALYSES, SystemClock
from toolguard.errors import ToolguardError
from toolguard.keys import KeyRing, Purpose, SecretKey
from toolguard.policyfile import load_policy

__all__ = ["APPROVALS", "HEAD", "TOOLS", "make"]

HEAD = "apiVersion: toolguard/v1\nkind: ToolPolicy\nmetadata: {name: ward, version: 1}\n"
APPROVALS = 'approvals: {default: {approvers: ["group:office"], expires: 1h}, other: {approvers: ["group:office"], expires: 1h}}\n'
DIRECTORY = """
version: 1
persons:
  - {id: ada, name: Ada, identities: [{issuer: local, tenant: general, subject: ada}]}
  - {id: bob, name: Bob, identities: [{issuer: local, tenant: general, subject: bob}]}
groups: [{name: office, tenant: general, members: [bob]}]
"""


def find_patient(name: str = "", limit: int = 10) -> str:
    """Finds patients."""
    return "found"


def send_letter(template: str, body: str = "") -> str:
    """Sends a letter."""
    return "sent"


def delete_chart(chart: str = "") -> str:
    """Deletes a chart."""
    return "gone"


for _tool in (find_patient, send_letter, delete_chart):
    _tool.__module__ = "ward.tools"  # where they say they come from
TOOLS = {f.__name__: f for f in (find_patient, send_letter, delete_chart)}


class Noon(SystemClock):
    """Yesterday's noon on the wall: what a rule says of the time of day does not hang on when the tests run."""

    def now(self) -> float:
        return dt.datetime.combine(
            dt.date.today() - dt.timedelta(days=1), dt.time(12)
        ).timestamp()  # the wall's noon is meant


def make(
    folder: Path,
    policy: str,
    calls: Iterable[tuple[str, dict[str, Any]]],
    *,
    roles: frozenset[str] = frozenset({"nurse"}),
    agent: str = "ward-bot",
    head: str = HEAD,
) -> str:
    """Make ``calls`` under a policy (its text below the head); the URL of the store that holds the records."""
    (folder / "directory.yaml").write_text(DIRECTORY, "utf-8")
    url = f"sqlite:///{folder / 'ward.db'}"
    guard = Guard(
        load_policy(head + policy, name="ward.yaml", functions=ANALYSES),
        store=url,
        keys=KeyRing([SecretKey.generate(Purpose.SEAL)]),
        directory=folder / "directory.yaml",
        suspend="raise",
        confirm_critical=False,
        clock=Noon(),
    )
    caller = Caller.of("ada", agent=agent, tenant="general", roles=roles)
    with guard, guard.session(caller=caller) as session:
        for name, args in calls:
            with suppress(ToolguardError):  # denied, or waits for a person: it is on record
                session.call(TOOLS[name], args)
    return url
