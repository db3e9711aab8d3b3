"""People who sign in at their own identity provider: OpenID Connect, for the API (bearer) and for the inbox (PKCE)."""

from toolguard_server.oidc.provider import Provider, ProviderSettings, open_providers
from toolguard_server.oidc.signin import SignIn

__all__ = ["Provider", "ProviderSettings", "SignIn", "open_providers"]
