"""Redirections: writing over system or credential files, raw disks and network pseudo-files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from toolguard._core.risk import Evidence
from toolguard.analysis.notes import CODE, CRITICAL, DESTRUCTIVE, EXFILTRATION, HIGH, MEDIUM, WRITE, note
from toolguard.analysis.path import is_credential_path, is_disk, is_startup_path, is_system_path
from toolguard.analysis.shell_parse import Redirect

__all__ = ["evidence"]

_SOURCE = "args.shell"


def evidence(redirects: Iterable[Redirect]) -> Iterator[Evidence]:
    """What the redirections of one command do."""
    for redirect in redirects:
        target = redirect.target.text
        if "/dev/tcp/" in target or "/dev/udp/" in target:
            yield note(_SOURCE, EXFILTRATION, HIGH, "it opens a network connection by redirection")
        if not redirect.op.lstrip("&0123456789").startswith(">") or target in (
            "/dev/null",
            "/dev/stderr",
            "/dev/stdout",
            "1",
            "2",
            "-",
        ):
            continue
        if is_disk(target):
            yield note(_SOURCE, DESTRUCTIVE, CRITICAL, "it writes over a raw disk")
        elif is_startup_path(target) or is_credential_path(target):
            yield note(_SOURCE, CODE, HIGH, "it writes a file that decides who may log in or what runs at start")
        elif is_system_path(target):
            yield note(_SOURCE, DESTRUCTIVE, HIGH, "it writes over a system file")
        else:
            yield note(_SOURCE, WRITE, MEDIUM, "it writes a file")
