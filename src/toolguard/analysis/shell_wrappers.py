"""Programs whose arguments are themselves a command: ``sudo``, ``env``, ``xargs``, ``find -exec``, ``ssh`` …"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from toolguard._core.risk import Evidence
from toolguard.analysis.notes import CODE, DESTRUCTIVE, EXFILTRATION, HIGH, MEDIUM, PRIVILEGE, note
from toolguard.analysis.shell_parse import Word
from toolguard.analysis.words import bag

__all__ = ["REMOTE", "WRAPPERS", "Layers", "unwrap"]

_SOURCE = "args.shell"
_MAX_LAYERS = 12

# Wrapper → flags that take a value of their own (so that it is not mistaken for the command).
_WRAPPERS: dict[str, frozenset[str]] = {
    name: frozenset(flags.split())
    for name, flags in {
        "sudo": "-u -g -h -p -C -r -t -T -U -D -R --user --group --host --chdir",
        "doas": "-u -C",
        "env": "-u -C -S --unset --chdir",
        "nice": "-n --adjustment",
        "ionice": "-c -n -p",
        "nohup": "",
        "time": "-f -o",
        "timeout": "-s -k --signal --kill-after",
        "stdbuf": "-i -o -e",
        "setsid": "",
        "command": "",
        "builtin": "",
        "exec": "-a",
        "noglob": "",
        "nocorrect": "",
        "xargs": "-I -i -n -P -L -s -d -a -E --max-args --max-procs --arg-file --delimiter --replace",
        "parallel": "-j -I --jobs --colsep -a",
        "chroot": "--userspec --groups",
        "unshare": "",
        "nsenter": "-t --target -S -G",
        "strace": "-o -e -p -s",
        "ltrace": "-o -e",
        "watch": "-n --interval",
        "flock": "-w --wait -E",
        "busybox": "",
        "toybox": "",
        "caffeinate": "-t -w",
        "taskset": "",
        "chrt": "",
        "runuser": "-u -g",
        "firejail": "",
        "proxychains": "-f",
        "proxychains4": "-f",
        "torsocks": "",
        "faketime": "",
        "systemd-run": "-u -p --unit --property --uid --gid",
        "entr": "",
        "then": "",
        "script": "",
        "op": "",
        "dotenv": "-f",
        "uv": "",
        "npx": "-p --package",
        "bunx": "",
        "uvx": "--from --with",
        "poetry": "",
        "pipenv": "",
        "pipx": "",
        "hatch": "",
        "pdm": "",
        "rye": "",
        "bundle": "",
    }.items()
}
# Wrappers whose own first positional words are not the command.
WRAPPERS = frozenset(_WRAPPERS)
"""Programs that only start another."""
_SKIP = {"timeout": 1, "flock": 1, "chroot": 1, "taskset": 1, "chrt": 1, "faketime": 1}
_ONLY_WITH = dict.fromkeys(("op", "uv", "poetry", "pipenv", "pipx", "hatch", "pdm", "rye"), "run") | {"bundle": "exec"}
_FETCHES = frozenset(("npx", "bunx", "uvx", "pipx"))
"""They fetch the program that they run."""
_SHELLS = frozenset(("sh", "bash", "zsh", "dash", "ksh"))
_AS_ROOT = frozenset(("sudo", "doas", "runuser", "nsenter", "chroot", "pkexec"))
REMOTE = frozenset(("ssh", "mosh", "rsh"))
_SHELL_LINE = frozenset(("su", "watch", "flock", "script", "parallel", "runuser"))


@dataclass(slots=True, kw_only=True)
class Layers:
    """``commands``: the commands inside; ``scripts``: texts a shell will read; ``programs``: the wrappers seen."""

    commands: list[list[Word]] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    programs: list[str] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)


def unwrap(words: list[Word]) -> Layers:
    """The commands that ``words`` runs, with the wrappers taken off."""
    layers = Layers()
    _peel(words, layers, 0)
    return layers


def _name(word: Word) -> str:
    return word.text.replace("\\", "/").rsplit("/", 1)[-1].lower().removesuffix(".exe")


def _peel(words: list[Word], layers: Layers, depth: int) -> None:
    if not words:
        return
    if depth > _MAX_LAYERS:
        layers.evidence.append(note(_SOURCE, CODE, HIGH, "the command is wrapped too deeply to be read"))
        return
    name = _name(words[0])
    if name == "eval":
        layers.programs.append(name)
        rest = words[1:]
        if any(w.dynamic for w in rest):
            layers.evidence.append(note(_SOURCE, CODE, HIGH, "it evaluates text that is only known when it runs"))
        layers.scripts.append(" ".join(w.text for w in rest))
        return
    if name == "find":
        _find(words, layers, depth)
        return
    if name in REMOTE:
        _remote(words, layers)
        return
    if name in ("docker", "podman", "nerdctl", "kubectl", "oc", "docker-compose", "lxc") and _inside(
        words, layers, depth
    ):
        return
    if name == "su" or (name in _SHELL_LINE and _line(words) is not None):
        layers.programs.append(name)
        if name in ("su", "runuser"):
            layers.evidence.append(note(_SOURCE, PRIVILEGE, MEDIUM, "it acts as another user"))
        line = _line(words)
        if line is not None:
            layers.scripts.append(line.text)
        elif name == "su":
            layers.evidence.append(note(_SOURCE, PRIVILEGE, HIGH, "it opens a shell with another user's rights"))
        return
    if name in _WRAPPERS and (name not in _ONLY_WITH or _ONLY_WITH[name] in [w.text for w in words[1:3]]):
        if name == "command" and len(words) > 1 and words[1].text in ("-v", "-V"):
            layers.commands.append(words)
            return
        layers.programs.append(name)
        if name in _AS_ROOT:
            layers.evidence.append(note(_SOURCE, PRIVILEGE, MEDIUM, "it acts with another user's rights"))
        split = _value(words, ("-S", "--split-string")) if name == "env" else None
        if split is not None:
            layers.scripts.append(split)
            return
        inner = _after(words, name)
        if (
            name in _AS_ROOT
            and inner
            and _name(inner[0]) in _SHELLS
            and all(w.text.startswith("-") and w.text != "-c" for w in inner[1:])
        ):
            layers.evidence.append(note(_SOURCE, PRIVILEGE, HIGH, "it opens a shell with another user's rights"))
        if name == "systemd-run" and any(w.text.startswith("--on-") for w in words):
            layers.evidence.append(note(_SOURCE, CODE, HIGH, "it makes commands run later by themselves"))
        if inner and inner[0].text == "{}":
            layers.evidence.append(note(_SOURCE, CODE, HIGH, "it runs whatever a list names"))
        if name in _FETCHES:
            far = bool(inner) and ("://" in inner[0].text or inner[0].text.startswith("git+"))
            layers.evidence.append(
                note(
                    _SOURCE,
                    CODE,
                    HIGH if far else MEDIUM,
                    "it fetches a program from an address and runs it" if far else "it installs code",
                )
            )
        if (
            name in ("xargs", "parallel")
            and inner
            and _name(inner[0]) in _SHELLS
            and (not any(w.text == "-c" for w in inner) or any(w.text == "{}" for w in inner))
        ):
            layers.evidence.append(note(_SOURCE, CODE, HIGH, "it runs whatever a list names"))
        if name in ("xargs", "parallel") and inner and _name(inner[0]) in ("rm", "unlink", "shred"):
            layers.evidence.append(note(_SOURCE, DESTRUCTIVE, HIGH, "it deletes whatever a list names"))
        if inner:
            if name == "watch" or (name == "parallel" and len(inner) == 1):
                layers.scripts.append(" ".join(w.text for w in inner))
            else:
                _peel(inner, layers, depth + 1)
        elif name == "sudo" and any(w.text in ("-i", "-s", "su") for w in words[1:]):
            layers.evidence.append(note(_SOURCE, PRIVILEGE, HIGH, "it opens a shell with all rights"))
        elif name in ("xargs", "parallel"):
            layers.commands.append([Word(text="echo")])
        else:
            layers.commands.append(words)
        return
    layers.commands.append(words)


def _after(words: list[Word], name: str) -> list[Word]:
    """The command behind a wrapper's own flags, values and variable settings."""
    takes = _WRAPPERS[name]
    skip = _SKIP.get(name, 0)
    if name in _ONLY_WITH:
        skip = 1
    i = 1
    while i < len(words):
        text = words[i].text
        if text == "--":
            i += 1
            break
        if text.startswith("-") and len(text) > 1:
            i += 2 if text in takes else 1
        elif re.fullmatch(r"[A-Za-z_]\w*=.*", text, re.DOTALL) and name in ("env", "sudo", "doas", "systemd-run"):
            i += 1
        elif skip:
            skip -= 1
            i += 1
        else:
            break
    return words[i + skip if skip and i < len(words) else i :]


def _value(words: list[Word], names: tuple[str, ...]) -> str | None:
    for i, word in enumerate(words):
        if word.text in names and i + 1 < len(words):
            return words[i + 1].text
        for name in names:
            if name.startswith("--") and word.text.startswith(name + "="):
                return word.text[len(name) + 1 :]
    return None


def _line(words: list[Word]) -> Word | None:
    for i, word in enumerate(words):
        if word.text in ("-c", "--command") and i + 1 < len(words):
            return words[i + 1]
    return None


def _find(words: list[Word], layers: Layers, depth: int) -> None:
    own: list[Word] = []
    i = 0
    while i < len(words):
        if words[i].text in ("-exec", "-execdir", "-ok", "-okdir"):
            inner: list[Word] = []
            i += 1
            while i < len(words) and words[i].text not in (";", "+", r"\;"):
                inner.append(words[i])
                i += 1
            if inner and inner[0].text == "{}":
                layers.evidence.append(note(_SOURCE, CODE, HIGH, "it runs whatever a search finds"))
            if inner:
                _peel(
                    [*inner, Word(text="-r")] if _name(inner[0]) in ("rm", "unlink", "shred") else inner,
                    layers,
                    depth + 1,
                )
                layers.programs.append("find")
        else:
            own.append(words[i])
        i += 1
    layers.commands.append(own)


def _remote(words: list[Word], layers: Layers) -> None:
    layers.programs.append(_name(words[0]))
    layers.evidence.append(note(_SOURCE, EXFILTRATION, MEDIUM, "it connects to another machine"))
    takes = bag("-b -c -D -E -e -F -I -i -J -L -l -m -O -o -p -Q -R -S -W -w")
    i = 1
    while i < len(words) and words[i].text.startswith("-"):
        if words[i].text[:2] in ("-R", "-L", "-D"):
            layers.evidence.append(note(_SOURCE, EXFILTRATION, HIGH, "it opens a tunnel"))
        if words[i].text == "-o" and i + 1 < len(words) and "proxycommand" in words[i + 1].text.lower():
            layers.evidence.append(note(_SOURCE, CODE, HIGH, "it runs a command to connect"))
        i += 2 if words[i].text in takes else 1
    rest = words[i + 1 :]
    if rest:
        layers.scripts.append(" ".join(w.text for w in rest))


def _inside(words: list[Word], layers: Layers, depth: int) -> bool:
    """``docker exec c cmd``, ``kubectl exec p -- cmd``: the command that runs inside."""
    texts = [w.text for w in words]
    start = 1
    while start < len(texts) and texts[start].startswith("-"):
        start += 1
    if start < len(texts) and texts[start] == "compose":
        start += 1
    if start >= len(texts) or texts[start] != "exec":
        return False
    if "--" in texts:
        inner = words[texts.index("--") + 1 :]
    else:
        i = start + 1
        while i < len(texts) and texts[i].startswith("-"):
            i += (
                2
                if texts[i]
                in ("-u", "-w", "-e", "--user", "--workdir", "--env", "-n", "--namespace", "-c", "--container")
                else 1
            )
        inner = words[i + 1 :]
    layers.programs.append(_name(words[0]))
    layers.evidence.append(note(_SOURCE, CODE, MEDIUM, "it runs a command inside a container"))
    _peel(inner, layers, depth + 1)
    return True
