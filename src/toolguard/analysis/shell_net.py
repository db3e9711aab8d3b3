"""Programs that reach other machines: what they send, delete or fetch to run."""

from __future__ import annotations

import re
from collections.abc import Iterator

from toolguard._core.risk import Evidence
from toolguard.analysis.lexicon import DELETE_FAMILY, EFFECTS
from toolguard.analysis.notes import (
    CODE,
    COMMUNICATION,
    DESTRUCTIVE,
    EXFILTRATION,
    HIGH,
    LOW,
    MEDIUM,
    PRIVILEGE,
    READ,
    WRITE,
    note,
)
from toolguard.analysis.path import is_credential_path, is_startup_path, is_system_path, is_temporary
from toolguard.analysis.shell_args import Args
from toolguard.analysis.shell_parse import Command, Word
from toolguard.analysis.url import is_url, url_evidence
from toolguard.analysis.words import bag, split_words

__all__ = ["PROGRAMS", "evidence", "request_evidence"]

_SOURCE = "args.shell"
_FETCHERS = bag("curl wget aria2c axel lynx w3m links fetch")
_HTTPIE = bag("http https xh xhs httpie curlie")
_COPIERS = bag("scp sftp rsync rclone ftp lftp tftp smbclient croc wormhole magic-wormhole gsutil s3cmd s5cmd")
_SOCKETS = bag("nc ncat netcat socat telnet openssl")
_DNS = bag("dig nsupdate drill rndc")
_MAILERS = bag("mail mailx sendmail mutt swaks msmtp ssmtp")
PROGRAMS = _FETCHERS | _HTTPIE | _COPIERS | _SOCKETS | _DNS | _MAILERS
_METHODS = frozenset(("get", "post", "put", "patch", "delete", "head", "options", "purge"))


def evidence(args: Args, command: Command) -> Iterator[Evidence]:
    """What a network program does."""
    if args.program in _FETCHERS:
        yield from _fetch(args, command)
    elif args.program in _HTTPIE:
        yield from _httpie(args, command)
    elif args.program in _COPIERS:
        yield from _copy(args)
    elif args.program in _DNS:
        yield from _dns(args)
    elif args.program in _MAILERS:
        yield note(
            _SOURCE,
            EXFILTRATION,
            HIGH
            if args.has("-a", "-A", "--attach") or command.piped_in or any(r.op == "<" for r in command.redirects)
            else MEDIUM,
            "it sends mail",
        )
    elif args.program == "openssl" and not any(w.text in ("s_client", "s_server") for w in args.positional):
        yield note(_SOURCE, WRITE, MEDIUM, "it handles keys and certificates")
    else:
        listens = args.has("-l", "--listen") or any(
            "exec:" in w.text.lower() or "system:" in w.text.lower() for w in args.words
        )
        runs = args.has("-e", "-c", "--exec", "--sh-exec") and args.program != "openssl"
        if runs or listens:
            yield note(_SOURCE, CODE, HIGH, "it opens this machine to another")
        elif args.has("-z") and args.program in ("nc", "ncat", "netcat"):
            yield note(_SOURCE, READ, LOW, "it tests a port")
        else:
            sends = command.piped_in or bool(command.redirects)
            yield note(_SOURCE, EXFILTRATION, HIGH if sends else MEDIUM, "it talks to another machine")


def request_evidence(method: str, url: str) -> Iterator[Evidence]:
    """What an HTTP request of ``method`` to ``url`` does, as far as these two tell."""
    method = method.lower()
    if method in ("delete", "purge"):
        yield note(_SOURCE, DESTRUCTIVE, HIGH, "it sends an HTTP request that deletes")
        return
    if method not in ("post", "put", "patch"):
        return
    yield note(_SOURCE, WRITE, MEDIUM, "it sends an HTTP request that changes something")
    path = re.sub(r"^\w+://[^/]*", "", url).split("?", 1)[0]
    words = {w for part in path.split("/") for w in split_words(part)}
    if words & (
        DELETE_FAMILY
        | {
            "purge",
            "destroy",
            "flush",
            "reset",
            "terminate",
            "shutdown",
            "clear",
            "close",
            "stop",
            "disable",
            "revoke",
            "kill",
            "abort",
            "deactivate",
            "uninstall",
        }
    ):
        yield note(_SOURCE, DESTRUCTIVE, HIGH, "the address it writes to speaks of deleting or stopping")
    if words & {"admin", "permissions", "roles", "policy", "policies", "settings", "users", "security"} and (
        method == "put" or "admin" in words
    ):
        yield note(_SOURCE, PRIVILEGE, HIGH, "the address it writes to decides who may do what or how the service runs")
    if words & {"transfer", "refund", "payout", "payments", "charges"}:
        yield note(_SOURCE, EFFECTS["pay"][0], HIGH, "the address it writes to moves money")


_FILE_FLAGS = ("-T", "--upload-file")
_DATA_FLAGS = (
    "-d",
    "--data",
    "--data-binary",
    "--data-raw",
    "--data-ascii",
    "--data-urlencode",
    "-F",
    "--form",
    "--json",
    "--post-data",
    "--post-file",
    "--body-data",
    "--body-file",
    "--form-string",
)


def _fetch(args: Args, command: Command) -> Iterator[Evidence]:
    method = args.value_of(("-X", "--request", "--method"))
    bodies = [w for flag in _DATA_FLAGS if (w := args.value_of((flag,))) is not None]
    every = [w for i, w in enumerate(args.words) if i and args.words[i - 1].text in _DATA_FLAGS] or bodies
    urls = [w for w in args.words if is_url(w.text)]
    name = (method.text if method else "post" if every else "put" if args.has(*_FILE_FLAGS) else "get").lower()
    if method is not None and method.dynamic:
        yield note(_SOURCE, WRITE, HIGH, "the kind of request is only known when it runs")
    if not urls and not any(w.dynamic for w in args.words):
        yield note(_SOURCE, READ, LOW, "it asks another machine")
    for url in urls:
        yield from url_evidence(url.text, source=_SOURCE)
        yield from request_evidence(name, url.text)
    if not urls:
        yield from request_evidence(name, next((w.text for w in args.positional), ""))
    if args.value_of(_FILE_FLAGS) is not None or args.has("--post-file", "--body-file"):
        yield note(_SOURCE, EXFILTRATION, HIGH, "it uploads a file")
    for body in every:
        yield from _body(body, command)
    if any("$(" in w.text or "`" in w.text for w in args.words if w.dynamic):
        yield note(_SOURCE, EXFILTRATION, HIGH, "it sends the output of another command away")
    target = args.value_of(("-o", "--output", "-O", "--output-document")) if args.program in ("curl", "wget") else None
    if target is not None and (
        is_startup_path(target.text) or (is_system_path(target.text) and not target.text.startswith("/dev/"))
    ):
        yield note(_SOURCE, CODE, HIGH, "it fetches a file into a system directory")
    if args.has("-K", "--config") or any(w.text.startswith(("--use-askpass", "--execute")) for w in args.words):
        yield note(_SOURCE, CODE, HIGH, "it takes its orders from a file")


def _body(body: Word, command: Command) -> Iterator[Evidence]:
    text = body.text
    name = text.split("=", 1)[-1] if "=@" in text or "=<" in text else text
    if name.startswith(("@", "<")):
        source = name[1:]
        if source in ("-", "/dev/stdin"):
            literal = command.stdin is not None and not command.stdin_dynamic
            yield note(
                _SOURCE,
                COMMUNICATION if literal else EXFILTRATION,
                MEDIUM if literal else HIGH,
                "it sends what it is given away",
            )
        else:
            yield note(
                _SOURCE,
                EXFILTRATION,
                HIGH,
                "it uploads a file of keys or passwords" if is_credential_path(source) else "it uploads a file",
            )
    elif re.search(r"\bmutation\b", text) and set(split_words(text[:2_000])) & DELETE_FAMILY:
        yield note(_SOURCE, DESTRUCTIVE, HIGH, "the query it sends deletes")
    else:
        yield note(_SOURCE, COMMUNICATION, MEDIUM, "it sends data to another machine")


def _httpie(args: Args, command: Command) -> Iterator[Evidence]:
    words = [w.text for w in args.positional]
    method = words[0].lower() if words and words[0].lower() in _METHODS else ""
    rest = words[1:] if method else words
    url = rest[0] if rest else ""
    if not method:
        method = "post" if len(rest) > 1 or command.piped_in else "get"
    if is_url(url):
        yield from url_evidence(url, source=_SOURCE)
    yield note(_SOURCE, READ, LOW, "it asks another machine")
    yield from request_evidence(method, url)
    if any("@" in w or ":=@" in w for w in rest[1:]):
        yield note(_SOURCE, EXFILTRATION, HIGH, "it uploads a file")


def _copy(args: Args) -> Iterator[Evidence]:
    names = [w.text for w in args.positional]
    if args.has("--dry-run", "-n") and args.program in ("rsync", "rclone", "gsutil"):
        yield note(_SOURCE, READ, LOW, "it only shows what it would do")
        return
    if any(f.startswith(("--delete", "--remove-source-files", "--del")) for f in args.flags) or (
        args.program in ("rclone", "gsutil", "s3cmd", "s5cmd")
        and set(names[:3])
        & {"sync", "delete", "purge", "rmdir", "rmdirs", "cleanup", "deletefile", "dedupe", "rm", "rb", "move", "del"}
    ):
        yield note(_SOURCE, DESTRUCTIVE, HIGH, "it deletes at the other end")
    if any(w.text.startswith(("ProxyCommand", "-oProxyCommand")) for w in args.words) or (
        args.program == "rsync"
        and args.has("-e", "--rsh")
        and any("sh -c" in w.text or "nc " in w.text for w in args.words)
    ):
        yield note(_SOURCE, CODE, HIGH, "it runs a command to connect")
    looks = (
        args.program in ("rclone", "gsutil", "s3cmd", "s5cmd")
        and names[:1]
        and names[0]
        in (
            "ls",
            "lsd",
            "lsl",
            "lsf",
            "cat",
            "size",
            "about",
            "check",
            "config",
            "version",
            "du",
            "stat",
            "tree",
            "listremotes",
            "info",
            "hash",
            "lsjson",
        )
    )
    if looks:
        yield note(_SOURCE, READ, LOW, "it only looks")
        return
    remote = [bool(re.match(r"^(?:[\w.-]+@)?[\w.-]{2,}:|^\w+://", n)) for n in names]
    secret = any(is_credential_path(n) for n in names[:-1])
    if (names and is_startup_path(names[-1])) or (len(names) > 1 and is_system_path(names[-1])):
        yield note(_SOURCE, DESTRUCTIVE, HIGH, "it writes over system files")
    if remote and remote[-1]:
        # What stands outside the working directory is hardly what was built there.
        whole = any(n in ("~", ".") or (n.startswith(("/", "~/")) and not is_temporary(n)) for n in names[:-1])
        yield note(_SOURCE, EXFILTRATION, HIGH if secret or whole else MEDIUM, "it copies files to another machine")
    else:
        yield note(_SOURCE, WRITE, MEDIUM, "it copies files")


def _dns(args: Args) -> Iterator[Evidence]:
    if args.program in ("nsupdate", "rndc"):
        yield note(_SOURCE, DESTRUCTIVE, HIGH, "it changes DNS records")
    elif any(w.text.lower() in ("axfr", "ixfr") for w in args.words):
        yield note(_SOURCE, EXFILTRATION, HIGH, "it asks for a whole DNS zone")
    elif any(w.dynamic for w in args.words):
        yield note(_SOURCE, EXFILTRATION, HIGH, "it asks for a name that is only known when it runs")
    else:
        yield note(_SOURCE, READ, LOW, "it only looks")
