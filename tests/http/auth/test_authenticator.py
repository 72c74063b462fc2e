"""How static tokens, JWTs and the OAuth metadata work together."""

from __future__ import annotations

import pytest
from mcp import Client
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken

from customerio_track_mcp.sandbox import RunningSandbox
from tests.support.authorization_server import AUDIENCE, METADATA_PATH, AuthorizationServer, Key, oauth_service
from tests.support.http_service import SERVICE_URL, TOKEN, TOOLS_LIST, bearer, call, payload_in


async def test_401_names_the_metadata_and_the_metadata_the_authorization_server(
    sandbox: RunningSandbox, issuer: AuthorizationServer
) -> None:
    async with oauth_service(sandbox.url, issuer, required_scopes="mcp") as http:
        response = await http.post("/mcp", json=TOOLS_LIST)
        assert response.status_code == 401
        assert f'resource_metadata="https://mcp.example.com{METADATA_PATH}/mcp"' in response.headers["www-authenticate"]
        for path in (f"{METADATA_PATH}/mcp", METADATA_PATH):
            metadata = (await http.get(path)).json()
            assert metadata["resource"] == AUDIENCE
            assert metadata["authorization_servers"] == [issuer.url]
            assert metadata["scopes_supported"] == ["customers:write", "events:write", "mcp", "segments:write"]


class InMemoryTokenStorage:
    """The storage of the SDK's OAuth client."""

    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


@pytest.mark.parametrize(
    ("public_path", "path"),
    [("/customerio/mcp", "/customerio/mcp"), ("/customerio/mcp/", "/mcp"), ("", "/mcp"), ("", "/")],
)
async def test_metadata_is_served_for_the_public_path_and_for_the_services_own(
    sandbox: RunningSandbox, issuer: AuthorizationServer, public_path: str, path: str
) -> None:
    resource = f"https://mcp.example.com{public_path}"
    async with oauth_service(sandbox.url, issuer, public_url=resource, path=path) as http:
        challenge = (await http.post(path, json=TOOLS_LIST)).headers["www-authenticate"]
        assert f'resource_metadata="https://mcp.example.com{METADATA_PATH}{public_path}"' in challenge
        for suffix in {public_path.rstrip("/"), path.rstrip("/"), ""}:
            for slash in ("", "/"):
                response = await http.get(f"{METADATA_PATH}{suffix}{slash}")
                assert (response.status_code, response.json()["resource"]) == (200, resource)
        assert (await http.get(f"{METADATA_PATH}/other")).status_code == 404


@pytest.mark.parametrize(
    ("path", "used"), [("/mcp", "/mcp"), ("/mcp", "/mcp/"), ("/customerio/mcp", "/customerio/mcp")]
)
async def test_sdk_client_gets_a_token_by_following_the_metadata(
    sandbox: RunningSandbox, issuer: AuthorizationServer, path: str, used: str
) -> None:
    async with oauth_service(sandbox.url, issuer, public_url=f"{SERVICE_URL}{path}", path=path) as http:
        url = f"{http.base_url}{used}"
        auth = ClientCredentialsOAuthProvider(url, InMemoryTokenStorage(), "agent", "secret", issuer=issuer.url)
        async with (
            create_mcp_http_client(auth=auth) as http_client,
            Client(streamable_http_client(url, http_client=http_client)) as client,
        ):
            assert len((await client.list_tools()).tools) == 3
            result = await client.call_tool("send_event", {"customer_id": "1", "event_name": "bought"})
            assert result.structured_content["success"]
    assert issuer.token_requests[0]["resource"] == f"{http.base_url}{path}"


async def test_jwts_get_503_while_the_keys_are_unavailable(
    sandbox: RunningSandbox, issuer: AuthorizationServer
) -> None:
    issuer.fails = True
    async with oauth_service(sandbox.url, issuer, tokens=f"ann {TOKEN}") as http:
        for _ in range(5):
            response = await http.post("/mcp", json=call(), headers=bearer(issuer.token()))
            assert (response.status_code, response.headers["retry-after"]) == (503, "10")
        assert issuer.fetches == 1
        assert (await http.post("/mcp", json=call(), headers=bearer(TOKEN))).status_code == 200


async def test_a_jwt_with_a_new_key_id_within_the_cooldown_gets_503(
    sandbox: RunningSandbox, issuer: AuthorizationServer
) -> None:
    async with oauth_service(sandbox.url, issuer) as http:
        assert (await http.post("/mcp", json=call(), headers=bearer(issuer.token()))).status_code == 200
        issuer.keys.append(Key("second"))
        response = await http.post("/mcp", json=call(), headers=bearer(issuer.token(issuer.keys[1])))
        assert (response.status_code, response.headers["retry-after"]) == (503, "10")
        assert (await http.post("/mcp", json=call(), headers=bearer(issuer.token()))).status_code == 200
    assert issuer.fetches == 1


async def test_jwts_get_401_when_every_key_is_withdrawn(
    sandbox: RunningSandbox, issuer: AuthorizationServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("customerio_track_mcp.http.auth.authenticator._JWKS_COOLDOWN_SECONDS", 0)
    old = issuer.token()
    async with oauth_service(sandbox.url, issuer) as http:
        assert (await http.post("/mcp", json=call(), headers=bearer(old))).status_code == 200
        issuer.keys = []
        for token in (issuer.token(Key("unknown")), old):
            assert (await http.post("/mcp", json=call(), headers=bearer(token))).status_code == 401
    assert issuer.fetches == 3


async def test_scopes_required_of_jwts_are_not_granted_to_static_tokens(
    sandbox: RunningSandbox, issuer: AuthorizationServer
) -> None:
    settings = {"tokens": f"prometheus {TOKEN} metrics:read", "required_scopes": "events:write"}
    async with oauth_service(sandbox.url, issuer, **settings) as http:
        response = await http.post("/mcp", json=call(), headers=bearer(TOKEN))
        assert response.status_code == 200
        assert "403: this caller may not use send_event" in payload_in(response)["error"]
        assert (await http.get("/metrics", headers=bearer(TOKEN))).status_code == 200
    assert not list(sandbox.workspace.events)
