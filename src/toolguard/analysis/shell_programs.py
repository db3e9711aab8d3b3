"""Rules per program: files, disks, users, services, packages, database clients. The rest goes to `shell_cli`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from toolguard._core.risk import Evidence, RiskClass, RiskLevel
from toolguard.analysis import shell_git, shell_net
from toolguard.analysis.notes import (
    CODE,
    CRITICAL,
    DESTRUCTIVE,
    EXFILTRATION,
    FINANCIAL,
    HIGH,
    LOW,
    MEDIUM,
    PRIVILEGE,
    READ,
    WRITE,
    note,
)
from toolguard.analysis.path import is_credential_path, is_disk, is_startup_path, is_system_path, is_temporary
from toolguard.analysis.shell_args import Args
from toolguard.analysis.shell_cli import cli_evidence, ends_something
from toolguard.analysis.shell_parse import Command
from toolguard.analysis.words import bag

__all__ = ["INTERPRETERS", "SHELLS", "program_evidence"]

_SOURCE = "args.shell"

SHELLS = bag("sh bash zsh dash ash ksh mksh fish csh tcsh rbash")
INTERPRETERS: dict[str, tuple[str, ...]] = {
    "python": ("-c",), "python2": ("-c",), "python3": ("-c",), "pypy": ("-c",), "pypy3": ("-c",), "ipython": ("-c",),
    "node": ("-e", "--eval", "-p", "--print"), "nodejs": ("-e", "--eval", "-p"), "deno": ("eval",), "bun": ("-e", "--eval"),
    "perl": ("-e", "-E", "-ne", "-pe", "-i.bak", "-pie"), "ruby": ("-e",), "php": ("-r",), "lua": ("-e",), "rscript": ("-e",),
    "osascript": ("-e",), "powershell": ("-command", "-c", "-Command", "-enc", "-EncodedCommand"), "pwsh": ("-command", "-c", "-Command", "-enc"),
    "groovy": ("-e",), "tclsh": (), "expect": ("-c",), "guile": ("-c",), "julia": ("-e",), "elixir": ("-e",), "erl": ("-eval",), "jshell": (),
    "gitlab-rails": ("runner",), "rails": ("runner",), "cmd": ("/c", "/C", "/k"),
}  # fmt: skip

# Programs that only look (or only print), whatever their arguments; writing flags are caught below.
_READERS = bag(
    "ls dir cat bat less more head tail wc nl tac rev grep egrep fgrep rg ag ack find fd locate which whereis type file stat du df "
    "pwd whoami id groups who w last uptime uname hostname date cal env printenv echo printf true false test [ [[ sleep yes seq expr bc "
    "basename dirname realpath readlink md5sum sha1sum sha256sum sha512sum cksum sum b2sum base64 base32 xxd od hexdump strings diff cmp comm "
    "colordiff sort uniq cut paste join tr fold fmt column jq yq xmllint tree ps top htop free vmstat iostat lsof lsblk lscpu lsusb lspci "
    "blkid dmesg journalctl netstat ss ip ifconfig arp route ping ping6 traceroute mtr nslookup host whois getent man info help apropos tput "
    "history alias jobs wait : read cd pushd popd dirs let clear reset_ tty stty_ nproc arch locale zcat zgrep zless gunzip_ "
    "look shuf split_ awk gawk mawk sed tee_ unset shopt return break continue exit local getopts umask ulimit times hash fc bind compgen "
    "kubectx_ tokei cloc hyperfine ldd nm objdump readelf otool command tldr neofetch sw_vers lsb_release promtool_"
)


def program_evidence(args: Args, command: Command) -> Iterator[Evidence]:
    """What one command does (wrappers, shells and interpreters are taken off before)."""
    rule = _RULES.get(args.program)
    if rule is not None:
        yield from rule(args, command)
        return
    if args.program in _READERS:
        yield from _reader(args)
        return
    yield from cli_evidence(args)


def _say(risk_class: RiskClass, level: RiskLevel, text: str) -> Evidence:
    return note(_SOURCE, risk_class, level, text)


def _reader(args: Args) -> Iterator[Evidence]:
    yield _say(READ, LOW, "it only looks or prints")
    for word in args.positional:
        if is_credential_path(word.text):
            yield _say(EXFILTRATION, HIGH, "it reads a file of keys or passwords")
    if args.program == "find" and args.has("-delete"):
        yield _say(DESTRUCTIVE, HIGH, "it deletes everything a search finds")
    if args.program in ("find", "fd") and args.has("-fprint", "-fprintf", "-fls"):
        yield _say(WRITE, MEDIUM, "it writes a file")
    if (
        args.program == "fd"
        and args.has("-x", "-X", "--exec", "--exec-batch")
        and any(w.text in ("rm", "shred", "unlink") for w in args.words)
    ):
        yield _say(DESTRUCTIVE, HIGH, "it deletes everything a search finds")
    if args.program in ("sed", "awk", "gawk", "mawk"):
        if args.has("-i", "--in-place") or any(w.text.startswith("-i") for w in args.words):
            risky = any(is_system_path(w.text) or is_startup_path(w.text) for w in args.positional)
            yield _say(WRITE, HIGH if risky else MEDIUM, "it edits a file in place")
        if any("system(" in w.text or "| getline" in w.text or "|getline" in w.text for w in args.words):
            yield _say(CODE, HIGH, "its program runs other commands")
    if args.program == "sort" and args.has("-o", "--output"):
        yield _say(WRITE, MEDIUM, "it writes a file")
    if args.program in ("ip", "ifconfig", "route", "arp") and any(
        w.text in ("add", "del", "delete", "set", "flush", "down", "up", "change", "replace") for w in args.positional
    ):
        yield _say(PRIVILEGE, HIGH, "it changes the network")
    if args.program == "history" and args.has("-c", "-w", "-d"):
        yield _say(DESTRUCTIVE, HIGH, "it erases the record of commands")
    if args.program == "journalctl" and any(f.startswith(("--vacuum", "--rotate", "--flush")) for f in args.flags):
        yield _say(DESTRUCTIVE, HIGH, "it erases logs")
    if args.program == "dmesg" and args.has("-C", "-c", "--clear"):
        yield _say(DESTRUCTIVE, HIGH, "it erases logs")
    if args.program in ("date", "hostname") and (
        args.has("-s", "--set") or (args.program == "hostname" and args.positional)
    ):
        yield _say(PRIVILEGE, HIGH, "it changes the system")


def _rm(args: Args, _: Command) -> Iterator[Evidence]:
    recursive = args.has("-r", "-R", "--recursive", "-d", "--dir") or args.program == "shred"
    targets = list(args.positional)
    for word in targets:
        text = word.text
        bare = text.rstrip("/*.")
        if (
            text in ("/", "/*", "/.", "//", "/..")
            or (bare == "" and text.startswith("/"))
            or args.has("--no-preserve-root")
        ):
            yield _say(DESTRUCTIVE, CRITICAL, "it deletes the whole system")
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
            yield _say(DESTRUCTIVE, CRITICAL, "it deletes whole home directories")
        elif is_system_path(text):
            deep = text.count("/") > 2 and not recursive
            yield _say(
                DESTRUCTIVE, HIGH if deep else CRITICAL if recursive else HIGH, "it deletes in a system directory"
            )
        elif is_credential_path(text) or is_startup_path(text):
            yield _say(DESTRUCTIVE, HIGH, "it deletes a file that decides who may log in or what runs")
        elif is_temporary(text):
            yield _say(DESTRUCTIVE, MEDIUM, "it deletes temporary files")
        elif recursive:
            yield _say(DESTRUCTIVE, HIGH, "it deletes whole directories")
        elif not word.quoted and text in ("*", "./*", ".*", "**"):
            yield _say(DESTRUCTIVE, HIGH, "it deletes every file of a directory")
        else:
            yield _say(DESTRUCTIVE, MEDIUM, "it deletes files")
    if recursive and not targets and args.program != "rm":
        yield _say(DESTRUCTIVE, HIGH, "it deletes whole directories")
    if not targets:
        yield _say(DESTRUCTIVE, MEDIUM if not recursive else HIGH, "it deletes what it is given")


def _move(args: Args, _: Command) -> Iterator[Evidence]:
    yield _say(WRITE, MEDIUM, "it copies, moves or makes files")
    names = [w.text for w in args.positional]
    if args.program == "mv" and names and (names[-1] == "/dev/null" or any(is_system_path(n) for n in names[:-1])):
        yield _say(DESTRUCTIVE, HIGH, "it moves files out of reach")
    if len(names) > 1 and (is_startup_path(names[-1]) or is_credential_path(names[-1])):
        yield _say(CODE, HIGH, "it writes a file that decides who may log in or what runs at start")
    elif len(names) > 1 and is_system_path(names[-1]):
        yield _say(DESTRUCTIVE, HIGH, "it writes over system files")
    if len(names) > 1 and is_disk(names[-1]):
        yield _say(DESTRUCTIVE, CRITICAL, "it writes over a raw disk")
    if args.program == "cp" and any(is_credential_path(n) for n in names[:-1]):
        yield _say(EXFILTRATION, HIGH, "it copies a file of keys or passwords")


def _dd(args: Args, _: Command) -> Iterator[Evidence]:
    target = next((w.text[3:] for w in args.words if w.text.startswith("of=")), "")
    if is_disk(target) or is_system_path(target):
        yield _say(DESTRUCTIVE, CRITICAL, "it writes over a raw disk or system file")
    elif target:
        yield _say(DESTRUCTIVE, HIGH, "it writes raw data over a file")
    else:
        yield _say(READ, LOW, "it reads raw data")


def _fixed(
    risk_class: RiskClass, level: RiskLevel, text: str, *, looks: str = ""
) -> Callable[[Args, Command], Iterator[Evidence]]:
    """A program with one effect, unless one of the ``looks`` words or flags shows that it only looks."""
    quiet = frozenset(looks.split()) | {"--help", "--version"}

    def rule(args: Args, _: Command) -> Iterator[Evidence]:
        if quiet & (args.flags | {w.text for w in args.words}):
            yield _say(READ, LOW, "it only looks or prints")
        else:
            yield _say(risk_class, level, text)

    return rule


def _mode(args: Args, _: Command) -> Iterator[Evidence]:
    names = [w.text for w in args.positional]
    mode = names[0] if names else ""
    deep = args.has("-R", "--recursive")
    system = any(is_system_path(n) or is_credential_path(n) for n in names[1:])
    if args.program == "chmod":
        if (
            (mode[-3:] in ("777", "666", "776", "767", "757", "577", "775") and mode[-1] in "2367")
            or any(p in mode for p in ("o+w", "a+w", "o=rw", "a=rw", "+s", "ugo+w"))
            or (len(mode) == 4 and mode[0] in "246")
        ):
            yield _say(
                PRIVILEGE,
                CRITICAL if deep and system else HIGH,
                "it opens files to everyone or to another user's rights",
            )
        else:
            yield _say(
                PRIVILEGE,
                HIGH if system or (deep and mode in ("000", "0", "0000")) else MEDIUM,
                "it changes who may use files",
            )
    else:
        yield _say(PRIVILEGE, HIGH if deep or system else MEDIUM, "it changes who owns files")


def _tee(args: Args, _: Command) -> Iterator[Evidence]:
    yield _say(WRITE, MEDIUM if args.positional else LOW, "it writes what it is given")
    for word in args.positional:
        if is_disk(word.text):
            yield _say(DESTRUCTIVE, CRITICAL, "it writes over a raw disk")
        elif is_startup_path(word.text) or is_credential_path(word.text):
            yield _say(CODE, HIGH, "it writes a file that decides who may log in or what runs at start")
        elif is_system_path(word.text):
            yield _say(DESTRUCTIVE, HIGH, "it writes over a system file")


def _kill(args: Args, _: Command) -> Iterator[Evidence]:
    names = [w.text for w in args.words]
    if args.has("-l", "-L") or "-0" in names:
        yield _say(READ, LOW, "it only looks or prints")
    elif args.program in ("killall", "pkill", "killall5") or {"-1", "1"} & set(names[-1:]):
        yield _say(DESTRUCTIVE, HIGH, "it ends every process of a name")
    else:
        strong = args.has("-9", "-KILL", "-SIGKILL") or "9" in names[:-1]
        yield _say(DESTRUCTIVE, HIGH if strong else MEDIUM, "it ends a process")


_UNIT_STOPS = bag(
    "stop disable mask kill poweroff reboot halt suspend hibernate emergency rescue isolate restart try-restart force-reload unload bootout delete remove"
)
_UNIT_RESTARTS = bag("restart try-restart force-reload")
_UNIT_LOOKS = bag(
    "status show list list-units list-unit-files list-timers is-active is-enabled is-failed cat help list-dependencies list-jobs list-sockets print get-default"
)


def _service(args: Args, _: Command) -> Iterator[Evidence]:
    names = args.subcommands
    hit = next((n for n in names if n in _UNIT_STOPS or n.startswith("--status")), None)
    if hit in _UNIT_STOPS and hit is not None:
        everything = hit in ("poweroff", "reboot", "halt", "emergency", "rescue", "isolate")
        level = CRITICAL if everything else MEDIUM if hit in _UNIT_RESTARTS else HIGH
        yield _say(DESTRUCTIVE, level, "it stops or removes a service")
    elif not names or any(n in _UNIT_LOOKS for n in names) or "--status-all" in args.flags:
        yield _say(READ, LOW, "it only looks or prints")
    else:
        yield _say(WRITE, MEDIUM, "it changes a service")


def _cron(args: Args, _: Command) -> Iterator[Evidence]:
    if args.has("-l"):
        yield _say(READ, LOW, "it only looks or prints")
    elif args.has("-r"):
        yield _say(DESTRUCTIVE, HIGH, "it deletes every scheduled job")
    else:
        yield _say(CODE, HIGH, "it makes commands run later by themselves")


_REMOVES = bag(
    "remove uninstall purge autoremove autopurge erase rm un -r -rs -rns -rdd --remove --purge --erase -e unpublish yank deprecate cleanup clean"
)
_PACKAGE_LOOKS = bag(
    "list ls search show info view query outdated why audit check freeze depends rdepends policy help version -q -qa -qi -ql -si -ss --version -v --help config whoami owner "
    "metadata tree doctor licenses explain bin root prefix"
)
_RUNS = bag("run exec test start build dlx x bench fmt lint clippy doc compile package create init new")


def _package(args: Args, _: Command) -> Iterator[Evidence]:
    names = [w.text.lower() for w in args.words[:6]]
    if args.has("--dry-run", "--simulate", "--just-print"):
        yield _say(READ, LOW, "it only shows what it would do")
    elif any(n in _REMOVES for n in names) and not {"cache"} & set(names):
        yield _say(DESTRUCTIVE, HIGH, "it removes or withdraws packages")
    elif "publish" in names or "upload" in names:
        yield _say(EXFILTRATION, HIGH, "it publishes a package")
    elif any(n in _PACKAGE_LOOKS for n in names):
        yield _say(READ, LOW, "it only looks or prints")
    elif any("://" in n or n.startswith("git+") for n in names) and "install" in names:
        yield _say(CODE, HIGH, "it installs code from an address")
    else:
        yield _say(
            CODE, MEDIUM, "it installs, builds or runs code" if any(n in _RUNS for n in names) else "it installs code"
        )


def _sql_client(args: Args, command: Command) -> Iterator[Evidence]:
    from toolguard.analysis.sql import sql_evidence

    text = args.value_of(("-c", "--command", "-e", "--execute", "-Q", "-q", "--query", "-cmd", "--sql"))
    if text is None and args.program.startswith(("sqlite", "duckdb")) and len(args.positional) > 1:
        text = args.positional[1]
    if (
        args.program == "dropdb"
        or args.program == "dropuser"
        or (
            args.program.startswith("mysqladmin")
            and any(w.text in ("drop", "shutdown", "kill", "flush-hosts", "password") for w in args.positional)
        )
    ):
        yield _say(DESTRUCTIVE, CRITICAL, "it drops a database or user")
    elif args.program in ("pg_dump", "pg_dumpall", "mysqldump", "mongodump", "mongoexport", "mariadb-dump", "sqldump"):
        yield _say(EXFILTRATION, MEDIUM, "it copies a database out")
        if args.has("-c", "--clean", "--add-drop-database"):
            yield _say(DESTRUCTIVE, HIGH, "what it writes drops the database when it is restored")
    elif args.program in ("pg_restore", "mongorestore", "mysqlimport", "mongoimport"):
        clean = args.has("-c", "--clean", "--drop", "--delete", "-C", "--create")
        yield _say(DESTRUCTIVE if clean else WRITE, HIGH if clean else MEDIUM, "it loads a database")
    elif text is not None:
        if text.text.startswith("."):
            yield _say(
                READ if text.text.split()[0] in (".tables", ".schema", ".databases", ".help", ".indexes") else WRITE,
                LOW if text.text.startswith((".tables", ".schema")) else MEDIUM,
                "it gives a command to the client",
            )
        elif text.text.startswith("\\"):
            risky = text.text.startswith(("\\!", "\\copy", "\\o", "\\w", "\\g"))
            yield _say(CODE if risky else READ, HIGH if risky else LOW, "it gives a command to the client")
        elif text.dynamic and not any(c.isspace() for c in text.text.strip()):
            yield _say(CODE, HIGH, "it runs SQL that is only known when it runs")
        else:
            yield from sql_evidence(text.text)
    elif command.stdin is not None and not command.stdin_dynamic:
        yield from sql_evidence(command.stdin)
    elif command.piped_in or args.has("-f", "--file") or any(r.op.startswith("<") for r in command.redirects):
        yield _say(CODE, HIGH, "it runs SQL that stands elsewhere")
    elif args.has("-l", "--list", "--version", "--help"):
        yield _say(READ, LOW, "it only looks or prints")
    else:
        yield _say(CODE, MEDIUM, "it opens a database console")


_REDIS_ENDS = bag(
    "flushall flushdb shutdown del unlink debug config rename migrate slaveof replicaof swapdb restore script function eval evalsha bgrewriteaof expire expireat ltrim spop lpop rpop zremrangebyrank xtrim cluster failover acl module client hdel srem zrem lrem getdel reset"
)
_REDIS_CRITICAL = frozenset(("flushall", "flushdb", "shutdown"))
_REDIS_LOOKS = bag("get list info help cat whoami kill_ id getname count")


def _redis(args: Args, _: Command) -> Iterator[Evidence]:
    names = args.subcommands
    hit = next((n for n in names if n in _REDIS_ENDS), None)
    if hit is None:
        yield _say(WRITE, MEDIUM, "it gives commands to a key-value store")
    elif hit in ("config", "acl", "client", "module", "script", "function", "cluster", "debug") and (
        set(names[names.index(hit) + 1 :]) & _REDIS_LOOKS
    ):
        yield _say(READ, LOW, "it only looks or prints")
    else:
        yield _say(DESTRUCTIVE, CRITICAL if hit in _REDIS_CRITICAL else HIGH, "it deletes keys or changes the store")


def _mongo(args: Args, command: Command) -> Iterator[Evidence]:
    from toolguard.analysis.code import code_evidence

    text = args.value_of(("--eval", "-e"))
    given = text.text if text is not None else command.stdin
    if given:
        yield from code_evidence(given, "mongosh")
    else:
        yield _say(CODE, MEDIUM, "it opens a database console")


def _archive(args: Args, _: Command) -> Iterator[Evidence]:
    text = " ".join(w.text for w in args.words)
    if "--checkpoint-action" in text or "--to-command" in text or args.has("--use-compress-program", "-TT"):
        yield _say(CODE, HIGH, "it runs another program")
    elif args.has("-C", "--directory") and any(is_system_path(w.text) for w in args.positional):
        yield _say(DESTRUCTIVE, HIGH, "it unpacks over system files")
    elif args.has("--remove-files", "--delete", "-m") and args.program in ("tar", "zip"):
        yield _say(DESTRUCTIVE, HIGH, "it deletes what it packed")
    else:
        yield _say(WRITE, MEDIUM, "it packs or unpacks files")


def _task(args: Args, _: Command) -> Iterator[Evidence]:
    if ends_something([w.text for w in args.positional]):
        yield _say(DESTRUCTIVE, HIGH, "it runs a task that deletes or overwrites")
    elif args.has("-T", "--tasks", "-l", "--list", "--help"):
        yield _say(READ, LOW, "it only looks or prints")
    else:
        yield _say(CODE, MEDIUM, "it runs a task")


_Rule = Callable[[Args, Command], Iterator[Evidence]]
_RULES: dict[str, _Rule] = {}


def _add(rule: _Rule, names: str) -> None:
    for name in names.split():
        _RULES[name] = rule


_add(_rm, "rm unlink shred rmdir srm trash rimraf del erase rd")
_add(_move, "cp mv ln install mkdir touch mktemp mkfifo scp_ ditto link patch rename mmv")
_add(_dd, "dd dcfldd")
_add(_mode, "chmod chown chgrp")
_add(_fixed(PRIVILEGE, HIGH, "it changes access rights", looks=""), "chattr setfacl setcap setfattr icacls takeown")
_add(_tee, "tee sponge")
_add(_kill, "kill killall pkill killall5 skill taskkill")
_add(
    _fixed(DESTRUCTIVE, CRITICAL, "it formats or rewrites a disk", looks="-l --list -n --dry-run print"),
    "mkfs mke2fs mkfs.ext2 mkfs.ext3 mkfs.ext4 mkfs.xfs mkfs.btrfs mkfs.vfat mkfs.ntfs mkfs.fat mkswap fdisk sfdisk gdisk sgdisk parted wipefs blkdiscard "
    "badblocks hdparm nvme cryptsetup pvremove vgremove lvremove mdadm zpool zfs format diskpart newfs diskutil",
)
_add(
    _fixed(DESTRUCTIVE, CRITICAL, "it stops the machine", looks="-c"),
    "shutdown reboot halt poweroff init telinit kexec",
)
_add(
    _fixed(PRIVILEGE, HIGH, "it changes users or passwords", looks="-S --status -l"),
    "useradd usermod userdel adduser deluser groupadd groupdel groupmod passwd chpasswd chage visudo gpasswd newusers vipw htpasswd net dscl pw",
)
_add(
    _fixed(
        PRIVILEGE, HIGH, "it changes the kernel or its protections", looks="-a --list -L -S --show status get-default"
    ),
    "insmod rmmod modprobe sysctl setenforce aa-disable iptables ip6tables nft ufw firewall-cmd ebtables mount umount swapoff losetup auditctl apparmor_parser semanage setsebool csrutil spctl "
    "update-grub grub-install efibootmgr bcdedit reg netsh",
)
_add(_service, "systemctl service rc-service launchctl supervisorctl initctl sc rcctl sv svcadm pm2")
_add(_cron, "crontab at batch schtasks")
_add(
    _package,
    "apt apt-get aptitude dpkg yum dnf rpm zypper pacman apk brew port snap flatpak pip pip3 pipx uv poetry conda mamba npm npx yarn pnpm bun_ bunx gem bundle cargo "
    "go rustup composer nuget dotnet mvn gradle make cmake ninja just task choco winget scoop nix nix-env emerge pkg cpan luarocks mix opam stack cabal twine easy_install",
)
_add(
    _sql_client,
    "psql mysql mariadb sqlite sqlite3 sqlcmd sqlplus duckdb clickhouse-client cockroach snowsql usql pgcli mycli bq_ mssql-cli osql isql dropdb dropuser mysqladmin pg_dump pg_dumpall "
    "mysqldump mongodump mongoexport mariadb-dump pg_restore mongorestore mysqlimport mongoimport spark-sql hive beeline presto trino",
)
_add(_redis, "redis-cli valkey-cli keydb-cli")
_add(_mongo, "mongo mongosh")
_add(_task, "rake gitlab-rake artisan manage.py django-admin flask wp drush gulp grunt fab invoke")
_add(_archive, "tar zip unzip gzip gunzip bzip2 xz 7z zstd bsdtar cpio ar")
_add(_fixed(CODE, HIGH, "it runs a file in this shell"), "source .")
_add(
    _fixed(CODE, MEDIUM, "it compiles or runs code"),
    "gcc cc g++ clang rustc javac java_ tsc ocaml ghc pytest tox nox jest vitest mocha rake_ ant sbt bazel meson black ruff mypy eslint prettier webpack vite",
)
_add(
    _fixed(WRITE, MEDIUM, "it edits files"),
    "vi vim nvim nano emacs ed ex code open xdg-open sponge truncate_ export set declare typeset readonly trap split csplit mkdirp",
)
_add(_fixed(DESTRUCTIVE, HIGH, "it cuts files off", looks=""), "truncate fallocate")
_add(_fixed(CODE, HIGH, "it makes commands run at certain events", looks="-l -p"), "trap")
_add(
    _fixed(EXFILTRATION, HIGH, "it records screen, keys or network", looks=""),
    "tcpdump tshark wireshark script screencapture scrot xinput xdotool pbpaste xclip",
)
_add(
    _fixed(PRIVILEGE, HIGH, "it handles keys or secrets", looks="--list-keys -k -l --fingerprint version"),
    "gpg ssh-keygen ssh-add ssh-copy-id security keytool pass certutil mimikatz hashcat john",
)
_add(_fixed(FINANCIAL, HIGH, "it handles money"), "bitcoin-cli ethkey geth lncli")
_add(shell_git.evidence, "git hub")
for _name in shell_net.PROGRAMS:
    _RULES[_name] = shell_net.evidence
