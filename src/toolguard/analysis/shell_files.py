"""Programs that read, delete, move, write and open files."""

from __future__ import annotations

import re
from collections.abc import Iterator

from toolguard._core.risk import Evidence
from toolguard.analysis.notes import (
    CODE,
    CRITICAL,
    DESTRUCTIVE,
    EXFILTRATION,
    HIGH,
    LOW,
    MEDIUM,
    PRIVILEGE,
    READ,
    WRITE,
)
from toolguard.analysis.path import is_credential_path, is_disk, is_startup_path, is_system_path, is_temporary
from toolguard.analysis.shell_args import Args
from toolguard.analysis.shell_parse import Command
from toolguard.analysis.shell_rules import only_looks, say
from toolguard.analysis.words import bag

__all__ = ["READERS", "archive", "dd", "editor", "mode", "move", "read", "rm", "tee"]

# Programs that only look (or only print), whatever their arguments; writing flags are caught below.
READERS = bag(
    "ls dir cat bat less more head tail wc nl tac rev grep egrep fgrep rg ag ack find fd locate which whereis type file stat du df "
    "pwd whoami id groups who w last uptime uname hostname date cal env printenv echo printf true false test [ [[ sleep yes seq expr bc "
    "basename dirname realpath readlink md5sum sha1sum sha256sum sha512sum cksum sum b2sum base64 base32 xxd od hexdump strings diff cmp comm "
    "colordiff sort uniq cut paste join tr fold fmt column jq yq xmllint tree ps top htop free vmstat iostat lsof lsblk lscpu lsusb lspci "
    "blkid dmesg journalctl netstat ss ip ifconfig arp route ping ping6 traceroute mtr nslookup host whois getent man info help apropos tput "
    "history alias jobs wait : read cd pushd popd dirs let clear tty nproc arch locale zcat zgrep zless "
    "look shuf awk gawk mawk sed unset shopt return break continue exit local getopts umask ulimit times hash fc bind compgen "
    "kubectx_ tokei cloc hyperfine ldd nm objdump readelf otool command tldr neofetch sw_vers lsb_release"
)


_SECRET_VARIABLE = re.compile(
    r"(?:^|\$\{?)[A-Z0-9_]*(?:SECRET|PASSWORD|PASSWD|TOKEN|API_?KEY|PRIVATE_KEY|CREDENTIALS?)(?:_ACCESS)?(?:_KEY)?(?:\}|\W|$)"
)


_SED_RUNS = re.compile(r"^s([^\w\s]).{1,200}?\1.{0,200}?\1[gipm0-9]{0,4}e[gipm0-9]{0,4}$")


def read(args: Args) -> Iterator[Evidence]:
    yield only_looks()
    for word in args.positional:
        if is_credential_path(word.text):
            yield say(EXFILTRATION, HIGH, "it reads a file of keys or passwords")
        elif args.program in ("echo", "printf", "printenv") and _SECRET_VARIABLE.search(word.text):
            yield say(EXFILTRATION, HIGH, "it prints a variable whose name says that it is secret")
    if args.program == "find" and args.has("-delete"):
        yield say(DESTRUCTIVE, HIGH, "it deletes everything a search finds")
    if args.program in ("find", "fd") and args.has("-fprint", "-fprintf", "-fls"):
        yield say(WRITE, MEDIUM, "it writes a file")
    if (
        args.program == "fd"
        and args.has("-x", "-X", "--exec", "--exec-batch")
        and any(w.text in ("rm", "shred", "unlink") for w in args.words)
    ):
        yield say(DESTRUCTIVE, HIGH, "it deletes everything a search finds")
    if args.program in ("sed", "awk", "gawk", "mawk"):
        if args.has("-i", "--in-place") or any(w.text.startswith("-i") for w in args.words):
            risky = any(is_system_path(w.text) or is_startup_path(w.text) for w in args.positional)
            yield say(WRITE, HIGH if risky else MEDIUM, "it edits a file in place")
        if args.program == "sed" and any(_SED_RUNS.match(w.text) for w in args.words):
            yield say(CODE, HIGH, "its program runs other commands")
        if any("system(" in w.text or "| getline" in w.text or "|getline" in w.text for w in args.words):
            yield say(CODE, HIGH, "its program runs other commands")
    if args.program == "sort" and args.has("-o", "--output"):
        yield say(WRITE, MEDIUM, "it writes a file")
    if args.program in ("ip", "ifconfig", "route", "arp") and any(
        w.text in ("add", "del", "delete", "set", "flush", "down", "up", "change", "replace") for w in args.positional
    ):
        yield say(PRIVILEGE, HIGH, "it changes the network")
    if args.program == "history" and args.has("-c", "-w", "-d"):
        yield say(DESTRUCTIVE, HIGH, "it erases the record of commands")
    if args.program == "journalctl" and any(f.startswith(("--vacuum", "--rotate", "--flush")) for f in args.flags):
        yield say(DESTRUCTIVE, HIGH, "it erases logs")
    if args.program == "dmesg" and args.has("-C", "-c", "--clear"):
        yield say(DESTRUCTIVE, HIGH, "it erases logs")
    if args.program in ("date", "hostname") and (
        args.has("-s", "--set") or (args.program == "hostname" and args.positional)
    ):
        yield say(PRIVILEGE, HIGH, "it changes the system")


def rm(args: Args, _: Command) -> Iterator[Evidence]:
    recursive = args.has("-r", "-R", "--recursive", "-d", "--dir") or args.program in ("shred", "rimraf")
    targets = list(args.positional)
    if args.program in ("rd", "rmdir", "del", "erase") and any(w.text.lower() in ("/s", "/q") for w in targets):
        yield say(DESTRUCTIVE, HIGH, "it deletes whole directories")
    for word in targets:
        text = word.text
        bare = text.rstrip("/*.")
        if (
            text in ("/", "/*", "/.", "//", "/..")
            or (bare == "" and text.startswith("/"))
            or args.has("--no-preserve-root")
        ):
            yield say(DESTRUCTIVE, CRITICAL, "it deletes the whole system")
        elif (
            text
            in (
                "~",
                "~/",
                "~/*",
                "$HOME",
                "${HOME}",
                "$HOME/",
                "$HOME/*",
                "${HOME}/*",
                "/home",
                "/home/*",
                "/Users",
                "/root",
            )
            and recursive
        ):
            yield say(DESTRUCTIVE, CRITICAL, "it deletes whole home directories")
        elif is_system_path(text):
            deep = text.count("/") > 2 and not recursive
            yield say(
                DESTRUCTIVE, HIGH if deep else CRITICAL if recursive else HIGH, "it deletes in a system directory"
            )
        elif is_credential_path(text) or is_startup_path(text):
            yield say(DESTRUCTIVE, HIGH, "it deletes a file that decides who may log in or what runs")
        elif is_temporary(text):
            yield say(DESTRUCTIVE, MEDIUM, "it deletes temporary files")
        elif recursive:
            yield say(DESTRUCTIVE, HIGH, "it deletes whole directories")
        elif not word.quoted and text in ("*", "./*", ".*", "**"):
            yield say(DESTRUCTIVE, HIGH, "it deletes every file of a directory")
        else:
            yield say(DESTRUCTIVE, MEDIUM, "it deletes files")
    if recursive and not targets and args.program != "rm":
        yield say(DESTRUCTIVE, HIGH, "it deletes whole directories")
    if not targets:
        yield say(DESTRUCTIVE, MEDIUM if not recursive else HIGH, "it deletes what it is given")


def move(args: Args, _: Command) -> Iterator[Evidence]:
    yield say(WRITE, MEDIUM, "it copies, moves or makes files")
    names = [w.text for w in args.positional]
    if args.program == "mv" and names and (names[-1] == "/dev/null" or any(is_system_path(n) for n in names[:-1])):
        yield say(DESTRUCTIVE, HIGH, "it moves files out of reach")
    if len(names) > 1 and (is_startup_path(names[-1]) or is_credential_path(names[-1])):
        yield say(CODE, HIGH, "it writes a file that decides who may log in or what runs at start")
    elif len(names) > 1 and is_system_path(names[-1]):
        yield say(DESTRUCTIVE, HIGH, "it writes over system files")
    if len(names) > 1 and is_disk(names[-1]):
        yield say(DESTRUCTIVE, CRITICAL, "it writes over a raw disk")
    if args.program == "cp" and any(is_credential_path(n) for n in names[:-1]):
        yield say(EXFILTRATION, HIGH, "it copies a file of keys or passwords")


def dd(args: Args, _: Command) -> Iterator[Evidence]:
    target = next((w.text[3:] for w in args.words if w.text.startswith("of=")), "")
    if is_disk(target) or is_system_path(target):
        yield say(DESTRUCTIVE, CRITICAL, "it writes over a raw disk or system file")
    elif target:
        yield say(DESTRUCTIVE, HIGH, "it writes raw data over a file")
    else:
        yield say(READ, LOW, "it reads raw data")


def mode(args: Args, _: Command) -> Iterator[Evidence]:
    bits = args.positional[0].text if args.positional else ""
    names = [w.text for w in args.positional]
    bits = names[0] if names else ""
    deep = args.has("-R", "--recursive")
    system = any(is_system_path(n) or is_credential_path(n) for n in names[1:])
    if args.program == "chmod":
        if (
            (bits[-3:] in ("777", "666", "776", "767", "757", "577", "775") and bits[-1] in "2367")
            or any(p in bits for p in ("o+w", "a+w", "o=rw", "a=rw", "+s", "ugo+w"))
            or (len(bits) == 4 and bits[0] in "246")
        ):
            yield say(
                PRIVILEGE,
                CRITICAL if deep and system else HIGH,
                "it opens files to everyone or to another user's rights",
            )
        else:
            yield say(
                PRIVILEGE,
                HIGH if system or (deep and bits in ("000", "0", "0000")) else MEDIUM,
                "it changes who may use files",
            )
    else:
        yield say(PRIVILEGE, HIGH if deep or system else MEDIUM, "it changes who owns files")


def editor(args: Args, _: Command) -> Iterator[Evidence]:
    orders = [
        w.text for i, w in enumerate(args.words) if i and args.words[i - 1].text in ("-c", "--cmd", "--eval", "-S")
    ]
    orders += [w.text[1:] for w in args.words if w.text.startswith("+") and len(w.text) > 1]
    if any("!" in text or "system(" in text or "shell-command" in text for text in orders):
        yield say(CODE, HIGH, "its editor is told to run a command")
    else:
        yield say(WRITE, MEDIUM, "it edits files")


def tee(args: Args, _: Command) -> Iterator[Evidence]:
    yield say(WRITE, MEDIUM if args.positional else LOW, "it writes what it is given")
    for word in args.positional:
        if is_disk(word.text):
            yield say(DESTRUCTIVE, CRITICAL, "it writes over a raw disk")
        elif is_startup_path(word.text) or is_credential_path(word.text):
            yield say(CODE, HIGH, "it writes a file that decides who may log in or what runs at start")
        elif is_system_path(word.text):
            yield say(DESTRUCTIVE, HIGH, "it writes over a system file")


def archive(args: Args, _: Command) -> Iterator[Evidence]:
    text = " ".join(w.text for w in args.words)
    if "--checkpoint-action" in text or "--to-command" in text or args.has("--use-compress-program", "-TT"):
        yield say(CODE, HIGH, "it runs another program")
    elif args.has("-C", "--directory") and any(is_system_path(w.text) for w in args.positional):
        yield say(DESTRUCTIVE, HIGH, "it unpacks over system files")
    elif args.has("--remove-files", "--delete", "-m") and args.program in ("tar", "zip"):
        yield say(DESTRUCTIVE, HIGH, "it deletes what it packed")
    else:
        yield say(WRITE, MEDIUM, "it packs or unpacks files")
