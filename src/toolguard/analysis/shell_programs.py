"""Which rule judges which program. Programs in no table are read as language by `shell_cli`."""

from __future__ import annotations

from collections.abc import Iterator

from toolguard._core.risk import Evidence
from toolguard.analysis import shell_data as data
from toolguard.analysis import shell_files as files
from toolguard.analysis import shell_git, shell_net
from toolguard.analysis import shell_system as system
from toolguard.analysis.notes import (
    CODE,
    CRITICAL,
    DESTRUCTIVE,
    EXFILTRATION,
    FINANCIAL,
    HIGH,
    MEDIUM,
    PRIVILEGE,
    WRITE,
)
from toolguard.analysis.shell_args import Args
from toolguard.analysis.shell_cli import cli_evidence
from toolguard.analysis.shell_parse import Command
from toolguard.analysis.shell_rules import Rule, fixed
from toolguard.analysis.words import bag

__all__ = ["INTERPRETERS", "KNOWN", "SHELLS", "program_evidence"]

SHELLS = bag("sh bash zsh dash ash ksh mksh fish csh tcsh rbash")
INTERPRETERS: dict[str, tuple[str, ...]] = {
    "python": ("-c",), "python2": ("-c",), "python3": ("-c",), "pypy": ("-c",), "pypy3": ("-c",), "ipython": ("-c",),
    "node": ("-e", "--eval", "-p", "--print"), "nodejs": ("-e", "--eval", "-p"), "deno": ("eval",), "bun": ("-e", "--eval"),
    "perl": ("-e", "-E", "-ne", "-pe", "-i.bak", "-pie"), "ruby": ("-e",), "php": ("-r",), "lua": ("-e",), "rscript": ("-e",),
    "osascript": ("-e",), "powershell": ("-command", "-c", "-Command", "-enc", "-EncodedCommand"), "pwsh": ("-command", "-c", "-Command", "-enc"),
    "groovy": ("-e",), "tclsh": (), "expect": ("-c",), "guile": ("-c",), "julia": ("-e",), "elixir": ("-e",), "erl": ("-eval",), "jshell": (),
    "gitlab-rails": ("runner",), "rails": ("runner",), "cmd": ("/c", "/C", "/k"),
}  # fmt: skip


def program_evidence(args: Args, command: Command) -> Iterator[Evidence]:
    """What one command does (wrappers, shells and interpreters are taken off before)."""
    rule = _RULES.get(args.program)
    if rule is not None:
        yield from rule(args, command)
    elif args.program in files.READERS:
        yield from files.read(args)
    else:
        yield from cli_evidence(args)


_RULES: dict[str, Rule] = {}


def _add(rule: Rule, names: str) -> None:
    for name in names.split():
        _RULES[name] = rule


_add(files.rm, "rm unlink shred rmdir srm trash rimraf del erase rd")
_add(files.move, "cp mv ln install mkdir touch mktemp mkfifo ditto link patch rename mmv")
_add(files.dd, "dd dcfldd")
_add(files.mode, "chmod chown chgrp")
_add(fixed(PRIVILEGE, HIGH, "it changes access rights", looks=""), "chattr setfacl setcap setfattr icacls takeown")
_add(files.tee, "tee sponge")
_add(system.kill, "kill killall pkill killall5 skill taskkill")
_add(
    fixed(
        DESTRUCTIVE, CRITICAL, "it formats or rewrites a disk", looks="-l --list list status get info luksDump id-ctrl"
    ),
    "mkfs mke2fs mkfs.ext2 mkfs.ext3 mkfs.ext4 mkfs.xfs mkfs.btrfs mkfs.vfat mkfs.ntfs mkfs.fat mkswap fdisk sfdisk gdisk sgdisk parted wipefs blkdiscard "
    "badblocks hdparm nvme cryptsetup pvremove vgremove lvremove mdadm zpool zfs format diskpart newfs diskutil",
)
_add(
    fixed(DESTRUCTIVE, CRITICAL, "it stops the machine", looks="-c"),
    "shutdown reboot halt poweroff init telinit kexec",
)
_add(
    fixed(PRIVILEGE, HIGH, "it changes users or passwords", looks="-S --status -l"),
    "useradd usermod userdel adduser deluser groupadd groupdel groupmod passwd chpasswd chage visudo gpasswd newusers vipw htpasswd net dscl pw",
)
_add(
    fixed(
        PRIVILEGE,
        HIGH,
        "it changes the kernel or its protections",
        looks="-a --list -L -S --show status get-default show --list-all",
    ),
    "insmod rmmod modprobe sysctl setenforce aa-disable iptables ip6tables nft ufw firewall-cmd ebtables umount swapoff losetup auditctl apparmor_parser semanage setsebool csrutil spctl "
    "update-grub grub-install efibootmgr bcdedit reg netsh",
)
_add(fixed(PRIVILEGE, HIGH, "it changes which disks are seen", looks="-l", bare=True), "mount")
_add(system.service, "systemctl service rc-service launchctl supervisorctl initctl sc rcctl sv svcadm pm2")
_add(system.cron, "crontab at batch schtasks")
_add(
    system.package,
    "apt apt-get aptitude dpkg yum dnf rpm zypper pacman apk brew port snap flatpak pip pip3 pipx uv poetry conda mamba npm npx yarn pnpm bunx gem bundle cargo "
    "go rustup composer nuget dotnet mvn gradle make cmake ninja just task choco winget scoop nix nix-env emerge pkg cpan luarocks mix opam stack cabal twine easy_install",
)
_add(
    data.sql_client,
    "psql mysql mariadb sqlite sqlite3 sqlcmd sqlplus duckdb clickhouse-client cockroach snowsql usql pgcli mycli mssql-cli osql isql dropdb dropuser mysqladmin pg_dump pg_dumpall "
    "mysqldump mongodump mongoexport mariadb-dump pg_restore mongorestore mysqlimport mongoimport spark-sql hive beeline presto trino",
)
_add(data.redis, "redis-cli valkey-cli keydb-cli")
_add(data.mongo, "mongo mongosh")
_add(system.task, "rake gitlab-rake artisan manage.py django-admin flask wp drush gulp grunt fab invoke")
_add(files.archive, "tar zip unzip gzip gunzip bzip2 xz 7z zstd bsdtar cpio ar")
_add(fixed(CODE, HIGH, "it runs a file in this shell"), "source .")
_add(
    fixed(CODE, MEDIUM, "it compiles or runs code"),
    "gcc cc g++ clang rustc javac tsc ocaml ghc pytest tox nox jest vitest mocha ant sbt bazel meson black ruff mypy eslint prettier webpack vite",
)
_add(
    fixed(WRITE, MEDIUM, "it edits files"),
    "code open xdg-open sponge export set declare typeset readonly split csplit mkdirp",
)
_add(files.editor, "vi vim nvim nano emacs ed ex")
_add(fixed(DESTRUCTIVE, HIGH, "it cuts files off", looks=""), "truncate fallocate")
_add(fixed(CODE, HIGH, "it makes commands run at certain events", looks="-l -p"), "trap")
_add(
    fixed(EXFILTRATION, HIGH, "it records screen, keys or network", looks=""),
    "tcpdump tshark wireshark script screencapture scrot xinput xdotool pbpaste xclip",
)
_add(
    fixed(
        PRIVILEGE, HIGH, "it handles keys or secrets", looks="--list-keys -k -l -lf -lvf -y -yf --fingerprint version"
    ),
    "gpg ssh-keygen ssh-add ssh-copy-id security keytool pass certutil mimikatz hashcat john",
)
_add(fixed(FINANCIAL, HIGH, "it handles money"), "bitcoin-cli ethkey geth lncli")
_add(shell_git.evidence, "git hub")
for _name in shell_net.PROGRAMS:
    _RULES[_name] = shell_net.evidence

KNOWN = frozenset(_RULES)
"""Programs that have a rule."""
