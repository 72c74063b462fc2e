"""An OAuth authorization server on a real socket: its metadata, its keys, and tokens for client credentials."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from tests.web_app import listening

AUDIENCE = "https://mcp.example.com/mcp"


class Key:
    """A key pair with an id, and the algorithm that it is for."""

    def __init__(self, key_id: str, algorithm: str = "RS256") -> None:
        self.key_id = key_id
        self.algorithm = algorithm
        self.private: Any = (
            ec.generate_private_key(ec.SECP256R1())
            if algorithm.startswith("ES")
            else rsa.generate_private_key(public_exponent=65537, key_size=2048)
        )

    @property
    def published(self) -> dict[str, Any]:
        kind = ECAlgorithm if self.algorithm.startswith("ES") else RSAAlgorithm
        jwk = kind.to_jwk(self.private.public_key(), as_dict=True)
        return jwk | {"kid": self.key_id, "use": "sig", "alg": self.algorithm}


class AuthorizationServer:
    """Publishes `keys`; what it does at its JWKS can be changed."""

    def __init__(self) -> None:
        self.keys = [Key("first")]
        self.fetches = 0
        self.fails = False
        self.url = ""
        self.token_requests: list[dict[str, str]] = []

    @property
    def jwks_url(self) -> str:
        return f"{self.url}/jwks"

    def token(self, key: Key | None = None, *, headers: dict[str, Any] | None = None, **claims: Any) -> str:
        """A token that is valid but for what is said; a claim of None is left out."""
        key = key or self.keys[0]
        own = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "user-1",
            "client_id": "agent",
            "exp": int(time.time()) + 600,
            "scope": "customers:write events:write segments:write",
        }
        present = {name: value for name, value in (own | claims).items() if value is not None}
        told = {name: value for name, value in ({"kid": key.key_id} | (headers or {})).items() if value is not None}
        return jwt.encode(present, key.private, key.algorithm, headers=told)

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
        asked = {name: str(value) for name, value in (await request.post()).items()}
        self.token_requests.append(asked)
        token = self.token(aud=asked.get("resource"), scope=asked.get("scope"))
        return web.json_response({"access_token": token, "token_type": "Bearer", "expires_in": 600})


@asynccontextmanager
async def authorization_server() -> AsyncIterator[AuthorizationServer]:
    server = AuthorizationServer()
    app = web.Application()
    app.router.add_get("/jwks", server._jwks)
    app.router.add_get("/.well-known/oauth-authorization-server", server._metadata)
    app.router.add_post("/token", server._token)
    async with listening(app) as server.url:
        yield server
