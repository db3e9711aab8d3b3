"""An identity provider at the edge of the network, which signs whatever a test asks for: honest, careless or hostile."""

from __future__ import annotations

import json
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

ISSUER = "https://id.example/realm"
CLIENT, AUDIENCE = "inbox-client", "toolguard-api"
KEYS: dict[str, Any] = {
    "one": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "two": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "private": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "curve": ec.generate_private_key(ec.SECP256R1()),
}


class Idp:
    """``published`` are the kids of its JWKS; ``codes`` what the token endpoint gives for a code; ``reads`` counts JWKS."""

    def __init__(self, now: Any) -> None:
        self.now = now
        self.published = ["one"]
        self.codes: dict[str, dict[str, Any]] = {}
        self.asked: list[dict[str, str]] = []
        self.reads = 0
        self.down = False
        self.says: dict[str, Any] = {}
        self.client = httpx.Client(transport=httpx.MockTransport(self._answer))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if self.down:
            return httpx.Response(503)
        path = request.url.path
        if path.endswith("/.well-known/openid-configuration"):
            base = {
                "issuer": ISSUER,
                "jwks_uri": f"{ISSUER}/keys",
                "authorization_endpoint": f"{ISSUER}/authorize",
                "token_endpoint": f"{ISSUER}/token",
            }
            return httpx.Response(200, json={**base, **self.says})
        if path.endswith("/keys"):
            self.reads += 1
            return httpx.Response(200, json={"keys": [self._jwk(kid) for kid in self.published]})
        if path.endswith("/token"):
            form = dict(httpx.QueryParams(request.content.decode()))
            self.asked.append(form)
            return httpx.Response(200, json=self.codes.get(form.get("code", ""), {"error": "invalid_grant"}))
        return httpx.Response(404)

    @staticmethod
    def _jwk(kid: str) -> dict[str, Any]:
        key = KEYS[kid]
        kind = (
            jwt.algorithms.ECAlgorithm if isinstance(key, ec.EllipticCurvePrivateKey) else jwt.algorithms.RSAAlgorithm
        )
        return {**json.loads(kind.to_jwk(key.public_key())), "kid": kid, "use": "sig"}

    def token(
        self, *, kid: str = "one", signer: str = "", algorithm: str = "RS256", drop: tuple[str, ...] = (), **claims: Any
    ) -> str:
        now = self.now()
        said = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada-sub", "iat": now - 5, "exp": now + 600, **claims}
        for name in drop:
            said.pop(name, None)
        key: Any = "k" * 64 if algorithm.startswith("HS") else None if algorithm == "none" else KEYS[signer or kid]
        return jwt.encode(said, key, algorithm=algorithm, headers={"kid": kid})
