"""What a person at a guard asks for: a run drawn, the journal verified, an approval looked at, a policy tried."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from os import PathLike, fspath
from typing import Any

from toolguard import journal
from toolguard._core.approval import Approval
from toolguard._core.call import Tool
from toolguard._core.policy import Policy
from toolguard.bound import BoundTool, from_function
from toolguard.cli.trace import story_of
from toolguard.config import anchor_copies, audit_verifier, load_config
from toolguard.display.page import View
from toolguard.display.policies import cases_view, difference_view, lint_view
from toolguard.display.timeline import trace_view
from toolguard.display.tools import tools_view
from toolguard.errors import NotFoundError
from toolguard.guard import Guard, Session
from toolguard.journal import VerifyReport
from toolguard.keys import PinnedVerifier
from toolguard.policytools.cases import find_case_files, read_cases, run_files
from toolguard.policytools.coverage import coverage
from toolguard.policytools.difference import difference
from toolguard.policytools.lint import lint as find_remarks
from toolguard.policytools.reading import load_any
from toolguard.policytools.recorded import decisions
from toolguard.policytools.replay import Replay, Report, replay_all
from toolguard.policytools.scan import inventory
from toolguard.stores import open_store

__all__ = ["approval", "cases", "check", "compare", "lint", "replay", "scan", "trace", "verified"]

AnyTool = Tool | BoundTool | Callable[..., Any]


def trace(of: Guard | Session, named: str = "") -> View:
    """A run, a call or a trace as a timeline. A session's own run needs no name."""
    guard, what = (of.guard, named or of.run) if isinstance(of, Session) else (of, named)
    return trace_view(story_of(guard.parts.store, what))


def verified(of: Guard | str | PathLike[str]) -> VerifyReport:
    """The journal in a guard's store, verified, with the approval service's keys that the guard has pinned.

    Of a configuration file it is what ``toolguard audit verify`` finds: also with its audit keys and its anchors.
    """
    if isinstance(of, Guard):
        return journal.verify(of.parts.store, service=of.parts.verifier)
    settings = load_config(of)
    store = open_store(settings.store_url, read_only=True)
    try:
        return journal.verify(
            store,
            verifier=audit_verifier(settings),
            service=PinnedVerifier(settings.keys.trusted) if settings.keys.trusted else None,
            anchors=anchor_copies(settings),
        )
    finally:
        store.close()


def approval(of: Session, id: str) -> Approval:
    """How a request of this session's tenant stands now.

    Raises:
        NotFoundError: there is none.
    """
    found = of.guard.parts.store.get(of.caller.tenant, id)
    if found is None:
        raise NotFoundError("this tenant has no request of that id; Suspended.approval_id names one")
    return found


def scan(tools: Iterable[AnyTool], policy: Policy | None = None) -> View:
    """The risk of a tool list; with ``policy`` also what its defaults do to each."""
    return tools_view(inventory(map(_tool, tools), policy))


def check(policy: str | PathLike[str]) -> Policy:
    """A policy file, or ``pack:NAME``, that is in order.

    Raises:
        PolicyError: it is not; the error shows every fault with its place.
    """
    return load_any(fspath(policy))


def compare(old: str | PathLike[str], new: str | PathLike[str]) -> View:
    """What a change of a policy allows, asks and trusts otherwise."""
    return difference_view(difference(check(old), check(new)))


def replay(guard: Guard, new: str | PathLike[str], base: str | PathLike[str] | None = None) -> Report:
    """Every recorded call judged under another policy. ``base`` is the one that was in force, where it is at hand."""
    tried = Replay(check(new), base=None if base is None else check(base))
    return replay_all(decisions(guard.parts.store, 0.0), tried)


def lint(policy: str | PathLike[str], tools: Iterable[AnyTool] = ()) -> View:
    """What there is to say of a policy file, held against the real tools."""
    return lint_view(find_remarks(fspath(policy), tools=tuple(map(_tool, tools))))


def cases(policy: str | PathLike[str], tools: Iterable[AnyTool] = ()) -> View:
    """The cases beside a policy file, run as the guard would judge them, and how much of the rules they show."""
    files = [read_cases(name) for name in find_case_files([fspath(policy)])]
    ran = tuple(run_files(files, tools=tuple(map(_tool, tools))))
    shown = {f.subject: coverage(f.policy, (r.answer for g, r in ran if g is f), added=f.added) for f in files}
    return cases_view((result for _, result in ran), shown)


def _tool(given: AnyTool) -> Tool:
    if isinstance(given, Tool):
        return given
    return given.tool if isinstance(given, BoundTool) else from_function(given).tool
