"""An OAuth authorization server on a real socket: metadata, keys, and tokens for client credentials."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx
import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from tests.support.http_service import running_service
from tests.support.web_app import serve_app

AUDIENCE: Final = "https://mcp.example.com/mcp"
METADATA_PATH: Final = "/.well-known/oauth-protected-resource"


class Key:
    """A key pair with an id and an algorithm.

    Args:
        key_id: its `kid`.
        algorithm: the algorithm that it is for.
        bits: the size of an RSA key.
    """

    def __init__(self, key_id: str, algorithm: str = "RS256", bits: int = 2048) -> None:
        self.key_id = key_id
        self.algorithm = algorithm
        self.private: Any = (
            ec.generate_private_key(ec.SECP256R1())
            if algorithm.startswith("ES")
            else rsa.generate_private_key(public_exponent=65537, key_size=bits)
        )

    @property
    def published(self) -> dict[str, Any]:
        """The public key as an entry of a JWKS."""
        algorithm = ECAlgorithm if self.algorithm.startswith("ES") else RSAAlgorithm
        jwk = algorithm.to_jwk(self.private.public_key(), as_dict=True)
        return jwk | {"kid": self.key_id, "use": "sig", "alg": self.algorithm}


class AuthorizationServer:
    """An authorization server that publishes `keys` and issues tokens.

    Attributes:
        keys: the published keys; the first one signs tokens.
        fetches: the number of requests for the keys.
        fails: whether requests for the keys get a 500.
        url: the base URL, which is also the issuer.
        token_requests: the form fields of each request for a token.
    """

    def __init__(self) -> None:
        self.keys = [Key("first")]
        self.fetches = 0
        self.fails = False
        self.url = ""
        self.token_requests: list[dict[str, str]] = []

    @property
    def jwks_url(self) -> str:
        """The URL of the published keys."""
        return f"{self.url}/jwks"

    def token(self, key: Key | None = None, *, headers: dict[str, Any] | None = None, **claims: Any) -> str:
        """Return a valid token with these changes.

        Args:
            key: signs the token; the first published key by default.
            headers: added to the JOSE header; None removes one.
            claims: added to the default claims; None removes one.
        """
        key = key or self.keys[0]
        defaults = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "user-1",
            "client_id": "agent",
            "exp": int(time.time()) + 600,
            "scope": "customers:write events:write segments:write",
        }
        payload = _without_none(defaults | claims)
        return jwt.encode(
            payload, key.private, key.algorithm, headers=_without_none({"kid": key.key_id} | (headers or {}))
        )

    async def _jwks(self, request: web.Request) -> web.Response:
        del request
        self.fetches += 1
        if self.fails:
            return web.Response(status=500)
        return web.json_response({"keys": [key.published for key in self.keys]})

    async def _metadata(self, request: web.Request) -> web.Response:
        del request
        return web.json_response(
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "response_types_supported": ["code"],
                "grant_types_supported": ["client_credentials"],
                "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
            }
        )

    async def _token(self, request: web.Request) -> web.Response:
        fields = {name: str(value) for name, value in (await request.post()).items()}
        self.token_requests.append(fields)
        token = self.token(aud=fields.get("resource"), scope=fields.get("scope"))
        return web.json_response({"access_token": token, "token_type": "Bearer", "expires_in": 600})


@asynccontextmanager
async def authorization_server() -> AsyncIterator[AuthorizationServer]:
    """Run an authorization server on a free port."""
    server = AuthorizationServer()
    app = web.Application()
    app.router.add_get("/jwks", server._jwks)
    app.router.add_get("/.well-known/oauth-authorization-server", server._metadata)
    app.router.add_post("/token", server._token)
    async with serve_app(app) as server.url:
        yield server


def oauth_settings(issuer: AuthorizationServer) -> dict[str, Any]:
    """Return the HTTP settings of a service that accepts the JWTs of `issuer`."""
    return {"issuer": issuer.url, "jwks_url": issuer.jwks_url, "public_url": AUDIENCE}


@asynccontextmanager
async def oauth_service(
    track_url: str, issuer: AuthorizationServer, **http_settings: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """Run the service with `issuer` as its authorization server; see `running_service`."""
    async with running_service(track_url, **oauth_settings(issuer) | http_settings) as http:
        yield http


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
