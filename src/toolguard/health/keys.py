"""Keys: readable by their owner alone, of the right kind, and pinned where they have to be."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from toolguard.errors import KeyUnavailableError
from toolguard.health.finding import Finding, fault, fine, warning
from toolguard.health.place import Place, private, quoted, said
from toolguard.keys import PublicKey, Purpose, SecretKey, read_keys

__all__ = ["check"]


def check(place: Place) -> Iterator[Finding]:
    """The guard's key, the keys it believes, and the service's own."""
    config = place.config
    reference = f"env:{config.keys.env}" if config.keys.env else config.keys.file
    if reference is not None:
        yield from _key(place, "keys.guard", reference, Purpose.SEAL, "the guard's key")[1]
    elif config.store_url.startswith("memory:"):
        yield fine("keys.guard", "no key of its own: the store is in memory and forgets with the process")
    else:
        yield fault(
            "keys.guard", "the guard has no key, and a store that outlives it needs one",
            "toolguard keys init keys   # then [keys] file, as it prints",
        )  # fmt: skip
    yield from _trusted(place)
    yield from _signing(place)
    if config.service.reveal_key is not None:
        yield from _key(place, "keys.reveal", config.service.reveal_key, Purpose.REVEAL, "the reveal key")[1]
    if config.audit.signing_key is not None:
        keys, found = _key(place, "keys.audit", config.audit.signing_key, Purpose.AUDIT, "the audit key")
        yield from found
        yield from _pinned(keys, config.audit.trusted, "keys.audit_pinned", "the audit key", "[audit] trusted")


def _trusted(place: Place) -> Iterator[Finding]:
    config = place.config
    if not config.keys.trusted:
        yield warning(
            "keys.trusted", "[keys] trusted is empty, so no approval is ever believed",
            "put the line in it that 'toolguard keys show SERVICE.key' prints where the service runs",
        )  # fmt: skip
    for where, lines in (("[keys] trusted", config.keys.trusted), ("[audit] trusted", config.audit.trusted)):
        wanted = Purpose.SIGN if where.startswith("[keys]") else Purpose.AUDIT
        for line in lines:
            try:
                purpose = PublicKey.parse(line).purpose
            except KeyUnavailableError:
                yield fault(
                    "keys.line", f"an entry of {where} is no public key",
                    "copy the whole line that 'toolguard keys show KEYFILE' prints",
                )  # fmt: skip
            else:
                if purpose is not wanted:
                    yield fault(
                        "keys.line", f"an entry of {where} is a key for {purpose.value!r}, not for {wanted.value!r}",
                        "copy the line that 'toolguard keys show' prints for the right key file",
                    )  # fmt: skip


def _signing(place: Place) -> Iterator[Finding]:
    named = place.config.service.signing_key
    if named is None:
        return
    path = place.path(named)
    if path is not None and path.exists() and not os.access(path, os.R_OK):
        yield fine("keys.signing", "the service's signing key cannot be read by this user: as it should be for a guard")
        return
    keys, found = _key(place, "keys.signing", named, Purpose.SIGN, "the service's signing key")
    yield from found
    yield from _pinned(keys, place.config.keys.trusted, "keys.pinned", "the service's signing key", "[keys] trusted")


def _pinned(keys: Sequence[SecretKey], lines: Sequence[str], code: str, what: str, where: str) -> Iterator[Finding]:
    if not keys:
        return
    public = PublicKey.of(keys[-1])
    if public.line in lines:
        yield fine(code, f"{what} is pinned in {where}")
    elif lines or code == "keys.audit_pinned":
        yield fault(code, f"{what} is not the one that {where} pins, so nothing it signs is believed",
                    f'add this line to {where}: "{public.line}"')  # fmt: skip


def _key(
    place: Place, code: str, reference: str, purpose: Purpose, what: str
) -> tuple[tuple[SecretKey, ...], tuple[Finding, ...]]:
    """The keys, and what there is to say of them."""
    path = place.path(reference)
    shown = quoted(path) if path is not None else reference
    try:
        keys = read_keys(place.reference(reference), purpose=purpose)
    except KeyUnavailableError as wrong:
        mend = f"put the key into the environment variable {reference[4:]}"
        if path is not None:
            folder = quoted(path.parent)
            mend = f"restore {shown} from your backup of keys"
            if not path.exists():
                mend = f"restore {shown} from your backup; if there never was one: toolguard keys init {folder}"
            elif private(path) is False:
                mend = f"chmod 600 {shown}   # and replace the key, if others may have read it"
            elif not os.access(path, os.R_OK):
                mend = f"run this as the user that owns {shown}"
        return (), (fault(code, f"{what}: {said(wrong)}", mend),)
    return keys, (fine(code, f"{what} is in order ({keys[-1].id})"),)
