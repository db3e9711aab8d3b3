"""Paths: traversal, system and credential files."""

from __future__ import annotations

import posixpath
import re
from urllib.parse import unquote

from toolguard._core.risk import Evidence
from toolguard.analysis.notes import CODE, EXFILTRATION, HIGH, LOW, MEDIUM, READ, WRITE, note
from toolguard.analysis.words import unmask

__all__ = [
    "is_credential_path",
    "is_disk",
    "is_startup_path",
    "is_system_path",
    "is_temporary",
    "path_evidence",
    "tidy",
]

_SOURCE = "args.path"
MAX_PATH = 4_096

_SYSTEM = re.compile(
    r"^(?:/(?:etc|usr|bin|sbin|lib(?:32|64|x32)?|boot|dev|proc|sys|root|opt|var|srv|System|Library|Applications)(?:/|$)|/$|[a-z]:/(?:windows|program files|programdata)\b)",
    re.IGNORECASE,
)
_CREDENTIALS = re.compile(
    r"(?:^|/)(?:\.ssh(?:/|$)|\.aws(?:/|$)|\.gnupg(?:/|$)|\.kube(?:/|$)|\.docker/config\.json|\.netrc$|\.pgpass$|\.my\.cnf$|\.npmrc$|\.pypirc$|"
    r"\.git-credentials$|\.vault-token$|\.azure(?:/|$)|\.config/gcloud|\.env(?:\.\w+)?$|id_(?:rsa|dsa|ecdsa|ed25519)\b|authorized_keys|"
    r"shadow-?$|gshadow$|sudoers(?:\.d)?(?:/|$)|master\.key$|credentials(?:\.\w+)?$|secrets?(?:\.\w+)?$|\.htpasswd$|"
    r"login(?:\.keychain| data)|cookies(?:\.sqlite)?$|ntds\.dit$|(?:sam|security)\.hive$|config/sam$|serviceaccount/token|environ$)"
    r"|\.(?:pem|key|p12|pfx|jks|keystore|kdbx|ppk)$",
    re.IGNORECASE,
)
_STARTUP = re.compile(
    r"(?:^|/)(?:\.bashrc|\.bash_profile|\.profile|\.zshrc|\.zprofile|\.zshenv|\.bash_login|\.bash_aliases|\.config/autostart/|cron\.(?:d|daily|hourly|weekly)(?:/|$)|"
    r"crontab(?:s)?(?:/|$)|rc\.local$|init\.d(?:/|$)|systemd/(?:system|user)(?:/|$)|LaunchAgents/|LaunchDaemons/|authorized_keys$|ld\.so\.preload$|"
    r"\.git/hooks(?:/|$)|\.gitconfig$|sitecustomize\.py$|profile\.d(?:/|$)|startup(?:/|$))",
    re.IGNORECASE,
)
_DISK = re.compile(
    r"^/dev/(?:sd[a-z]|hd[a-z]|vd[a-z]|xvd[a-z]|nvme\d|mmcblk|disk\d|rdisk|dm-\d|mapper/|md\d|loop\d|mem$|kmem$|port$)"
)
_TEMPORARY = re.compile(r"^(?:/tmp/[^/]|/var/tmp/[^/]|/private/tmp/[^/]|\$\{?TMPDIR(?:\}|:-/tmp\}|:-/var/tmp\})?/[^/])")


def tidy(path: str) -> str:
    """``path`` decoded, forward-slashed and with ``.``/``..``/``//`` resolved; ``..`` that leads out is kept."""
    text = unmask(path)
    for _ in range(2):
        if "%" in text:
            text = unquote(text)
    text = text.split("\x00", 1)[0].replace("\\", "/").strip()
    text = re.sub(r"^file:(?://(?:localhost)?)?(?=/)", "", text, flags=re.IGNORECASE)
    home = text.startswith("~")
    return (
        text
        if home or not text
        else posixpath.normpath(text).replace("//", "/", 1)
        if text.startswith("//")
        else posixpath.normpath(text)
    )


def is_system_path(path: str) -> bool:
    """Whether ``path`` lies in the operating system's own directories (temporary ones excepted)."""
    clean = tidy(path)
    return bool(_SYSTEM.match(clean)) and not is_temporary(path)


def is_credential_path(path: str) -> bool:
    """Whether ``path`` looks like a key, password or token file."""
    return bool(_CREDENTIALS.search(tidy(path)))


def is_startup_path(path: str) -> bool:
    """Whether what is written there runs later by itself."""
    return bool(_STARTUP.search(tidy(path)))


def is_disk(path: str) -> bool:
    """Whether ``path`` is a raw device or memory."""
    return bool(_DISK.match(tidy(path)))


def is_temporary(path: str) -> bool:
    """Whether ``path`` lies inside a temporary directory (not the directory itself) and stays there."""
    clean = path if path.startswith("$") else tidy(path)
    return bool(_TEMPORARY.match(clean)) and ".." not in clean.split("/")


def path_evidence(path: str, *, writes: bool = False) -> list[Evidence]:
    """What it means that a tool is given ``path``. ``writes``: the tool may change what is there."""
    if len(path) > MAX_PATH:
        return [note(_SOURCE, CODE, HIGH, f"the path is longer than {MAX_PATH} characters and was not read")]
    found = []
    decoded = unquote(unquote(unmask(path))).replace("\\", "/")
    clean = tidy(path)
    if "\x00" in decoded:
        found.append(note(_SOURCE, EXFILTRATION, HIGH, "the path holds a null byte"))
    if (
        clean.startswith("..")
        or "/../" in clean
        or (re.search(r"(?:^|/)\.\./", decoded) and clean != decoded and not is_temporary(path))
    ):
        found.append(note(_SOURCE, EXFILTRATION, HIGH, "the path climbs out of its directory"))
    if is_credential_path(path):
        found.append(note(_SOURCE, EXFILTRATION, HIGH, "the path looks like a file of keys or passwords"))
    if is_startup_path(path) and writes:
        found.append(note(_SOURCE, CODE, HIGH, "what is written there runs later by itself"))
    elif is_system_path(path):
        found.append(
            note(_SOURCE, WRITE if writes else READ, HIGH if writes else MEDIUM, "the path lies in a system directory")
        )
    if decoded.lstrip().startswith("//"):
        found.append(note(_SOURCE, EXFILTRATION, HIGH, "the path is on another machine"))
    return found or [note(_SOURCE, READ, LOW, "the path shows nothing unusual")]
