"""Whether an object is something access hangs on: a permission, an access policy, a credential, a membership.

*Decides access* (``strong``): changing it changes who may do what, nothing else. *Touches access* (``weak``):
people, groups, keys and tokens; to change one may or may not open a door. Rules of language: a "policy" is about
access unless the word before it says what else it governs (lifecycle, cache, scaling …).
"""

from __future__ import annotations

from collections.abc import Sequence

from toolguard.analysis.words import bag

__all__ = ["access_object"]


_PERMISSION = bag(
    "permission permissions privilege privileges entitlement entitlements sudoers grant grants acl acls rbac"
)
_POLICY = bag("policy policies")
# What a policy may govern instead of access. The word stands right before it.
_OTHER_POLICIES = bag(
    "lifecycle scaling cache caching retention deployment request response headers metering ipam reasoning cors metric load balancer stickiness "
    "backup replication configuration creation enrollment protection billing routing throttling retry rotation sampling logging alert notification "
    "naming tag tagging update upgrade maintenance placement recovery resiliency snapshot archive compression lineage group type declarative "
    "rate limit quota timeout encryption failover health escalation coverage instance evaluation transition quality patch scan tls ssl security project "
    "privacy return refund leave travel insurance data storage"
)
_AFTER_POLICY = bag(
    "table tables workflow test annotations preview report type types store generation engine event association document review holder number"
)
_SECRET = bag("credential credentials password passwords passcode")
_OWNER = bag("owner owners")
_PERSON = bag(
    "user users member members principal principals admin admins administrator administrators role roles identity"
)
_CIRCLE = bag("group groups team teams project projects role roles")
_JOINING = bag("add remove associate disassociate dissociate attach detach assign unassign")
_ACCESS_BEFORE = bag(
    "public role user service account directory group team organization organizations data delegated cross role external guest anonymous admin"
)
_ACCESS_AFTER = bag(
    "block grant grants policy policies permission permissions scope role roles level rights list binding rule rules"
)
_WEAK = bag(
    "user users group groups usergroup usergroups member members membership memberships role roles admin admins administrator administrators "
    "principal principals collaborator collaborators token tokens secret secrets apikey key keys mfa otp login trust authorization access sharing "
    "firewall allow deny delegate delegates whitelist allowlist blocklist denylist guardrail guardrails scope scopes restriction restrictions account accounts identity identities"
)
# With these, "user" or "key" is only the first half of another thing.
_NOT_WEAK = bag(
    "pool preference preferences settings story profile profiles interface guide agent attribute attributes feedback value values word words keyword point points "
    "store result results import job input message messages comment stage stages license"
)


def access_object(words: Sequence[str], verb: str = "") -> tuple[str, str]:
    """(``strong`` | ``weak`` | ``""``, the noun that says so) for the words of a name, ``verb`` left out."""
    weak = ""
    for i, word in enumerate(words):
        if word == verb:
            continue
        before = words[i - 1] if i else ""
        after = words[i + 1] if i + 1 < len(words) else ""
        if word in _PERMISSION:
            if (word in ("acl", "acls") and before in ("network", "web", "ip")) or before in (
                "custom",
                "subscription",
                "camera",
                "notification",
            ):
                weak = weak or word
                continue
            if after in ("request", "requests", "share"):
                weak = weak or word
                continue
            return "strong", word
        if word in _POLICY:
            if before in _OTHER_POLICIES or after in _AFTER_POLICY:
                continue
            return "strong", word
        if word in _SECRET:
            return "strong", word
        if (
            (word == "ownership" and before != "billing")
            or (word in ("membership", "memberships") and before in ("group", "role", "team"))
            or (word in ("trust", "trusts") and after in ("", "relationship", "relationships"))
        ):
            return "strong", word
        if (
            word in _PERSON
            and verb in _JOINING
            and any(w in _CIRCLE and w != word for w in words)
            and after not in _NOT_WEAK
            and before not in ("pool", "target")
        ):
            return "strong", word
        if word in _OWNER and before != "code":
            weak = weak or word
        if (
            word == "access"
            and before != "insights"
            and after not in ("logging", "log", "logs", "point")
            and (
                after in _ACCESS_AFTER
                or before in _ACCESS_BEFORE
                or verb in ("enable", "disable", "grant", "revoke", "restrict")
            )
        ):
            return "strong", word
        if (
            word in ("share", "shares", "sharing")
            and before in ("resource", "account", "cross", "domain", "with")
            and after not in _PERMISSION
        ):
            return "strong", word
        if (
            word in _WEAK
            and after not in _NOT_WEAK
            and before
            not in (
                "primary",
                "foreign",
                "security",
                "placement",
                "target",
                "log",
                "subnet",
                "parameter",
                "option",
                "resource",
            )
        ):
            weak = weak or word
    return ("weak", weak) if weak else ("", "")
