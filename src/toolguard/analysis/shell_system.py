"""Programs that run the machine: processes, services, schedules, packages, tasks."""

from __future__ import annotations

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
    READ,
    WRITE,
)
from toolguard.analysis.shell_args import Args
from toolguard.analysis.shell_cli import ends_something
from toolguard.analysis.shell_parse import Command
from toolguard.analysis.shell_rules import only_looks, say
from toolguard.analysis.words import bag

__all__ = ["cron", "kill", "package", "service", "task"]


def kill(args: Args, _: Command) -> Iterator[Evidence]:
    names = [w.text for w in args.words]
    if args.has("-l", "-L") or "-0" in names:
        yield only_looks()
    elif args.program in ("killall", "pkill", "killall5") or {"-1", "1"} & set(names[-1:]):
        yield say(DESTRUCTIVE, HIGH, "it ends every process of a name")
    else:
        strong = args.has("-9", "-KILL", "-SIGKILL") or "9" in names[:-1]
        yield say(DESTRUCTIVE, HIGH if strong else MEDIUM, "it ends a process")


_UNIT_STOPS = bag(
    "stop disable mask kill poweroff reboot halt suspend hibernate emergency rescue isolate restart try-restart force-reload unload bootout delete remove"
)
_UNIT_RESTARTS = bag("restart try-restart force-reload")
_UNIT_LOOKS = bag(
    "status show list list-units list-unit-files list-timers is-active is-enabled is-failed cat help list-dependencies list-jobs list-sockets print get-default"
)


def service(args: Args, _: Command) -> Iterator[Evidence]:
    names = args.subcommands
    hit = next((n for n in names if n in _UNIT_STOPS or n.startswith("--status")), None)
    if hit in _UNIT_STOPS and hit is not None:
        everything = hit in ("poweroff", "reboot", "halt", "emergency", "rescue", "isolate")
        level = CRITICAL if everything else MEDIUM if hit in _UNIT_RESTARTS else HIGH
        yield say(DESTRUCTIVE, level, "it stops or removes a service")
    elif not names or any(n in _UNIT_LOOKS for n in names) or "--status-all" in args.flags:
        yield only_looks()
    else:
        yield say(WRITE, MEDIUM, "it changes a service")


def cron(args: Args, _: Command) -> Iterator[Evidence]:
    if args.has("-l"):
        yield only_looks()
    elif args.has("-r"):
        yield say(DESTRUCTIVE, HIGH, "it deletes every scheduled job")
    else:
        yield say(CODE, HIGH, "it makes commands run later by themselves")


_REMOVES = bag(
    "remove uninstall purge autoremove autopurge erase rm un --remove --purge --erase unpublish yank deprecate cleanup clean"
)
_PACKAGE_LOOKS = bag(
    "list ls search show info view query outdated why audit check freeze depends rdepends policy help version -q -qa -qi -ql -si -ss --version -v --help config whoami owner "
    "metadata tree doctor licenses explain bin root prefix"
)
_RUNS = bag("run exec test start build dlx x bench fmt lint clippy doc compile package create init new")


_DASHED = bag("pacman rpm dpkg nix-env emerge")
_REMOVE_FLAGS = bag("-r -rs -rns -rdd -e -p -c")
_BUILDERS = bag("cargo go gradle mvn make ninja dotnet mix stack cabal just task")
_RUNS_FETCHED = bag("npx bunx pipx easy_install")
_FETCHES = bag("install add i dlx exec x")


def package(args: Args, _: Command) -> Iterator[Evidence]:
    names = [w.text.lower() for w in args.words[:6]]
    if args.has("--dry-run", "--simulate", "--just-print"):
        yield say(READ, LOW, "it only shows what it would do")
    elif args.program in _BUILDERS and names[:1] == ["clean"]:
        yield say(WRITE, MEDIUM, "it removes what can be built again")
    elif (
        any(n in _REMOVES for n in names) or (args.program in _DASHED and _REMOVE_FLAGS.intersection(names))
    ) and not {"cache"} & set(names):
        yield say(DESTRUCTIVE, HIGH, "it removes or withdraws packages")
    elif "publish" in names or "upload" in names:
        yield say(EXFILTRATION, HIGH, "it publishes a package")
    elif any(n in _PACKAGE_LOOKS for n in names):
        yield only_looks()
    elif any("://" in n or n.startswith("git+") for n in names) and (
        args.program in _RUNS_FETCHED or _FETCHES.intersection(names)
    ):
        yield say(CODE, HIGH, "it installs code from an address")
    else:
        yield say(
            CODE, MEDIUM, "it installs, builds or runs code" if any(n in _RUNS for n in names) else "it installs code"
        )


def task(args: Args, _: Command) -> Iterator[Evidence]:
    if ends_something([w.text for w in args.positional]):
        yield say(DESTRUCTIVE, HIGH, "it runs a task that deletes or overwrites")
    elif args.has("-T", "--tasks", "-l", "--list", "--help"):
        yield only_looks()
    else:
        yield say(CODE, MEDIUM, "it runs a task")
