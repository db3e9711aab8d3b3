"""Git: what loses work, rewrites shared history or runs code."""

from __future__ import annotations

import re
from collections.abc import Iterator

from toolguard._core.risk import Evidence
from toolguard.analysis.notes import CODE, DESTRUCTIVE, EXFILTRATION, HIGH, LOW, MEDIUM, READ, WRITE, note
from toolguard.analysis.shell_args import Args
from toolguard.analysis.shell_parse import Command, Word
from toolguard.analysis.words import bag

__all__ = ["evidence"]

_SOURCE = "args.shell"
_GLOBAL_WITH_VALUE = frozenset(
    ("-C", "-c", "--git-dir", "--work-tree", "--namespace", "--exec-path", "--super-prefix", "--config-env")
)
_LOOKS = bag(
    "status log diff show blame grep ls-files ls-tree ls-remote rev-parse rev-list describe shortlog cat-file help version name-rev "
    "for-each-ref merge-base show-ref show-branch whatchanged check-ignore count-objects var bisect_ verify-commit verify-tag range-diff"
)
_LOST = "it loses work that is saved nowhere else"


def evidence(args: Args, _: Command) -> Iterator[Evidence]:
    """What a git command does."""
    words = list(args.words)
    while words and words[0].text.startswith("-"):
        if words[0].text == "-c" and len(words) > 1 and _runs(words[1].text):
            yield note(_SOURCE, CODE, HIGH, "it gives git a setting that runs a command")
        words = words[2:] if words[0].text in _GLOBAL_WITH_VALUE else words[1:]
    if not words:
        yield note(_SOURCE, READ, LOW, "it only looks")
        return
    verb = words[0].text.lower()
    inner = Args.of(words)
    if verb in _LOOKS:
        if any(w.text.startswith(("--output", "--ext-diff", "--upload-pack")) for w in words):
            yield note(_SOURCE, WRITE, MEDIUM, "it writes a file")
        yield note(_SOURCE, READ, LOW, "it only looks")
        return
    if _lists(verb, inner):
        yield note(_SOURCE, READ, LOW, "it only looks")
        return
    reason = _loses(verb, inner, words)
    if reason:
        yield note(_SOURCE, DESTRUCTIVE, HIGH, reason)
        return
    if verb == "config" and any(
        _runs(w.text) or _runs(" ".join((w.text, *(v.text for v in words)))) for w in words[1:]
    ):
        yield note(_SOURCE, CODE, HIGH, "it gives git a setting that runs a command")
        return
    if verb in ("clone", "fetch", "pull", "ls-remote") and any(
        w.text.startswith(("ext::", "--upload-pack", "-u")) or "ext::" in w.text for w in words
    ):
        yield note(_SOURCE, CODE, HIGH, "it runs a program to fetch")
        return
    if verb == "push" and (inner.has("--all") or any(_elsewhere(w.text) for w in inner.positional[:1])):
        yield note(_SOURCE, EXFILTRATION, HIGH, "it sends a repository to an address or every branch of it")
        return
    yield note(_SOURCE, WRITE, MEDIUM, "it changes a repository")


_LIST_FLAGS = {
    "branch": bag("-a -r -v --list --all --remotes --contains --merged --no-merged --show-current"),
    "tag": bag("-l --list -n --contains --points-at"),
    "remote": bag("-v --verbose"),
    "config": bag("--get --get-all --list -l --get-regexp"),
}
_LIST_WORDS = {"stash": bag("list show"), "remote": bag("show get-url"), "worktree": bag("list"), "reflog": bag("show")}


def _lists(verb: str, args: Args) -> bool:
    """Whether a command that can change something is only asked to show it."""
    first = args.positional[0].text if args.positional else ""
    dashed = {w.text.partition("=")[0] for w in args.words if w.text.startswith("-")}
    if first in _LIST_WORDS.get(verb, ()) and not dashed - {"-v", "--porcelain", "-p", "--all"}:
        return True
    looks = _LIST_FLAGS.get(verb)
    if looks is None:
        return False
    return (bool(dashed) and dashed <= looks) or (not args.words and verb in ("branch", "tag", "remote"))


def _elsewhere(remote: str) -> bool:
    """Whether a remote is written out as an address rather than named."""
    return "://" in remote or bool(re.match(r"^[\w.-]+@[\w.-]+:", remote))


def _runs(text: str) -> bool:
    name = text.partition("=")[0].lower()
    return (name.startswith("alias.") and "!" in text) or name in (
        "core.pager",
        "core.sshcommand",
        "core.editor",
        "core.fsmonitor",
        "core.hookspath",
        "diff.external",
        "credential.helper",
        "sequence.editor",
        "core.gitproxy",
    )


def _loses(verb: str, args: Args, words: list[Word]) -> str:
    names = [w.text for w in args.positional]
    dry = args.has("--dry-run") or (verb in ("clean", "rm", "push", "prune") and args.has("-n"))
    if dry:
        return ""
    if verb == "reset" and args.has("--hard", "--merge", "--keep"):
        return _LOST
    if verb == "clean" and (args.has("-f", "--force", "-x", "-X", "-d") or not args.flags):
        return _LOST
    if verb == "push":
        if args.has("-f", "--force", "--mirror", "--delete", "-d", "--prune", "--force-if-includes") and not (
            args.has("--force-with-lease") and not args.has("-f", "--force")
        ):
            return "it rewrites or deletes shared history"
        if any(n.startswith(("+", ":")) for n in names[1:]):
            return "it rewrites or deletes shared history"
    overwrites = (
        "--" in [w.text for w in words] or "." in names or args.has("-f", "--force", "--ours", "--theirs", "-p")
    )
    if verb == "checkout" and overwrites:
        return _LOST
    if verb == "switch" and args.has("-f", "--force", "--discard-changes"):
        return _LOST
    if verb == "restore" and not (args.has("--staged", "-S") and not args.has("--worktree", "-W")):
        return _LOST
    if verb == "branch" and (
        args.has("-D", "-f", "--force", "-M", "-C") or (args.has("-d", "--delete") and args.has("-f", "--force"))
    ):
        return "it deletes or moves a branch without looking whether it is merged"
    if verb == "stash" and names[:1] and names[0] in ("drop", "clear"):
        return _LOST
    if verb == "tag" and args.has("-d", "--delete", "-f", "--force"):
        return "it deletes or moves a tag"
    if verb in ("filter-branch", "filter-repo", "replace", "bfg"):
        return "it rewrites history"
    if verb == "reflog" and names[:1] and names[0] in ("expire", "delete"):
        return "it removes the last way back"
    if verb == "gc" and (args.has("--prune", "--aggressive") or any(w.text.startswith("--prune") for w in words)):
        return "it removes the last way back"
    if verb in ("prune", "update-ref") and (verb == "prune" or args.has("-d", "--stdin")):
        return "it removes the last way back"
    if verb == "worktree" and names[:1] == ["remove"] and args.has("-f", "--force"):
        return _LOST
    if verb == "rm" and (args.has("-r", "-f", "--force")) and not args.has("--cached"):
        return "it deletes files"
    if verb == "submodule" and names[:1] == ["deinit"] and args.has("-f", "--force", "--all"):
        return _LOST
    if verb == "remote" and names[:1] and names[0] in ("remove", "rm", "prune"):
        return "it removes a remote"
    if verb in ("rebase", "am", "cherry-pick", "merge", "revert") and args.has("--abort", "--quit", "--skip"):
        return ""
    if verb == "lfs" and names[:1] == ["prune"]:
        return "it removes the last way back"
    return ""
