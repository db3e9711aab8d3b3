"""Command-line programs with sub-commands (cloud, containers, services), read as language.

``tool [group …] verb [operand …]``: the verb decides. Reading stops at the first verb, so that the name of a
thing ("delete-me") is not taken for one. Flags speak too: ``--delete``, ``--prune``; a dry run takes it back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from toolguard._core.risk import Evidence, RiskClass, RiskLevel
from toolguard.analysis.access import access_object
from toolguard.analysis.effects import effect_of
from toolguard.analysis.lexicon import DELETE_FAMILY, EFFECTS, READ_VERBS
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
    note,
)
from toolguard.analysis.path import is_temporary
from toolguard.analysis.shell_args import Args
from toolguard.analysis.words import bag, split_words

__all__ = ["CLOUD_CLIS", "cli_evidence", "ends_something"]

_SOURCE = "args.shell"
_LOOKS = READ_VERBS | bag(
    "ls info status version versions help logs log top history cat stat du tree env ps images whoami config-get get-contexts current-context "
    "outputs output graph providers api-resources api-versions explain cluster-info auth-check ping health lookup dump-config events dev tail diff "
    "plan validate fmt docs completion about contexts stats inspect"
)
# Ends something for good or for everyone. Beyond the lexicon: words of command lines.
_ENDS = DELETE_FAMILY | bag(
    "rb rmi destroy purge prune wipe flush truncate terminate reset force-reset uninstall unregister deregister revoke undeploy evict drain "
    "forget expunge erase nuke taint force-unlock deprovision rollback undo kill down drop-database flushall compact recreate cleanup "
    "unpublish retire deallocate annihilate poweroff shutdown invalidate scrub untag unset takedown empty unlink"
)
# Undone with some effort; grave only where access hangs on it or everything is meant.
# Verbs that are never nouns on a command line.
_PLAIN = bag(
    "delete del destroy remove rm purge list ls get describe show create add update set enable disable activate start stop"
)
_HALTS = bag(
    "stop disable suspend pause cancel archive close detach cordon scale abort abandon deactivate decommission restart reboot quit halt failover"
)
_HALTS_HIGH = bag("cancel archive close abandon decommission quit halt detach failover")
_END_NOUNS = bag("deletion removal invalidation termination purge erasure destruction")
_FORCED = bag("break force override bypass")
_DRY = (
    "--dry-run",
    "--dryrun",
    "--what-if",
    "--whatif",
    "--check",
    "--no-execute",
    "--plan",
    "--simulate",
    "--noop",
    "--just-print",
    "--validate-only",
)
_FILE_ENDS = frozenset(("-rm", "-rmr", "-rmdir", "-del", "-expunge"))
"""Sub-commands in the clothes of flags (``hdfs dfs -rm``)."""
_GLUED_END = re.compile(
    r"^(?:delete|destroy|remove|purge|erase|uninstall|terminate|unregister|wipe)(?=[a-z]{4})(?!d[-_]|dl)"
)
"""A verb of ending and its object written as one word (``deletelocalsnapshots``)."""
_QUESTIONS = frozenset(("can-i", "who-can", "whocan", "simulate-principal-policy"))
"""Sub-commands that only ask whether something would be allowed; what follows is not done."""
_TOKEN_VERBS = frozenset(("print-access-token", "print-identity-token", "get-access-token", "get-secret-value"))
_END_FLAGS = re.compile(
    r"^--?(?:delete|remove|destroy|purge|prune|wipe|drop|erase|reset|cleanup|clean|truncate|force-(?:delete|destroy|reset|recreate|conflicts)|remove-all|nuke|terminate|revoke|unregister)(?:$|[-=A-Z])"
)
_CODE_CLIS = bag(
    "ansible ansible-playbook terraform tofu terragrunt pulumi cdk serverless sls sam helm helmfile kustomize skaffold argocd flux salt puppet chef nomad vagrant packer"
)
_DEPLOYS = bag(
    "apply deploy up install upgrade sync import release publish promote rollout push run invoke exec start create-stack update-stack activate"
)
_OPERATION = re.compile(r"^[a-z][a-z0-9]*(?:[-_:.][a-z0-9]+)*$")


def cli_evidence(args: Args) -> Iterator[Evidence]:
    """What a command of an otherwise unknown program does, read from its sub-command and flags."""
    if _asks_for_help(args):
        yield note(_SOURCE, READ, LOW, "it asks a program for help or version")
        return
    dry = args.has(*_DRY) and args.long_values.get("--dry-run", "client").lower() not in ("none", "false", "0", "no")
    method = args.value_of(("-X", "--method", "--request"))
    if method is not None:
        from toolguard.analysis.shell_net import request_evidence

        yield from request_evidence(method.text, " ".join(w.text for w in args.positional))
    subject = _subject(args)
    found = [*_verb(args, subject), *_secrets(args, subject), *_carried_sql(args), *_copied(args, subject)]
    if _ENDS.intersection(split_words(args.program)) and not any(e.level is LOW for e in found):
        found.append(note(_SOURCE, DESTRUCTIVE, HIGH, "the program's name says that it deletes"))
    named = split_words(args.program)
    if len(named) > 1 and named[0] in _HALTS and "-" in args.program:  # Stop-Computer
        found.append(note(_SOURCE, DESTRUCTIVE, HIGH, "the program's name says that it stops something"))
    found += list(_flags(args))
    if dry:
        level = LOW if args.program in _DRY_KNOWN else MEDIUM
        yield note(_SOURCE, READ, level, "it says that it only shows what it would do")
        return
    yield from found
    if not found:
        yield note(_SOURCE, CODE, MEDIUM, "it runs a program of which nothing is known")


_CARRIERS = ("-c", "-e", "-q", "-Q", "--execute", "--command", "--query", "--sql", "--eval", "--statement")
_SQL_TEXT = re.compile(
    r"\s*(?:select\b.+\bfrom|delete\s+from|drop\s+\w+|truncate\s+\w+|update\s+\S+\s+set|insert\s+into|alter\s+\w+|grant\s+\w+|revoke\s+\w+|create\s+\w+)\b",
    re.IGNORECASE | re.DOTALL,
)


def _carried_sql(args: Args) -> Iterator[Evidence]:
    """SQL that a program of which nothing is known is given to run (``cqlsh -e 'DROP KEYSPACE k'``)."""
    text = args.value_of(_CARRIERS)
    if text is not None and " " in text.text and _SQL_TEXT.match(text.text):
        from toolguard.analysis.sql import sql_evidence

        yield from sql_evidence(text.text)


_STORAGE = re.compile(r"^(?:s3|gs|az|abfss?|wasbs?|oss|cos|b2|swift)://")


def _copied(args: Args, words: list[str]) -> Iterator[Evidence]:
    """``aws s3 cp … s3://…``: files that go to storage elsewhere, or come from there."""
    if not {"cp", "mv", "copy", "sync", "upload", "put"}.intersection(words[:3]):
        return
    places = [w.text for w in args.positional]
    if places and _STORAGE.match(places[-1]):
        outside = any(p.startswith(("/", "~")) and not is_temporary(p) for p in places[:-1])
        yield note(_SOURCE, EXFILTRATION, HIGH if outside else MEDIUM, "it copies files to storage elsewhere")
    else:
        yield note(_SOURCE, WRITE, MEDIUM, "it copies or moves files")


def _secrets(args: Args, words: list[str]) -> Iterator[Evidence]:
    """A secret or token that is shown in clear, where a session's log keeps it."""
    shown = args.has("-o", "--output", "--template") or "-o" in args.long_values
    asked = words[:1] in (["get"], ["describe"]) and any(w.split("/")[0] in ("secret", "secrets") for w in words[1:3])
    if (
        (asked and shown and words[0] == "get")
        or words[-2:] == ["auth", "token"]
        or args.has("--with-decryption", "--show-secrets", "--reveal")
        or _TOKEN_VERBS.intersection(words)
    ):
        yield note(_SOURCE, EXFILTRATION, HIGH, "it shows a secret in clear")


CLOUD_CLIS = _CODE_CLIS | bag(
    "kubectl oc docker podman nerdctl aws gcloud az gh glab eksctl doctl heroku flyctl vercel netlify wrangler vault consul etcdctl velero istioctl kubeadm "
    "minikube op bq rclone fastly supabase neonctl planetscale turso rabbitmqctl rabbitmqadmin restic borg"
)
"""Command-line programs whose sub-commands change what runs elsewhere."""
# Programs known to honour a dry run; of others it is only believed.
_DRY_KNOWN = bag(
    "kubectl oc helm terraform tofu pulumi aws gcloud az ansible ansible-playbook docker argocd flux eksctl velero"
)


def _asks_for_help(args: Args) -> bool:
    last = args.words[-1].text if args.words else ""
    if args.has("--help") or last in ("--version", "-h") or (last in ("-v", "-V") and len(args.words) == 1):
        return True
    return last in ("help", "version") and not any(_ENDS.intersection(split_words(w.text)) for w in args.words)


def _subject(args: Args) -> list[str]:
    """The words that may be sub-commands: leading positional ones in lower case that look like words."""
    words: list[str] = []
    for word in args.words:
        text = word.text.lower() if word.text.isupper() else word.text
        if text.startswith("-"):
            continue
        if word.dynamic or (word.quoted and " " in text):
            break
        if _OPERATION.match(text) and len(text) < 60:
            words.append(text)
        elif len(words) >= 1 or re.search(r"[/.@=\\]", text):
            if len(words) > 2:
                break
            continue
        if len(words) >= 7:
            break
    return words


def _is_noun(word: str, after: list[str]) -> bool:
    """``gh run view``: what could be a verb is a noun where a verb of looking follows."""
    return word in _AMBIGUOUS and bool(after) and after[0] in READ_VERBS


def _plain(word: str) -> bool:
    parts = split_words(word)
    return bool(parts) and parts[0] in _PLAIN


def _verb(args: Args, words: list[str]) -> Iterator[Evidence]:
    seen: list[str] = []
    for place, word in enumerate(words):
        parts = split_words(word)
        if not parts:
            continue
        context = (*split_words(args.program), *(p for w in [*seen, word] for p in split_words(w)))
        if _is_noun(parts[0], words[place + 1 : place + 2]):
            seen.append(word)
            continue
        if word in _QUESTIONS:
            yield note(_SOURCE, READ, LOW, "it asks whether something would be allowed")
            return
        ends = next((p for p in (word, *(parts if len(parts) <= 5 else parts[:1])) if p in _ENDS), None)
        if not ends and (glued := _GLUED_END.match(word)):
            ends = glued.group()
        looks = word in _LOOKS or parts[0] in _LOOKS
        first = parts[0]
        # "backup delete", "images delete": what could be a verb is a noun if the next word is a plain verb.
        follow = words[place + 1 : place + 3]
        if not ends and first not in _PLAIN and any(_plain(w) or (w in _ENDS and place < 2) for w in follow):
            seen.append(word)
            continue
        if looks and not (first not in _LOOKS and ends):
            yield note(_SOURCE, READ, LOW, "its sub-command only looks")
            return
        if (
            ends in ("rm", "rmi")
            and args.program in ("docker", "podman", "nerdctl")
            and not args.has("-f", "--force", "-v")
        ):
            yield note(
                _SOURCE, DESTRUCTIVE, HIGH if "volume" in seen else MEDIUM, "it removes what is stopped or unused"
            )
            return
        if ends:
            level = CRITICAL if _everything(args, context, ends) else HIGH
            yield note(_SOURCE, DESTRUCTIVE, level, f"its sub-command says {ends!r}")
            if access_object(context)[0] or ends == "revoke":
                yield note(_SOURCE, PRIVILEGE, HIGH, "its sub-command changes who may do what")
            return
        halts = next((p for p in parts[:1] if p in _HALTS), None)
        if _END_NOUNS.intersection(parts[1:]) and first in ("create", "start", "schedule", "submit", "run"):
            yield note(_SOURCE, DESTRUCTIVE, HIGH, "its sub-command asks for a deletion")
            return
        if halts:
            grave = (
                halts in _HALTS_HIGH
                or bool(access_object(context)[0] or {"auth", "audit"}.intersection(context))
                or args.has("--all", "-a", "--force", "-f")
            )
            zero = halts == "scale" and any("replicas=0" in w.text for w in args.words)
            yield note(_SOURCE, DESTRUCTIVE, HIGH if grave or zero else MEDIUM, f"its sub-command says {halts!r}")
            return
        if first in _FORCED:
            yield note(_SOURCE, DESTRUCTIVE, HIGH, "its sub-command overrides a safeguard")
            return
        if first in EFFECTS and (first not in _AMBIGUOUS or len(seen) >= 1 or len(words) == 1):
            yield from _known(args, first, context)
            return
        if word in _DEPLOYS:
            yield note(_SOURCE, CODE, HIGH if _infrastructure(args, word) else MEDIUM, f"its sub-command says {word!r}")
            return
        seen.append(word)


_ACCESS_WORDS = bag("rbac policy role admin permission permissions acl iam token binding access grant")
_WHOLES = bag("namespace namespaces ns cluster clusters database databases project projects organization account group")
_AMBIGUOUS = bag(
    "label log record order index group page call mail message email state set report issue post release branch tag trade run process key"
)


_BINDS = re.compile(r"rolebinding|clusterrole|policybinding|roleassignment|serviceaccount")


def _known(args: Args, verb: str, context: tuple[str, ...]) -> Iterator[Evidence]:
    risk_class, level = EFFECTS[verb]
    if any(_BINDS.search(word) for word in (*context, *(w.text for w in args.positional[:4]))):
        yield note(_SOURCE, PRIVILEGE, HIGH, "its sub-command changes who may do what")
        return
    if risk_class is DESTRUCTIVE and (level is HIGH or args.has("--force")):
        yield note(_SOURCE, DESTRUCTIVE, HIGH, f"its sub-command says {verb!r}")
        return
    infrastructure = _infrastructure(args, verb)
    for item in effect_of(verb, context, _SOURCE, f"its sub-command says {verb!r}"):
        kind: RiskClass = item.risk_class
        grade: RiskLevel = item.level
        if (
            kind is CODE
            and verb in ("run", "launch", "trigger", "invoke", "install", "deploy", "execute", "exec", "start")
            and not infrastructure
        ):
            grade = MEDIUM
        if kind is WRITE and infrastructure:
            kind, grade = CODE, HIGH
        if (
            kind in (PRIVILEGE, EXFILTRATION)
            and verb in ("create", "update", "add", "set", "share", "upload", "export", "put")
            and not _ACCESS_WORDS.intersection(context)
        ):
            grade = MEDIUM
        yield note(_SOURCE, kind, grade, item.text)
    if infrastructure:
        yield note(_SOURCE, CODE, HIGH, "it changes running infrastructure")


def _infrastructure(args: Args, verb: str) -> bool:
    """Whether running infrastructure is changed without anyone being asked."""
    unasked = args.has("-auto-approve", "--auto-approve", "--yes", "-y", "--skip-preview", "--force")
    return args.program in _CODE_CLIS and verb in _DEPLOYS and unasked


def _everything(args: Args, context: tuple[str, ...], verb: str) -> bool:
    wide = args.has("--all", "--all-namespaces", "-A") or any(w.text in ("--all", "all", "*") for w in args.words)
    whole = bool(_WHOLES.intersection(context)) and verb in (DELETE_FAMILY | {"purge", "destroy", "rb"})
    return (
        (wide and verb in (DELETE_FAMILY | {"destroy", "purge", "wipe", "flush", "truncate"}))
        or (whole and args.program in ("kubectl", "oc", "gcloud", "az", "aws", "doctl", "eksctl"))
        or (verb == "destroy" and args.has("-auto-approve", "--auto-approve", "--yes"))
    )


_ASKS_DELETE = re.compile(r"[\"']?action[\"']?\s*[:=]\s*[\"']?delete\b", re.IGNORECASE)


def _flags(args: Args) -> Iterator[Evidence]:
    for flag in sorted(args.flags):
        if (len(flag) > 4 and _END_FLAGS.match(flag)) or flag in _FILE_ENDS:
            yield note(_SOURCE, DESTRUCTIVE, HIGH, "a flag of it says that it deletes")
            return
    if any(w.text.lower() in ("/mir", "/purge") or _ASKS_DELETE.search(w.text) for w in args.words):
        yield note(_SOURCE, DESTRUCTIVE, HIGH, "what it is given says that it deletes")
    if args.program in ("docker", "podman", "nerdctl"):
        yield from _container(args)
    if args.program == "ansible" and any("state=absent" in w.text for w in args.words):
        yield note(_SOURCE, DESTRUCTIVE, HIGH, "it removes things from many machines")
    if args.program == "nginx" and any(w.text in ("stop", "quit") for w in args.words):
        yield note(_SOURCE, DESTRUCTIVE, HIGH, "it stops a service")


def ends_something(words: list[str]) -> bool:
    """Whether any of ``words`` (a task's or script's own arguments) names an ending: ``db:drop``, ``flush``."""
    return any(_TASK_ENDS.intersection(split_words(word)) for word in words)


_TASK_ENDS = _ENDS | {"restore", "fresh", "rollback", "clear", "downgrade"}


def _container(args: Args) -> Iterator[Evidence]:
    texts = [w.text for w in args.words]
    joined = " ".join(texts)
    if (
        args.has("--privileged")
        or (
            re.search(
                r"(?:-v|--volume|--mount)[ =](?:\S*source=|\S*src=)?(?:/|/etc|/var/run/docker\.sock|/root|/home)(?::|,|\b)",
                joined,
            )
            and re.search(r"(?:-v|--volume)[ =]/(?:etc|root|var/run|home)?:|docker\.sock", joined)
        )
        or "--pid=host" in joined
        or "--cap-add" in joined
    ):
        yield note(_SOURCE, PRIVILEGE, HIGH, "the container gets the rights of the machine")
