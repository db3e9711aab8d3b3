"""What English verbs and nouns say about the effect of a tool. Rules of language only, no list of product names.

A verb alone gives a first class and level; the object may move it (to *create* a note is a plain write, to
*create* an access key is a matter of privilege). Verbs in `READ_VERBS` only look. Everything that stands in no
list may change something, because the harm of asking once too often is small.
"""

from __future__ import annotations

from typing import Final

from toolguard._core.risk import RiskClass, RiskLevel
from toolguard.analysis.notes import (
    CODE,
    COMMUNICATION,
    DESTRUCTIVE,
    EXFILTRATION,
    FINANCIAL,
    HIGH,
    MEDIUM,
    PRIVILEGE,
    WRITE,
)
from toolguard.analysis.words import bag, inflections

__all__ = [
    "CONTAINERS",
    "DELETE_FAMILY",
    "EFFECTS",
    "FORMS",
    "INFORMS",
    "MASS",
    "MONEY_NOUNS",
    "NOUNS_FIRST",
    "READ_VERBS",
    "SOFT_READ_VERBS",
    "VERBS",
    "WEAK_VERBS",
]


READ_VERBS: Final = bag(
    "get list read download search find fetch describe show view query lookup count check retrieve inspect browse "
    "explore summarize analyze compare explain estimate calculate compute detect diff tail head whoami ping "
    "discover wait is has exists select scan peek locate identify look see return display enumerate "
    "diagnose troubleshoot infer predict recognize classify autocomplete geocode suggest recommend "
    "rank rerank rescore audit trace profile measure tell learn know determine examine "
    "preview validate render probe inquire simulate translate transcribe paraphrase forecast spellcheck geolocate"
)
"""Verbs of looking. ``ask``, ``review``, ``decode`` and ``resolve`` are left out: they act as often as they look."""

SOFT_READ_VERBS: Final = bag(
    "verify test poll watch monitor follow load open print generate evaluate convert parse format "
    "extract resolve access obtain optimize snap invoke call apply use pass track capture condition head sample reveal log provide "
    "perform support reverse match decode manage"
)
"""Verbs that may look or act: they look when the description begins with a verb of looking."""

_TABLE: Final[tuple[tuple[RiskClass, RiskLevel, str], ...]] = (
    # Gone for good, or gone until someone restores a backup.
    (
        DESTRUCTIVE,
        HIGH,
        (
            "delete del destroy drop purge wipe erase truncate terminate uninstall shred flush obliterate nuke "
            "remove clear reset discard prune unregister deregister kill rollback overwrite shutdown rm rmdir unlink "
            "evict deprovision dispose decommission expunge undeploy empty void forget redact expire annihilate "
            "invalidate scrub format deallocate retire"
        ),
    ),
    # Undone with some effort: the thing still exists.
    (
        DESTRUCTIVE,
        MEDIUM,
        (
            "cancel abort stop close archive disable detach revert restore replace deactivate suspend reject "
            "pause disconnect dissociate disassociate unassign unsubscribe unpublish deprecate interrupt leave "
            "dismiss withdraw decline reboot restart failover untag unlink unset trash"
        ),
    ),
    # Who may do what.
    (
        PRIVILEGE,
        HIGH,
        (
            "grant authorize unauthorize permit impersonate elevate assume revoke escalate delegate federate sudo "
            "unlock unblock whitelist allowlist entitle deny allow bypass"
        ),
    ),
    # Leaves the house.
    (EXFILTRATION, HIGH, "export share upload exfiltrate dump leak"),
    # Reaches other people.
    (
        COMMUNICATION,
        MEDIUM,
        (
            "send email mail notify message reply publish invite tweet call sms fax forward broadcast announce "
            "respond resend reinvite remind dial chat whisper page comment"
        ),
    ),
    # Moves value.
    (
        FINANCIAL,
        HIGH,
        (
            "pay refund charge transfer purchase buy sell payout withdraw donate trade remit wire reimburse "
            "redeem checkout debit settle tip bid stake"
        ),
    ),
    # Promises to pay.
    (FINANCIAL, MEDIUM, "book reserve rent"),
    # Runs what it is given.
    (CODE, HIGH, "execute exec eval install deploy spawn shell"),
    (CODE, MEDIUM, "run invoke launch compile trigger"),
    # Plain changes.
    (
        WRITE,
        MEDIUM,
        (
            "create update add set put write edit modify patch insert upsert post save store move rename copy assign "
            "append attach associate merge commit push change adjust configure register submit complete accept approve "
            "confirm start begin resume enable activate schedule link tag label mark import ingest load "
            "sync synchronize refresh rotate renew replicate migrate provision allocate apply build rebuild make "
            "manage clone fork duplicate initialize initiate finalize issue sign resolve unresolve reopen open "
            "upgrade downgrade scale resize request submit record log subscribe join enroll unarchive "
            "star unstar pin unpin watch unwatch lock transition reprioritize prioritize reorder draft generate "
            "convert transform encrypt decrypt index reindex backup snapshot rebase checkout stage unstage "
            "amend continue retry rerun redrive process order prescribe administer admit discharge refer dispense "
            "vote like react follow unfollow place fulfill ship increase decrease promote demote bulk "
            "batch alter replicate define undeprecate advertise connect mount opt claim transfer swap inject "
            "compose expand peer unpeer swap acknowledge unacknowledge escalate note annotate extend "
            "include exclude override customize setup prepare distribute deliver train bundle group ungroup"
        ),
    ),
)

EFFECTS: Final[dict[str, tuple[RiskClass, RiskLevel]]] = {}
for _class, _level, _text in _TABLE:
    for _verb in _text.split():
        EFFECTS.setdefault(_verb, (_class, _level))

DELETE_FAMILY: Final = bag(
    "delete del destroy drop purge wipe erase truncate remove rm expunge obliterate shred uninstall"
)
"""Their presence in a name always speaks, wherever they stand."""

WEAK_VERBS: Final = bag(
    "pull request issue comment post commit branch release tag label log record report order trade message "
    "run start stop page call mail email sms group index process sample test review model profile trace "
    "transfer export import charge refund access use view watch star pin draft note link lock map state set "
    "stage plan backup snapshot mount patch schedule batch bulk template format check scan monitor audit "
    "price quote share sign account trash tail head diff count query list search find change update create open close "
    "build deploy trigger job load store display filter sort limit exec shell book market position bid tip stake order"
)
"""Verbs that are as often nouns: in the middle of a name they are read as nouns."""

VERBS: Final = READ_VERBS | SOFT_READ_VERBS | EFFECTS.keys()
FORMS: Final[dict[str, str]] = inflections(sorted(VERBS))
"""Inflected form → base verb, for sentences."""

MONEY_NOUNS: Final = bag(
    "payment payments invoice invoices refund refunds payout payouts order orders transfer transfers transaction "
    "transactions charge charges subscription subscriptions trade trades money funds bill bills purchase purchases "
    "wallet balance coupon price prices billing checkout expense expenses loan loans payroll salary reimbursement"
)
"""To create, place, finalize, cancel or send one of these moves value."""

INFORMS: Final = bag(
    "status history info information details detail summary overview statistics stats count counts metadata version versions health "
    "totals metrics contents preview schema changelog screenshot screenshots forecast"
)
"""Nouns of knowing: a name made of nouns that ends in one names what it shows."""
NOUNS_FIRST: Final = bag(
    "mail email sms order trade payment charge refund transfer message comment call page group price quote account position job build deploy run branch release batch export import backup snapshot mount shell shipment"
)
"""Verbs that, before one of `INFORMS`, are nouns: ``mail_stats``, ``order_status``, ``export_formats``."""
MASS: Final = bag("all every everything entire whole bulk mass recursive cascade wildcard")
"""Many at once."""

CONTAINERS: Final = bag(
    "database databases schema bucket buckets account accounts tenant tenants organization organizations cluster clusters "
    "repository repositories project projects volume volumes disk disks filesystem vault vaults keyspace "
    "datastore environment environments workspace workspaces domain domains table tables drive backup backups snapshot "
    "snapshots stack stacks"
)
"""What holds many other things: gone with it, they are gone too."""
