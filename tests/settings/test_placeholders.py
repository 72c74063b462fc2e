"""Placeholders, quotes and authentication schemes instead of secrets."""

from __future__ import annotations

import re

import pytest

from customerio_track_mcp.http.auth.static_tokens import StaticTokens, new_token
from customerio_track_mcp.settings.errors import SettingsError
from customerio_track_mcp.settings.placeholders import why_not_a_secret
from customerio_track_mcp.settings.server import Settings
from tests.support.documents import DEPLOY, DOCUMENTS, ENV_EXAMPLE, blocks

PLACEHOLDER = "is a placeholder that was not replaced; pass the value itself"
QUOTES = "is in quotes; remove them"
SCHEME = "starts with an HTTP authentication scheme; pass the value alone"
PLACEHOLDERS = [
    "${CUSTOMERIO_API_KEY}",
    "${CUSTOMERIO_SITE_ID}:${CUSTOMERIO_API_KEY}",
    "site:${CUSTOMERIO_API_KEY}",
    "${env:CUSTOMERIO_API_KEY}",
    "${input:customerio-key}",
    "site:${user_config.api_key}",
    "${CUSTOMERIO_API_KEY:-}",
    "$CUSTOMERIO_API_KEY",
    "$env:CUSTOMERIO_API_KEY",
    "$(cat key)",
    "#{ApiKey}#",
    "{{api_key}}",
    "{{ secrets.CUSTOMERIO_API_KEY }}",
    "{api_key}",
    "%CUSTOMERIO_API_KEY%",
    "%SITE%:%KEY%",
    "<your-api-key>",
    "<your API key>",
    "<site_id>:<api_key>",
    "[your key]",
    "((api-key))",
    "__API_KEY__",
    "@API_KEY@",
    "ENC[AES256_GCM,data:x,iv:x,tag:x,type:str]",
    "op://vault/customerio/key",
    "your-api-key",
    "your Tracking API key",
    "YOUR_API_KEY",
    "YOUR_SITE_ID:YOUR_API_KEY",
    "yourkey",
    "site_id:api_key",
    "api_key",
    "SITE_ID",
    "API-KEY-HERE",
    "put-your-key-here",
    "insert_key",
    "paste-it-here",
    "replace_me",
    "REPLACE_WITH_KEY",
    "changeme",
    "change-me",
    "placeholder",
    "TODO",
    "undefined",
    "null",
    "None",
    "xxx",
    "XXXXXXXXXXXXXXXXXXXX",
    "xxxx-xxxx",
    "...",
    "********",
    "-",
    "--",
    "?",
    "n/a",
    "redacted",
    "****************ab12",
    "CUSTOMERIO_API_KEY",
    "CUSTOMERIO_API_KEY=site:key",
]
QUOTED = [
    '"site:key"',
    "'site:key'",
    '"key',
    "key'",
    "`key`",
    '\\"site:key\\"',
    "\N{LEFT DOUBLE QUOTATION MARK}key",
    '"',
]
SCHEMES = ["Bearer 1f2e3d", "bearer\t1f2e3d", "Basic c2l0ZTprZXk=", "Authorization: Bearer 1f2e3d", "Token 1f2e3d"]
REAL = [
    "6c1d83b5a5ea8bb7de9c",
    "6c1d83b5a5ea8bb7de9c:0e1f2a3b4c5d6e7f8091",
    "sandbox:sandbox",
    "k",
    "x",
    "test-key",
    "my_key",
    "real-key",
    "no-site-id",
    "api-key-that-must-not-show",
    "c2l0ZTprZXk=",
    "a.b~c+d/e_f-g",
    "yoUr8dXq",
    "Nonesuch1",
    "xxl",
    "hereafter",
    "00000000-0000-4000-8000-000000000000",
]


@pytest.mark.parametrize("value", [*PLACEHOLDERS, *QUOTED, *SCHEMES])
@pytest.mark.parametrize("around", ["", " \n"])
@pytest.mark.parametrize("name", ["CUSTOMERIO_API_KEY", "CUSTOMERIO_SITE_ID"])
def test_what_is_not_a_credential_is_reported_by_name_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, around: str, value: str
) -> None:
    monkeypatch.setenv("CUSTOMERIO_API_KEY", "0e1f2a3b4c5d6e7f8091")
    monkeypatch.setenv(name, f"{around}{value}{around}")
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment()
    (line,) = caught.value.problems
    assert line.removeprefix(f"{name}: ") in (PLACEHOLDER, QUOTES, SCHEME)


@pytest.mark.parametrize(
    ("values", "reason"),
    [(PLACEHOLDERS, PLACEHOLDER), (QUOTED, QUOTES), (SCHEMES, SCHEME)],
    ids=["names", "quotes", "schemes"],
)
def test_the_reason_says_what_it_is(values: list[str], reason: str) -> None:
    assert {why_not_a_secret(value) for value in values} == {reason}


@pytest.mark.parametrize("value", REAL)
def test_what_looks_like_a_credential_is_accepted(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("CUSTOMERIO_API_KEY", value)
    monkeypatch.setenv("CUSTOMERIO_LOG_HASH_KEY", value)
    assert Settings.from_environment().api_key is not None


def test_random_keys_are_accepted() -> None:
    for _ in range(2000):
        token, digest = new_token()
        assert why_not_a_secret(token) == why_not_a_secret(f"{digest.removeprefix('sha256:')[:20]}:{token}") == ""


def test_the_placeholders_of_the_documents_are_rejected() -> None:
    documented = re.findall(r"--from-literal=(?:site-id|api-key)=(\S+)", DEPLOY)
    for text in DOCUMENTS.values():
        documented += re.findall(r'"CUSTOMERIO_(?:SITE_ID|API_KEY)": "([^"$]+)"', text)
        documented += re.findall(r"\bCUSTOMERIO_API_KEY=(\S+)", "".join(blocks(text, "console")))
    assert len(documented) >= 4
    assert [value for value in documented if not why_not_a_secret(value)] == []
    assert "CUSTOMERIO_API_KEY=\n" in ENV_EXAMPLE


@pytest.mark.parametrize("name", ["CUSTOMERIO_LOG_HASH_KEY", "CUSTOMERIO_RATE_LIMIT_STORAGE"])
def test_other_secrets_are_checked_too(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A hash key that everybody knows hides nobody, and a wrong password for Redis only shows in the log."""
    monkeypatch.setenv(name, "redis://:${REDIS_PASSWORD}@redis:6379/0")
    with pytest.raises(SettingsError, match=f"^{name}: (is|contains) a placeholder that was not replaced"):
        Settings.from_environment()


@pytest.mark.parametrize("variable", ["CUSTOMERIO_TRACK_URL"])
@pytest.mark.parametrize(
    "url",
    [
        "https://${HOST}",
        "https://gw.example.com/${TENANT}",
        "https://<host>",
        "https://{{host}}/x",
        '"https://x.example"',
    ],
)
def test_urls_with_placeholders_are_invalid(monkeypatch: pytest.MonkeyPatch, variable: str, url: str) -> None:
    monkeypatch.setenv(variable, url)
    with pytest.raises(SettingsError, match=f"^{variable}: invalid URL"):
        Settings.from_environment()


@pytest.mark.parametrize(
    "token",
    [
        "${CUSTOMERIO_HTTP_TOKEN_OF_THE_CALLER_ANN}",
        "<paste-the-token-that-the-command-printed>",
        "{{token_of_ann_from_the_secret_store}}",
        "your-token-of-thirty-two-characters-or-more",
        "replace-me-with-a-token-of-32-characters",
        "x" * 40,
        "*" * 40,
        '"a-token-of-thirty-two-characters-or-more"',
        "'a-token-of-thirty-two-characters-or-more'",
    ],
)
def test_bearer_tokens_are_checked_too(token: str) -> None:
    with pytest.raises(SettingsError) as caught:
        StaticTokens(f"ann {token}", None)
    (line,) = caught.value.problems
    assert line.startswith("CUSTOMERIO_HTTP_TOKENS: entry 1 has a token that is ")
    assert token not in line


def test_created_tokens_and_own_ones_are_accepted() -> None:
    for token in (*new_token(), "t" * 40, "a-token-of-thirty-two-characters-or-more"):
        StaticTokens(f"ann {token}", None)
