"""What is sealed opens only where it belongs; what is signed holds only as it was signed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from toolguard._core.approval import Grant
from toolguard.errors import InvalidatedError, KeyUnavailableError, StoreError
from toolguard.keys import Ed25519Signer, KeyRing, PinnedVerifier, PublicKey, Purpose, SecretKey
from toolguard.ports import GrantVerifier, Sealer, Signer

OLD, NEW = SecretKey.generate(Purpose.SEAL), SecretKey.generate(Purpose.SEAL)
RING = KeyRing([OLD])


def test_what_is_sealed_opens_in_its_place_and_never_looks_the_same_twice() -> None:
    sealer: Sealer = RING.sealer("st-marys")
    one, two = (sealer.seal(b"clear", context="a") for _ in range(2))
    assert one != two
    assert b"clear" not in one
    assert sealer.open(one, context="a") == sealer.open(two, context="a") == b"clear"
    assert sealer.open(sealer.seal(b"", context=""), context="") == b""


@pytest.mark.parametrize(
    ("tenant", "context"), [("st-marys", "b"), ("st-lukes", "a"), ("st-marys", ""), ("st-marys", "a/")]
)
def test_nothing_opens_for_another_tenant_or_context(tenant: str, context: str) -> None:
    sealed = RING.sealer("st-marys").seal(b"clear", context="a")
    with pytest.raises(StoreError, match="does not open"):
        RING.sealer(tenant).open(sealed, context=context)


def test_every_changed_byte_is_found() -> None:
    sealer = RING.sealer("st-marys")
    sealed = sealer.seal(b"clear", context="a")
    for at in range(len(sealed)):
        changed = bytearray(sealed)
        changed[at] ^= 1
        with pytest.raises((StoreError, KeyUnavailableError)):
            sealer.open(bytes(changed), context="a")
    for length in range(len(sealed)):
        with pytest.raises((StoreError, KeyUnavailableError)):
            sealer.open(sealed[:length], context="a")


def test_after_rotation_the_newest_seals_every_key_opens_and_digests_stay() -> None:
    before, after = RING.sealer("t"), KeyRing([OLD, NEW]).sealer("t")
    sealed_before, sealed_after = before.seal(b"x", context="c"), after.seal(b"x", context="c")
    assert OLD.id.encode() in sealed_before
    assert NEW.id.encode() in sealed_after
    assert after.open(sealed_before, context="c") == b"x"
    assert after.digest_key == before.digest_key
    with pytest.raises(KeyUnavailableError, match="not configured"):
        before.open(sealed_after, context="c")


def test_each_tenant_has_its_own_digest_key() -> None:
    assert len({RING.sealer(t).digest_key for t in ("a", "b", "c")}) == 3
    assert RING.sealer("a").digest_key == KeyRing([OLD]).sealer("a").digest_key


@pytest.mark.parametrize("keys", [[], [SecretKey.generate(Purpose.SIGN)]])
def test_a_ring_takes_sealing_keys_only(keys: list[SecretKey]) -> None:
    with pytest.raises(KeyUnavailableError):
        KeyRing(keys)


SIGNER = Ed25519Signer(SecretKey.generate(Purpose.SIGN))
OTHER = Ed25519Signer(SecretKey.generate(Purpose.SIGN))
GRANT = SIGNER.sign(b"payload")


def test_a_pinned_key_is_believed() -> None:
    signer: Signer = SIGNER
    verifier: GrantVerifier = PinnedVerifier([OTHER.public_key, SIGNER.public_key.line])
    verifier.verify(signer.sign(b"payload"))


@pytest.mark.parametrize(
    ("grant", "says"),
    [
        (replace(GRANT, payload=b"payloae"), "does not fit"),
        (replace(GRANT, payload=b""), "does not fit"),
        (replace(GRANT, signature=GRANT.signature[:-1] + bytes([GRANT.signature[-1] ^ 1])), "does not fit"),
        (replace(GRANT, signature=b""), "does not fit"),
        (replace(GRANT, signature=OTHER.sign(b"payload").signature), "does not fit"),
        (OTHER.sign(b"payload"), "not pinned"),
        (replace(OTHER.sign(b"payload"), key_id=GRANT.key_id), "does not fit"),
        (replace(GRANT, key_id=""), "not pinned"),
    ],
    ids=["edited", "emptied", "bit", "none", "pasted", "stranger", "renamed", "unnamed"],
)
def test_a_forged_or_edited_grant_is_refused(grant: Grant, says: str) -> None:
    with pytest.raises(InvalidatedError, match=says):
        PinnedVerifier([SIGNER.public_key]).verify(grant)


def test_with_no_key_pinned_nothing_is_believed() -> None:
    with pytest.raises(InvalidatedError):
        PinnedVerifier([]).verify(GRANT)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "toolguard-pub:v1:",
        SIGNER.public_key.line[:-4],
        SIGNER.public_key.line.replace(SIGNER.public_key.id, OTHER.public_key.id),
        SecretKey.generate(Purpose.SIGN).line,
    ],
    ids=["empty", "no key", "cut", "another id", "a secret key"],
)
def test_a_wrong_public_line_stops_the_start(line: str) -> None:
    with pytest.raises(KeyUnavailableError):
        PublicKey.parse(line)


def test_a_sealing_key_cannot_sign() -> None:
    with pytest.raises(KeyUnavailableError, match="not a signing key"):
        Ed25519Signer(OLD)
