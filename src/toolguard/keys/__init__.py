"""Keys: sealing per tenant, signatures over resolutions, and signed notes for the journal."""

from toolguard.keys.note import NoteSigner, NoteVerifier
from toolguard.keys.operate import operator_keys
from toolguard.keys.policy import PolicySigner, PolicyStatement, PolicyVerifier
from toolguard.keys.seal import KeyRing, TenantSealer
from toolguard.keys.secret import Purpose, SecretKey, read_keys, write_key
from toolguard.keys.sign import Ed25519Signer, PinnedVerifier, PublicKey

__all__ = [
    "Ed25519Signer",
    "KeyRing",
    "NoteSigner",
    "NoteVerifier",
    "PinnedVerifier",
    "PolicySigner",
    "PolicyStatement",
    "PolicyVerifier",
    "PublicKey",
    "Purpose",
    "SecretKey",
    "TenantSealer",
    "operator_keys",
    "read_keys",
    "write_key",
]
