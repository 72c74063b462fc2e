"""Credentials in a real Secret Service, read by the running server."""

from __future__ import annotations

import gc
import json
import warnings
from collections.abc import Iterator
from functools import partial

import anyio
import pytest
from mcp import Client

from customerio_track_mcp.sandbox import SANDBOX_API_KEY, SANDBOX_SITE_ID, RunningSandbox
from customerio_track_mcp.settings.errors import SettingsError
from customerio_track_mcp.settings.key_store import SERVICE, KeyStore, KeyStoreError, NoEntryError
from customerio_track_mcp.settings.server import Settings
from customerio_track_mcp.track import Credentials
from tests.support.messages import INITIALIZE
from tests.support.process import KEY, environment, run, running, stdio_parameters, terminate, url_from_stderr
from tests.support.scripted_server import ScriptedServer, respond
from tests.support.secret_service import SecretService, needs_secret_service, secret_service

pytestmark = needs_secret_service
SANDBOX = Credentials(SANDBOX_SITE_ID, SANDBOX_API_KEY)
CALL = {"customer_id": "1", "event_name": "bought"}


@pytest.fixture(scope="module")
def running_service() -> Iterator[SecretService]:
    with secret_service() as service:
        yield service


@pytest.fixture
def service(running_service: SecretService, monkeypatch: pytest.MonkeyPatch) -> SecretService:
    """A Secret Service that this process and those that it starts use."""
    for name, value in running_service.variables.items():
        monkeypatch.setenv(name, value)
    return running_service


@pytest.fixture
def store(service: SecretService) -> KeyStore:
    """The key store, with the sandbox's credentials in `sandbox`."""
    del service
    store = KeyStore.open()
    store.save("sandbox", SANDBOX)
    return store


def test_entries_are_saved_loaded_replaced_and_deleted(store: KeyStore) -> None:
    store.save("one", Credentials("site", "old-key"))
    store.save("one", Credentials("site", "new-key"))
    store.save("two", Credentials("site", "another-key"))
    assert store.load("one").get_secret_value() == "site:new-key"
    assert [store.delete(entry) for entry in ("one", "one", "two")] == [True, False, True]
    with pytest.raises(NoEntryError, match="the Secret Service has no entry of this name"):
        store.load("one")
    assert store.load("sandbox").get_secret_value() == "sandbox:sandbox"


async def test_check_uses_the_entry(store: KeyStore, sandbox: RunningSandbox) -> None:
    del store
    settings = environment(key_store="sandbox", track_url=sandbox.url)
    process = await anyio.to_thread.run_sync(partial(run, "check", env=settings))
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout.startswith("OK: the tools can be used.")


async def test_a_host_that_passes_on_few_variables_can_call_over_stdio(
    store: KeyStore, service: SecretService, sandbox: RunningSandbox
) -> None:
    del store
    parameters = stdio_parameters(key_store="sandbox", track_url=sandbox.url)
    assert parameters.env is not None
    for name in service.variables:
        del parameters.env[name]
    # Where systemd creates the user's bus, and in tests not at its default.
    parameters.env["XDG_RUNTIME_DIR"] = str(service.directory)
    async with Client(parameters) as client:
        result = await client.call_tool("send_event", CALL)
    assert not result.is_error
    assert len(sandbox.workspace.events) == 1


async def test_every_worker_reads_the_entry(store: KeyStore, sandbox: RunningSandbox) -> None:
    del store
    settings = environment(key_store="sandbox", track_url=sandbox.url)
    with running("http", "--port", "0", "--workers", "2", env=settings) as process:
        url = await anyio.to_thread.run_sync(url_from_stderr, process, "listening on")
        async with Client(url) as client:
            assert not (await client.call_tool("send_event", CALL)).is_error
        await terminate(process)
    assert len(sandbox.workspace.events) == 1


async def test_secrets_are_in_no_output(store: KeyStore, scripted: ScriptedServer) -> None:
    secret = Credentials("site-id-that-must-not-show", KEY)
    store.save("secret", secret)
    scripted.acts = [respond(401, json.dumps({"meta": {"error": f"{secret.site_id}:{KEY} {secret.basic}"}}))]
    settings = environment(key_store="secret", track_url=scripted.url, log_level="debug")
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "send_event", "arguments": CALL}}
    stdin = json.dumps(INITIALIZE) + "\n" + json.dumps(call) + "\n"
    process = await anyio.to_thread.run_sync(partial(run, stdin=stdin, env=settings))
    (request,) = scripted.requests
    assert request.headers["authorization"] == f"Basic {secret.basic}"
    assert process.returncode == 0
    for text in secret.secrets:
        assert text not in process.stdout + process.stderr


def test_a_missing_entry_prevents_startup_with_one_line(store: KeyStore) -> None:
    del store
    process = run(env=environment(key_store=KEY, key_stores="", log_format="json"))
    assert (process.returncode, process.stdout) == (2, "")
    # The warning is a log line, so the settings were read for it, without the store.
    warning, problem = process.stderr.splitlines()
    assert "did you mean CUSTOMERIO_KEY_STORE?" in json.loads(warning)["event"]
    assert problem == (
        "customerio-track-mcp: CUSTOMERIO_KEY_STORE: the Secret Service has no entry of this name; "
        "'customerio-track-mcp install' creates one. Instead, you can set CUSTOMERIO_API_KEY"
    )


@pytest.mark.parametrize(
    ("entry", "settings", "problem"),
    [
        ("site:<your-api-key>", {}, "the entry of CUSTOMERIO_KEY_STORE: is a placeholder"),
        ("site:", {}, "the entry of CUSTOMERIO_KEY_STORE: is blank"),
        (
            f"site:{KEY}",
            {"site_id": "other"},
            "the entry of CUSTOMERIO_KEY_STORE contains a different Site ID than CUSTOMERIO_SITE_ID",
        ),
    ],
)
def test_an_invalid_entry_is_an_invalid_setting(
    store: KeyStore,
    monkeypatch: pytest.MonkeyPatch,
    entry: str,
    settings: dict[str, str],
    problem: str,
) -> None:
    store.backend.set_password(SERVICE, "invalid", entry)
    for name, value in {"key_store": "invalid", **settings}.items():
        monkeypatch.setenv(Settings.variable(name), value)
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment()
    (line,) = caught.value.problems
    assert line.startswith(problem)
    assert KEY not in line


def test_a_paused_store_is_not_waited_for(service: SecretService) -> None:
    store = KeyStore.open(timeout=0.05)
    with service.paused(), pytest.raises(KeyStoreError, match=r"did not respond within 0\.05 seconds"):
        store.load("sandbox")


def test_a_locked_store_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUSTOMERIO_KEY_STORE", "sandbox")
    with secret_service() as locked:
        locked.lock()
        for name, value in locked.variables.items():
            monkeypatch.setenv(name, value)
        # keyring does not close its connection then (`SecretService.Keyring.get_preferred_collection` in 25.7).
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            with pytest.raises(SettingsError, match="CUSTOMERIO_KEY_STORE: the Secret Service is locked; unlock it"):
                Settings.from_environment()
            gc.collect()
