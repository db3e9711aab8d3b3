"""Who may decide: the directory, whether every hour has somebody, and the tokens they come with."""

from __future__ import annotations

import datetime as dt
import getpass
import os
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

from toolguard._core.approver import Stage
from toolguard.config.service import service_token
from toolguard.directory import Audience, FileDirectory, Gap, TokenEntry, TokenFile, coverage
from toolguard.errors import ConfigError, IdentityError, ToolguardError
from toolguard.health.finding import Finding, fault, fine, warning
from toolguard.health.place import Place, private, quoted, said

__all__ = ["check_directory", "check_tokens"]

HOURS = 168
"""How far ahead quorums are looked for: a week."""
_SOON = 7 * 86400.0


def check_directory(place: Place) -> Iterator[Finding]:
    """Reads it, and looks for hours in which nobody could decide."""
    section = place.config.directory
    if section is None:
        yield warning(
            "directory.none", "no directory is set, so nobody can approve anything and every question is refused",
            'write directory.yaml (docs/directory.md) and set file = "directory.yaml" under [directory]',
        )  # fmt: skip
        return
    path = place.config.at(section.file)
    try:
        directory = FileDirectory(path)
        entries = directory.overview(at=place.now())
    except ToolguardError as wrong:
        yield fault(
            "directory.loads", f"the directory does not load: {said(wrong)}", f"mend {path} (docs/directory.md)"
        )
        return
    place.directory = directory
    tenants = directory.tenants()
    yield fine(
        "directory.loads",
        f"{len({e.id for e in entries})} entries, tenants: {', '.join(map(ascii, tenants)) or 'none'}",
    )
    if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o022:
        yield fault(
            "directory.mode", "others may write the directory, and whoever writes it is an approver",
            f"chmod go-w {quoted(path)}",
        )  # fmt: skip
    yield from _quorums(place, directory, tenants)


def _quorums(place: Place, directory: FileDirectory, tenants: tuple[str, ...]) -> Iterator[Finding]:
    asked = place.asked()
    seen: set[tuple[str, Stage]] = set()
    found = False
    for name in asked:
        rule = place.policy.approvals[name] if place.policy is not None else None
        for stage in rule.stages if rule is not None else ():
            for tenant in tenants:
                if (tenant, stage) in seen:
                    continue
                seen.add((tenant, stage))
                for finding in _stage(place, directory, name, tenant, stage):
                    found = True
                    yield finding
    if asked and not found:
        yield fine(
            "directory.quorum", "every hour of the week has enough people for every approval that can be asked for"
        )


def _stage(place: Place, directory: FileDirectory, name: str, tenant: str, stage: Stage) -> Iterator[Finding]:
    gaps = coverage(directory, tenant, stage.approvers, stage.quorum, start=place.now(), hours=HOURS)
    if not gaps:
        return
    who = " or ".join(stage.approvers)
    command = (
        f"toolguard people coverage {' '.join(map(shlex.quote, stage.approvers))} --tenant {shlex.quote(tenant)} "
        f"--quorum {stage.quorum}{place.option}"
    )
    least = min(g.present for g in gaps)
    if sum(g.end - g.start for g in gaps) >= HOURS * 3600:
        yield fault(
            "directory.quorum",
            f"approval {name!r} needs {stage.quorum} of {who} in tenant {tenant!r}, and there {_are(least)} all week",
            f"add people to the directory; then: {command}",
        )
    else:
        yield warning(
            "directory.hours",
            f"approval {name!r} finds too few of {who} in tenant {tenant!r} in {len(gaps)} stretches, the first {_when(gaps[0])}",
            command,
        )


def _are(count: int) -> str:
    return "is nobody" if count == 0 else "is 1" if count == 1 else f"are {count}"


def _when(gap: Gap) -> str:
    start = dt.datetime.fromtimestamp(gap.start, dt.UTC)
    return f"{start:%a %H:%M} to {dt.datetime.fromtimestamp(gap.end, dt.UTC):%a %H:%M} UTC"


# --- tokens --------------------------------------------------------------------------------------------


def check_tokens(place: Place) -> Iterator[Finding]:
    """The token file, the tokens of those who decide, and the guard's own."""
    section = place.config.directory
    if section is not None and section.tokens is not None:
        yield from _file(place, place.config.at(section.tokens))
    elif place.serves:
        yield fault(
            "tokens.file", "the service has no token file, so nobody could sign in",
            'set tokens = "tokens.json" under [directory]; then: toolguard people token PERSON',
        )  # fmt: skip
    if section is not None and section.second_factors is not None:
        factors = place.config.at(section.second_factors)
        if private(factors) is False:
            yield fault("tokens.factors", "others can read the second factors", f"chmod 600 {quoted(factors)}")
    yield from _service(place)


def _file(place: Place, path: Path) -> Iterator[Finding]:
    try:
        entries = TokenFile(path, now=place.now).entries()
    except ConfigError as wrong:
        open_to_others = private(path) is False
        mend = f"chmod 600 {quoted(path)}" if open_to_others else f"restore {path}, or remove it and make new tokens"
        yield fault("tokens.file", said(wrong), mend)
        return
    live = [e for e in entries if e.expires > place.now()]
    yield fine("tokens.file", f"{len(live)} live of {len(entries)} tokens")
    if place.directory is not None:
        directory = place.directory
        held = {e.person for e in live}
        stray = sorted(p for p in held if directory.find(p) is None and directory.service(p.rpartition(":")[2]) is None)
        if stray:
            yield warning(
                "tokens.stray", f"tokens of {', '.join(map(ascii, stray[:5]))}, who the directory does not know",
                f"toolguard people revoke --person {shlex.quote(stray[0])}{place.option}",
            )  # fmt: skip
        yield from _deciders(place, place.directory, live)
    soon = [e for e in live if e.expires - place.now() < _SOON and e.audience in (Audience.DECIDE, Audience.SERVICE)]
    if soon:
        first = min(soon, key=lambda e: e.expires)
        day = dt.datetime.fromtimestamp(first.expires, dt.UTC).date().isoformat()
        kind = first.audience.value
        yield warning(
            "tokens.expiring", f"{len(soon)} tokens end within a week, that of {first.person!r} on {day}",
            f"toolguard people token {shlex.quote(first.person)} --audience {kind}{place.option}",
        )  # fmt: skip


def _deciders(place: Place, directory: FileDirectory, live: list[TokenEntry]) -> Iterator[Finding]:
    """Whether anybody who may decide has a way in at all."""
    able = set[str]()
    for name in place.asked():
        rule = place.policy.approvals[name] if place.policy is not None else None
        for stage in rule.stages if rule is not None else ():
            for entry in stage.approvers:
                kind, _, rest = entry.partition(":")
                if kind == "person":
                    able.add(rest)
                else:
                    group = entry if kind == "oncall" else rest
                    for tenant in directory.tenants():
                        able.update(p.id for p in directory.members(tenant, group, at=place.now()) if p.human)
    holding = {e.person for e in live if e.audience in (Audience.DECIDE, Audience.BROWSER, Audience.LINK)}
    if able and not able & holding and not place.config.oidc and not place.config.channels:
        first, *others = _likely(directory, able)
        hint = f"   # or for {', '.join(others[:3])}: somebody other than who asks" if others else ""
        yield warning(
            "tokens.nobody", "nobody who may decide has a token, a sign-in link, an identity provider or a channel",
            f"toolguard people token {shlex.quote(first)} --audience decide{place.option}{hint}",
        )  # fmt: skip


def _likely(directory: FileDirectory, able: set[str]) -> list[str]:
    """Who is least likely to be the one who asks comes first: no agent's owner, not this user, not who begins the directory."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = ""
    owners = directory.owners()
    listed = [entry.id for entry in directory.overview(at=0.0)]
    return sorted(able, key=lambda p: (p in owners, p == user, -listed.index(p) if p in listed else 0, p))


def _service(place: Place) -> Iterator[Finding]:
    """The token a guard asks the service with."""
    section = place.config.service
    made = f"toolguard people token SERVICE-ACCOUNT --audience service{place.option}"
    try:
        token = service_token(place.config)
    except ConfigError as wrong:
        yield fault("tokens.service", said(wrong), made)
        return
    if token is None:
        if section.remote:
            yield fault("tokens.service", "a guard with service.remote has no service token", made)
        elif section.confirm == "critical":
            yield warning(
                "tokens.confirm", "no service token: critical calls cannot be confirmed, so they are refused",
                f"{made}   # put it where [service] token says, such as env:TOOLGUARD_SERVICE_TOKEN",
            )  # fmt: skip
        return
    path = place.path(section.token or "")
    if path is not None and private(path) is False:
        yield fault("tokens.service", "others can read the service token", f"chmod 600 {quoted(path)}")
        return
    tokens = place.config.directory.tokens if place.config.directory is not None else None
    if tokens is not None and not section.remote and place.config.at(tokens).exists():
        try:
            TokenFile(place.config.at(tokens), now=place.now).verify(token, audiences=(Audience.SERVICE,))
        except IdentityError as wrong:
            yield fault("tokens.service", f"the service token does not hold: {said(wrong)}", made)
            return
        except ConfigError:
            return  # the file of tokens cannot be read; that is said where it is looked at
    yield fine("tokens.service", "the service token is there")
