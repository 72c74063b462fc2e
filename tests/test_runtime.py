"""The rate limiter that the settings ask for."""

from __future__ import annotations

import os
from pathlib import Path

import anyio
import pytest

from customerio_track_mcp.runtime import create_client, open_rate_limiter
from customerio_track_mcp.settings.errors import SettingsError
from customerio_track_mcp.settings.server import Settings
from customerio_track_mcp.upstream import Upstream
from tests.support.scripted_server import ScriptedServer


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost:x/0",
        "redis://[::1/0",
        "redis://localhost/0?ssl_cert_reqs=none",
        "redis://localhost/0?timeout=3",
        "redis://localhost/0?ssl=true",
        "redis://:6379",
        "redis://localhost",
        "redis://localhost:0/0",
        "redis://localhost:1,localhost:2/0",
        "redis://localhost:1/abc",
        "redis://localhost:1/0/1",
        "redis://localhost:1/-1",
        "redis://localhost:1/0#x",
        "redis://localhost:1/0?db=x",
        "redis://localhost:1/0?db=-1",
        "redis://localhost:1/0?foo=bar",
        "redis://localhost:1/0?foo",
        "redis://localhost:1/0?decode_responses=true",
        "redis://localhost:1/0?protocol=9",
        "redis://localhost:1/0?protocol=3",
        "redis://localhost:1/0?health_check_interval=abc",
        "redis://localhost:1/0?health_check_interval=-1",
        "redis://localhost:1/0?socket_timeout=600",
        "redis://localhost:1/0?socket_timeout=x",
        "redis://localhost:1/0?retry_on_timeout=true",
        "redis://localhost:1/0?max_connections=-1",
        "redis://localhost:1/0?encoding=utf-7",
        "redis://localhost:1/0?parser_class=x",
        "redis://localhost:1/0?connection_class=x",
        "redis://localhost:1/0?credential_provider=x",
        "rediss://localhost:1/0?ssl_cert_reqs=sometimes",
        "rediss://localhost:1/0?ssl_ca_certs=/nonexistent",
        "rediss://localhost:1/0?ssl_certfile=/nonexistent&ssl_keyfile=/nonexistent",
        "rediss://localhost:1/0?ssl_ciphers=none-of-these",
    ],
)
async def test_invalid_storage_url_is_reported_without_its_password(url: str) -> None:
    settings = Settings(api_key="site:key", rate_limit_storage=url.replace("//", "//user:secret@"))
    with pytest.raises(SettingsError, match="CUSTOMERIO_RATE_LIMIT_STORAGE: invalid URL: expected redis://") as caught:
        async with open_rate_limiter(Upstream(settings, "http://127.0.0.1:1")):
            pass
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("option", ["ssl_ca_certs", "ssl_certfile", "ssl_keyfile"])
async def test_option_of_the_storage_url_that_names_no_file_is_reported(tmp_path: Path, option: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path / "missing", tmp_path):
        settings = Settings(api_key="site:key", rate_limit_storage=f"rediss://127.0.0.1:1?{option}={path}")
        with pytest.raises(SettingsError, match=rf"; {option} must name a file$"):
            async with open_rate_limiter(Upstream(settings, "http://127.0.0.1:1")):
                pass


@pytest.mark.parametrize("value", ["CERT_NONE", "None", "false"])
async def test_requirement_for_certificates_that_redis_does_not_know_is_reported(value: str) -> None:
    settings = Settings(api_key="site:key", rate_limit_storage=f"rediss://127.0.0.1:1?ssl_cert_reqs={value}")
    with pytest.raises(SettingsError, match=r"; ssl_cert_reqs must be one of none, optional, required$"):
        async with open_rate_limiter(Upstream(settings, "http://127.0.0.1:1")):
            pass


@pytest.mark.parametrize("password", ["secret/", "secret?x", "12?secret", "secret#x", "12#secret", "12?foo=secret@x"])
async def test_password_that_is_not_encoded_is_not_repeated(password: str) -> None:
    settings = Settings(api_key="site:key", rate_limit_storage=f"redis://user:{password}@localhost:6379/0")
    with pytest.raises(SettingsError, match="CUSTOMERIO_RATE_LIMIT_STORAGE: invalid URL") as caught:
        async with open_rate_limiter(Upstream(settings, "http://127.0.0.1:1")):
            pass
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1:1",
        "redis://127.0.0.1:1/",
        "redis://127.0.0.1:1/3",
        "redis://user:p%23ss@127.0.0.1:1/0?client_name=mcp&health_check_interval=30",
        "redis://127.0.0.1:1?db=3&username=user&password=secret",
        "redis://[::1]:1/0",
        "rediss://127.0.0.1:1/0?ssl_cert_reqs=none&ssl_check_hostname=false",
        "rediss://127.0.0.1:1/0?ssl_ciphers=HIGH",
    ],
)
async def test_valid_storage_url_is_accepted(url: str) -> None:
    settings = Settings(api_key="site:key", rate_limit_storage=url)
    async with open_rate_limiter(Upstream(settings, "http://127.0.0.1:1")) as limiter:
        await limiter.acquire()


@pytest.mark.parametrize("overrides", [{"replicas": 4}, {}])
async def test_in_memory_limit_is_divided_by_replicas_and_processes(overrides: dict[str, int]) -> None:
    settings = Settings(api_key="site:key", rate_limit=40, **overrides)
    processes = 1 if overrides else 4
    async with open_rate_limiter(Upstream(settings, "http://127.0.0.1:1"), processes=processes) as limiter:
        started = anyio.current_time()
        for _ in range(11):
            await limiter.acquire()
        assert anyio.current_time() - started >= 0.9


@pytest.mark.parametrize("is_sandbox", [True, False])
async def test_sandbox_may_be_on_another_machine_without_tls(
    monkeypatch: pytest.MonkeyPatch, scripted: ScriptedServer, is_sandbox: bool
) -> None:
    """Probes and `check` use it like calls do; which URLs are valid is decided by the settings."""
    monkeypatch.setenv("HTTP_PROXY", scripted.url)
    settings = Settings(api_key="sandbox:sandbox")
    async with create_client(settings, "http://sandbox.invalid:8765", is_sandbox=is_sandbox) as client:
        await client.find_region()
    assert [request.target for request in scripted.requests] == ["http://sandbox.invalid:8765/api/v1/accounts/region"]
