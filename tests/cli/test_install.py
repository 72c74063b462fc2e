"""The commands `install` and `uninstall`, in this process and an empty home folder."""

from __future__ import annotations

import json
import os
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from anyio import to_thread

from customerio_track_mcp.cli.main import main
from customerio_track_mcp.hosts.catalog import HOSTS
from customerio_track_mcp.hosts.program import installed_program
from customerio_track_mcp.sandbox import RunningSandbox
from tests.support.host_files import EXAMPLES, file_of, use_home, write_file

NAME: Final = "customerio-track"
POSIX: Final = pytest.mark.skipif(os.name != "posix", reason="Windows has no file modes")
SECRET: Final = "another-servers-secret"

Output = Callable[[], str]


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    home = tmp_path / "home of ann"
    use_home(monkeypatch, home)
    return home


@pytest.fixture
def output(capsys: pytest.CaptureFixture[str]) -> Output:
    """Return what was printed since the last call, on stdout and stderr."""

    def read() -> str:
        captured = capsys.readouterr()
        return captured.out + captured.err

    return read


def servers_in(host: str, path: Path | None = None) -> dict[str, Any]:
    text = (path or file_of(host)).read_text(encoding="utf-8-sig")
    tree = HOSTS[host].format.parse(text)
    servers: dict[str, Any] = tree[HOSTS[host].servers_key]
    return servers


def crlf(content: bytes) -> bytes:
    return content.replace(b"\n", b"\r\n")


VARIANTS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "as it is": lambda content: content,
    "CRLF": crlf,
    "with a byte order mark": lambda content: b"\xef\xbb\xbf" + content,
    "without a line end": lambda content: content.rstrip(b"\n"),
    "empty": lambda _: b"",
    "blank": lambda _: b"\n",
}


def test_there_is_an_example_of_each_host() -> None:
    assert EXAMPLES.keys() == HOSTS.keys()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("host", HOSTS)
def test_uninstall_gives_the_file_that_was_there_before_install(host: str, variant: str, output: Output) -> None:
    content = VARIANTS[variant](EXAMPLES[host])
    path = write_file(host, content)
    others = HOSTS[host].format.parse(content.decode("utf-8-sig")).get(HOSTS[host].servers_key, {})
    assert main(["install", host, "--sandbox"]) == 0
    assert "no change" not in output()
    servers = servers_in(host)
    entry = servers.pop(NAME)
    assert (entry["command"], entry["args"]) == (str(installed_program()), ["--sandbox"])
    assert servers == others
    after = path.read_bytes()
    if variant == "CRLF":
        assert after == crlf(after.replace(b"\r\n", b"\n"))

    assert main(["install", host, "--sandbox"]) == 0
    assert "no change" in output()
    assert path.read_bytes() == after

    assert main(["uninstall", host]) == 0
    assert path.read_bytes() == content
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("host", HOSTS)
def test_what_was_changed_after_install_stays(host: str) -> None:
    path = write_file(host, EXAMPLES[host])
    assert main(["install", host, "--sandbox", "--name", "other"]) == 0
    with_other = path.read_bytes()
    assert main(["install", host, "--sandbox"]) == 0
    assert main(["uninstall", host, "--name", "other"]) == 0
    assert main(["uninstall", host]) == 0
    assert path.read_bytes() == EXAMPLES[host]
    assert with_other != EXAMPLES[host]


@pytest.mark.parametrize("host", HOSTS)
def test_a_file_that_install_created_is_deleted_again(host: str, output: Output) -> None:
    assert main(["install", host, "--sandbox"]) == 0
    shown = output()
    assert f'\n{HOSTS[host].next_step}, then ask: "' in shown
    assert f"{HOSTS[host].title} was not found on this machine" in shown
    assert servers_in(host).keys() == {NAME}
    assert main(["uninstall", host]) == 0
    assert not file_of(host).exists()
    assert main(["uninstall", host]) == 0
    assert "no change" in output()


@pytest.mark.parametrize("host", [host for host in HOSTS if HOSTS[host].project_file])
def test_a_project_has_its_own_file(host: str, output: Output) -> None:
    path = Path.cwd() / str(HOSTS[host].project_file)
    assert main(["install", host, "--sandbox", "--project"]) == 0
    assert servers_in(host, path).keys() == {NAME}
    assert not file_of(host).exists()
    assert main(["install", "--list"]) == 0
    assert f"{NAME}: sandbox, in {path}\n" in output()
    assert main(["uninstall", host, "--project"]) == 0
    assert not path.exists()


@pytest.mark.parametrize(
    ("arguments", "args", "env"),
    [
        (["--sandbox", "http://127.0.0.1:9000"], ["--sandbox", "http://127.0.0.1:9000"], {}),
        (["--sandbox=http://127.0.0.1:9000/"], ["--sandbox", "http://127.0.0.1:9000"], {}),
        (
            ["--env", "CUSTOMERIO_SANDBOX=http://127.0.0.1:9000"],
            [],
            {"CUSTOMERIO_SANDBOX": "http://127.0.0.1:9000"},
        ),
        (["--env", "CUSTOMERIO_SANDBOX"], [], {"CUSTOMERIO_SANDBOX": "http://127.0.0.1:9000"}),
    ],
)
def test_a_named_sandbox_is_attached_without_credentials_and_listed(
    arguments: list[str], args: list[str], env: dict[str, str], output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "=" not in arguments[-1]:
        monkeypatch.setenv("CUSTOMERIO_SANDBOX", "http://127.0.0.1:9000")
    assert main(["install", "cursor", *arguments]) == 0
    assert 'then ask: "Add the customer' in output()
    entry = servers_in("cursor")[NAME]
    assert entry.get("args", []) == args
    assert entry.get("env", {}) == env
    assert main(["install", "--list"]) == 0
    assert f"{NAME}: sandbox at http://127.0.0.1:9000, in {file_of('cursor')}\n" in output()
    assert main(["uninstall", "cursor", "--dry-run"]) == 0
    assert "http://127.0.0.1:9000" in output()
    assert main(["uninstall", "cursor"]) == 0
    assert not file_of("cursor").exists()


def test_project_without_a_file_for_it_is_invalid_usage(output: Output) -> None:
    assert main(["install", "claude-desktop", "--sandbox", "--project"]) == 2
    assert "--project: Claude Desktop has no configuration for projects" in output()


@pytest.mark.parametrize("host", HOSTS)
def test_dry_run_shows_the_change_without_secrets_of_others(host: str, output: Output) -> None:
    path = write_file(host, EXAMPLES[host])
    assert main(["install", host, "--sandbox", "--dry-run"]) == 0
    shown = output()
    assert "--sandbox" in shown
    assert json.dumps(str(installed_program())) in shown
    assert f"\n+++ {path} (new)\n" in shown
    assert SECRET not in shown
    assert path.read_bytes() == EXAMPLES[host]
    assert main(["install", host, "--sandbox"]) == 0
    assert main(["install", host, "--sandbox", "--dry-run"]) == 0
    assert "no change" in output()
    before = path.read_bytes()
    assert main(["uninstall", host, "--dry-run"]) == 0
    removed = [line for line in output().splitlines() if line.startswith("-")]
    assert any("--sandbox" in line for line in removed)
    assert path.read_bytes() == before


def test_one_line_does_not_show_its_other_secrets(output: Output) -> None:
    write_file("cursor", json.dumps({"mcpServers": {"x": {"env": {"TOKEN": SECRET}}}}).encode())
    assert main(["install", "cursor", "--sandbox", "--dry-run"]) == 0
    shown = output()
    assert SECRET not in shown
    assert '"TOKEN": "********"' in shown


BROKEN: Final = [
    (
        "claude-desktop",
        b'{\n  "mcpServers": {\n    "a": {}\n    "b": {}\n  }\n}',
        "line 4, column 5: is not valid",
    ),
    ("claude-desktop", b"{\n  // mine\n}", "line 2, column 3: is a comment, which this host does not accept"),
    ("claude-code", b'{"a": 1,}', "line 1, column 8: is a trailing comma, which this host does not accept"),
    ("gemini-cli", b'{"a": [1,]}', "line 1, column 9: is a trailing comma, which this host does not accept"),
    ("cursor", b"[]", "line 1, column 1: is not an object"),
    ("cursor", b'{"mcpServers": "x"}', 'line 1, column 16: "mcpServers" is not an object'),
    ("cursor", b'{"mcpServers": {},\n"mcpServers": {}}', 'line 2, column 1: the key "mcpServers" is there twice'),
    (
        "vscode",
        b'{"servers": {"customerio-track": {}, "customerio-track": {}}}',
        'column 38: the key "customerio-track"',
    ),
    ("windsurf", b"\xff\xfe{\x00}\x00", "is UTF-16 text"),
    ("windsurf", b'{"a": "\xe9"}', "is not UTF-8 text (at byte 8)"),
    ("windsurf", b"{\0}", "is not a text file"),
    ("codex", b"a = 1\nb = \n", "line 2, column 5: is not valid TOML"),
    ("codex", b"mcp_servers = 1\n", "line 1, column 1: mcp_servers is not a table"),
]


@pytest.mark.parametrize(("host", "content", "problem"), BROKEN)
@pytest.mark.parametrize("command", ["install", "uninstall"])
def test_a_broken_file_is_refused_and_left(
    host: str, content: bytes, problem: str, command: str, output: Output
) -> None:
    path = write_file(host, content)
    assert main([command, host, *(["--sandbox"] if command == "install" else [])]) == 1
    shown = output()
    assert f"customerio-track-mcp: {path}" in shown
    assert problem in shown
    assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


def test_list_reports_a_broken_file_and_goes_on(output: Output) -> None:
    path = write_file("cursor", b"{")
    assert main(["install", "codex", "--sandbox"]) == 0
    output()
    assert main(["install", "--list"]) == 0
    lines = output().splitlines()
    assert any(line.startswith(f"  {path}: line 1, column 2: is not valid JSON") for line in lines)
    assert f"  {NAME}: sandbox, in {file_of('codex')}" in lines


@pytest.mark.parametrize("host", ["claude-desktop", "codex"])
def test_another_entry_of_the_name_is_replaced_and_the_former_shown(host: str, output: Output) -> None:
    path = write_file(host, EXAMPLES[host])
    assert main(["install", host, "--sandbox", "--env", "CUSTOMERIO_LOG_LEVEL=DEBUG"]) == 0
    output()
    assert main(["install", host, "--sandbox"]) == 0
    shown = output()
    assert any(line.startswith("-") and '"DEBUG"' in line for line in shown.splitlines())
    assert f"{NAME} was replaced in {path}" in shown
    assert "env" not in servers_in(host)[NAME]
    assert main(["uninstall", host]) == 0
    assert path.read_bytes() == EXAMPLES[host]


def test_keys_of_the_host_stay_in_a_replaced_entry() -> None:
    entry = {"command": "/old/customerio-track-mcp", "args": [], "disabled": True, "timeout": 7, "env": {"X": "1"}}
    write_file("cursor", json.dumps({"mcpServers": {NAME: entry}}, indent=2).encode())
    assert main(["install", "cursor", "--sandbox"]) == 0
    assert servers_in("cursor")[NAME] == {
        "command": str(installed_program()),
        "args": ["--sandbox"],
        "disabled": True,
        "timeout": 7,
    }


def test_an_entry_that_runs_something_else_is_not_removed(output: Output) -> None:
    content = json.dumps({"mcpServers": {NAME: {"command": "npx", "args": ["x"]}}}).encode()
    path = write_file("cursor", content)
    assert main(["uninstall", "cursor"]) == 1
    shown = output()
    assert f"the entry {NAME} does not run this program" in shown
    assert "--name" in shown
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("variable", "problem"),
    [
        ("CUSTOMERIO_REGON=EU", "CUSTOMERIO_REGON is not a setting; did you mean CUSTOMERIO_REGION?"),
        ("customerio_region=EU", "customerio_region is not a setting; did you mean CUSTOMERIO_REGION?"),
        (
            "CUSTOMERIO_HTTP_TOKENS=x",
            "CUSTOMERIO_HTTP_TOKENS is a setting of the HTTP service, which",
        ),
        ("CUSTOMERIO_REGION=UK", "--env: CUSTOMERIO_REGION: "),
        ("CUSTOMERIO_REGION=", "--env: CUSTOMERIO_REGION: "),
        ("CUSTOMERIO_MAX_ATTEMPTS=0", "--env: CUSTOMERIO_MAX_ATTEMPTS: "),
        ("CUSTOMERIO_API_KEY=4d5e", "CUSTOMERIO_API_KEY is a secret, which others can see on a command line"),
        ("CUSTOMERIO_LOG_HASH_KEY=4d5e", "CUSTOMERIO_LOG_HASH_KEY is a secret, which others can see"),
        ("NO_PROXY=a\nb", "NO_PROXY contains characters that are not printable"),
        ("NO_PROXY=a\udcffb", "NO_PROXY contains characters that are not printable"),
        ("CUSTOMERIO_LOG_LEVEL", "CUSTOMERIO_LOG_LEVEL is not set in this environment"),
    ],
)
def test_an_invalid_variable_is_reported_and_nothing_written(variable: str, problem: str, output: Output) -> None:
    assert main(["install", "cursor", "--sandbox", "--env", variable]) == 2
    shown = output()
    assert problem in shown
    assert "4d5e" not in shown
    assert not file_of("cursor").exists()


def test_variables_are_set_in_the_entry(monkeypatch: pytest.MonkeyPatch, output: Output) -> None:
    monkeypatch.setenv("CUSTOMERIO_LOG_HASH_KEY", "hash-key-of-the-environment")
    arguments = ["--env", "CUSTOMERIO_LOG_LEVEL=DEBUG", "--env", "CUSTOMERIO_LOG_HASH_KEY", "--env", "NO_PROXY=*"]
    assert main(["install", "cursor", "--sandbox", *arguments]) == 0
    shown = output()
    assert servers_in("cursor")[NAME]["env"] == {
        "CUSTOMERIO_LOG_LEVEL": "DEBUG",
        "CUSTOMERIO_LOG_HASH_KEY": "hash-key-of-the-environment",
        "NO_PROXY": "*",
    }
    assert "That file contains CUSTOMERIO_LOG_HASH_KEY, NO_PROXY as plain text" in shown
    assert "hash-key-of-the-environment" not in shown


@pytest.mark.parametrize(
    ("host", "value"), [("gemini-cli", "a$b"), ("gemini-cli", "a%b%"), ("cursor", "${x}"), ("vscode", "${input:x}")]
)
def test_what_the_host_would_replace_is_refused(host: str, value: str, output: Output) -> None:
    assert main(["install", host, "--sandbox", "--env", f"NO_PROXY={value}"]) == 1
    assert f"which {HOSTS[host].title} replaces by a variable" in output()
    assert not file_of(host).exists()


async def run(*arguments: str) -> int:
    """Run the command in a thread, beside the sandbox in this one."""
    return await to_thread.run_sync(main, arguments)


def use_workspace(monkeypatch: pytest.MonkeyPatch, sandbox: RunningSandbox, key: str = "sandbox") -> None:
    monkeypatch.setenv("CUSTOMERIO_SITE_ID", "sandbox")
    monkeypatch.setenv("CUSTOMERIO_API_KEY", key)
    monkeypatch.setenv("CUSTOMERIO_TRACK_URL", sandbox.url)


@pytest.mark.parametrize("host", HOSTS)
async def test_credentials_of_the_environment_are_checked_and_written(
    host: str, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch, output: Output
) -> None:
    use_workspace(monkeypatch, sandbox)
    monkeypatch.setenv("CUSTOMERIO_REGION", "EU")  # the sandbox is in the US
    path = write_file(host, EXAMPLES[host])
    assert await run("install", host) == 0
    shown = output()
    assert servers_in(host)[NAME]["env"] == {
        "CUSTOMERIO_SITE_ID": "sandbox",
        "CUSTOMERIO_API_KEY": "sandbox",
        "CUSTOMERIO_REGION": "US",
        "CUSTOMERIO_TRACK_URL": sandbox.url,
    }
    assert "the workspace is in region US, not EU: using US" in shown
    assert "OK: the tools can be used." in shown
    assert "CUSTOMERIO_API_KEY, CUSTOMERIO_SITE_ID as plain text" in shown
    if os.name == "posix":
        assert {oct(file.stat().st_mode & 0o777) for file in path.parent.iterdir() if file.is_file()} == {"0o600"}
    assert await run("install", host) == 0
    assert "no change" in output()
    assert await run("uninstall", host) == 0
    assert path.read_bytes() == EXAMPLES[host]
    assert list(path.parent.iterdir()) == [path]


async def test_credentials_that_cannot_be_used_are_not_written(
    sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch, output: Output
) -> None:
    use_workspace(monkeypatch, sandbox, key="4d5e6f")
    assert await run("install", "cursor") == 1
    shown = output()
    assert "FAILED: " in shown
    assert f"{file_of('cursor')} was not changed: correct this and run the command again" in shown
    assert "4d5e6f" not in shown
    assert not file_of("cursor").exists()


def test_missing_credentials_without_a_terminal_are_reported(output: Output) -> None:
    assert main(["install", "cursor"]) == 2
    assert "CUSTOMERIO_SITE_ID" in output()
    assert not file_of("cursor").exists()


async def test_credentials_can_stay_in_a_file(sandbox: RunningSandbox, tmp_path: Path, output: Output) -> None:
    settings = tmp_path / "customerio.env"
    lines = ["CUSTOMERIO_API_KEY=sandbox:sandbox", f"CUSTOMERIO_TRACK_URL={sandbox.url}"]
    settings.write_text("\n".join(lines), encoding="utf-8")
    assert await run("install", "cursor", "--project", "--env", f"CUSTOMERIO_ENV_FILE={settings}") == 0
    assert servers_in("cursor", Path.cwd() / ".cursor/mcp.json")[NAME]["env"] == {
        "CUSTOMERIO_REGION": "US",
        "CUSTOMERIO_TRACK_URL": sandbox.url,
        "CUSTOMERIO_ENV_FILE": str(settings),
    }
    assert "plain text" not in output()


async def test_settings_that_the_host_does_not_get_are_named(
    sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, output: Output
) -> None:
    use_workspace(monkeypatch, sandbox)
    monkeypatch.setenv("CUSTOMERIO_RATE_LIMIT", "5")
    assert await run("install", "cursor", "--env", "CUSTOMERIO_RATE_LIMIT") == 0
    assert "not copied" not in output()
    settings = tmp_path / "customerio.env"
    settings.write_text("CUSTOMERIO_ALLOW_RESERVED_KEYS=unsubscribed\nCUSTOMERIO_MAX_ATTEMPTS=2\n", encoding="utf-8")
    chosen = ["--env-file", str(settings), "--env", "CUSTOMERIO_MAX_ATTEMPTS=2"]
    assert await run("install", "cursor", *chosen) == 0
    assert "not copied to the host: CUSTOMERIO_ALLOW_RESERVED_KEYS, CUSTOMERIO_RATE_LIMIT; pass --env" in output()


@pytest.mark.parametrize("option", ["--sandbox", "--list"])
def test_a_key_store_without_a_key_is_an_error(option: str, output: Output) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["install", *(["cursor"] if option == "--sandbox" else []), option, "--key-store"])
    assert "--key-store: not allowed with --sandbox or --list" in output()


async def test_a_key_is_not_written_into_a_project(
    sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch, output: Output
) -> None:
    use_workspace(monkeypatch, sandbox)
    assert await run("install", "cursor", "--project") == 2
    assert "must not contain a key" in output()
    assert not (Path.cwd() / ".cursor").exists()


def test_dry_run_neither_asks_nor_shows_the_key(monkeypatch: pytest.MonkeyPatch, output: Output) -> None:
    assert main(["install", "codex", "--dry-run"]) == 0
    shown = output()
    assert '+CUSTOMERIO_API_KEY = "********"' in shown
    monkeypatch.setenv("CUSTOMERIO_API_KEY", "5172e:4d5e6f")
    assert main(["install", "codex", "--dry-run"]) == 0
    shown = output()
    assert '+CUSTOMERIO_API_KEY = "********"' in shown
    assert '+CUSTOMERIO_REGION = "US"' in shown
    assert not {"5172e", "4d5e6f"} & set(shown.replace('"', " ").split())
    assert main(["install", "codex", "--dry-run", "--key-store", "--name", "mine"]) == 0
    assert '+CUSTOMERIO_KEY_STORE = "mine"' in output()


def test_print_is_for_any_other_host(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    program = str(installed_program())
    assert main(["install", "--print", "--sandbox"]) == 0
    assert json.loads(capsys.readouterr().out) == {"mcpServers": {NAME: {"command": program, "args": ["--sandbox"]}}}
    monkeypatch.setenv("CUSTOMERIO_API_KEY", "5172e:4d5e6f")
    assert main(["install", "--print", "--name", "x"]) == 0
    captured = capsys.readouterr()
    env = {"CUSTOMERIO_SITE_ID": "<site_id>", "CUSTOMERIO_API_KEY": "<api_key>", "CUSTOMERIO_REGION": "US"}
    assert json.loads(captured.out) == {"mcpServers": {"x": {"command": program, "args": [], "env": env}}}
    assert "<>" in captured.err


def test_list_shows_what_is_attached_and_what_is_missing(tmp_path: Path, output: Output) -> None:
    assert main(["install", "--list"]) == 0
    assert [line.split(maxsplit=1) for line in output().splitlines()] == [[host, "not found"] for host in HOSTS]
    assert main(["install", "codex", "--sandbox"]) == 0
    gone = str(tmp_path / "gone" / "customerio-track-mcp")
    entries = {
        "mine": {"command": gone, "args": []},
        "by uvx": {"command": "uvx", "args": ["customerio-track-mcp==1.0", "--sandbox"]},
        "other": {"command": "npx"},
        "odd": 3,
    }
    path = write_file("cursor", json.dumps({"mcpServers": entries}).encode())
    output()
    assert main(["install", "--list"]) == 0
    lines = output().splitlines()
    assert f"  {NAME}: sandbox, in {file_of('codex')}" in lines
    assert f"  mine: workspace, in {path}; the command {gone} does not exist: run install again" in lines
    assert f"  by uvx: sandbox, in {path}; the command uvx (on PATH) does not exist: run install again" in lines
    assert not [line for line in lines if "other" in line or "odd" in line]
    assert len([line for line in lines if line.endswith("  found")]) == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["install"],
        ["install", "netscape"],
        ["install", "cursor", "--list"],
        ["install", "--list", "--print"],
        ["install", "cursor", "--name", "a b"],
        ["install", "cursor", "--name", "a_b"],
        ["install", "cursor", "--env", "=x"],
        ["uninstall"],
        ["uninstall", "netscape"],
        ["uninstall", "cursor", "--sandbox"],
    ],
)
def test_invalid_usage_is_status_2(arguments: list[str], output: Output) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    assert f"usage: customerio-track-mcp {arguments[0]}" in output()


def test_the_parser_knows_every_host(output: Output) -> None:
    with pytest.raises(SystemExit):
        main(["install", "netscape"])
    assert f"expected {', '.join(HOSTS)};" in output()


@POSIX
def test_a_link_to_the_file_stays(home: Path) -> None:
    target = home / "dotfiles" / "cursor.json"
    target.parent.mkdir()
    target.write_bytes(EXAMPLES["cursor"])
    link = file_of("cursor")
    link.parent.mkdir(parents=True)
    link.symlink_to("../dotfiles/cursor.json")
    assert main(["install", "cursor", "--sandbox"]) == 0
    assert link.is_symlink()
    assert NAME in servers_in("cursor", target)
    assert main(["uninstall", "cursor"]) == 0
    assert link.is_symlink()
    assert target.read_bytes() == EXAMPLES["cursor"]


def test_toml_of_codex_is_valid_for_every_parser() -> None:
    write_file("codex", EXAMPLES["codex"])
    assert main(["install", "codex", "--sandbox", "--env", "CUSTOMERIO_LOG_LEVEL=DEBUG"]) == 0
    servers = tomllib.loads(file_of("codex").read_text(encoding="utf-8"))["mcp_servers"]
    assert servers[NAME]["env"] == {"CUSTOMERIO_LOG_LEVEL": "DEBUG"}
    assert shutil.which(servers[NAME]["command"])


async def test_variables_for_the_server_do_not_move_the_file(
    sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use_workspace(monkeypatch, sandbox)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    path = file_of("vscode")
    moved = tmp_path / "moved"
    variables = [f"{name}={moved}" for name in ("HOME", "XDG_CONFIG_HOME", "APPDATA")]
    assert await run("install", "vscode", *(word for variable in variables for word in ("--env", variable))) == 0
    assert servers_in("vscode", path)[NAME]["env"]["HOME"] == str(moved)
    assert not moved.exists()


@pytest.mark.parametrize("variable", ["CUSTOMERIO_ENV_FILE", "CUSTOMERIO_SECRETS_DIR"])
def test_a_relative_path_is_not_for_a_host(variable: str, output: Output) -> None:
    Path("place").mkdir()
    assert main(["install", "cursor", "--sandbox", "--env", f"{variable}=place"]) == 2
    assert f"--env: {variable} is a relative path" in output()
    assert not file_of("cursor").exists()


@pytest.mark.parametrize("command", [["uninstall", "cursor", "--dry-run"], ["install", "cursor", "--sandbox"]])
def test_arguments_of_a_program_that_runs_this_one_are_not_shown(command: list[str], output: Output) -> None:
    args = ["run", "-i", "-e", f"CUSTOMERIO_API_KEY={SECRET}", "ghcr.io/x/customerio-track-mcp"]
    write_file("cursor", json.dumps({"mcpServers": {NAME: {"command": "docker", "args": args}}}, indent=2).encode())
    assert main(command) == 0
    shown = output()
    assert '-      "command": "docker"' in shown
    assert SECRET not in shown


@pytest.mark.parametrize(
    ("host", "content"),
    [
        ("codex", f'[mcp_servers.x]\na = """\n{SECRET}\n"""\n# TOKEN={SECRET}\n'),
        ("cursor", f'{{\n  "a": "\u2028{SECRET}" // {SECRET}\n  /*\n   {SECRET} */\n}}\n'),
    ],
)
def test_comments_and_long_strings_are_not_shown(host: str, content: str, output: Output) -> None:
    write_file(host, content.encode())
    assert main(["install", host, "--sandbox", "--dry-run"]) == 0
    shown = output()
    assert "********" in shown
    assert SECRET not in shown


@pytest.mark.parametrize("name", ["Customer.io", "customerio_track", 'my "server"', "ж [a] # b"])
@pytest.mark.parametrize("host", ["cursor", "codex"])
def test_an_entry_of_any_name_can_be_removed(host: str, name: str, output: Output) -> None:
    host_format, key = HOSTS[host].format, HOSTS[host].servers_key
    path = write_file(host, host_format.put("", (key, name), {"command": "customerio-track-mcp"}).encode())
    assert main(["uninstall", host]) == 0
    assert f"These run this program: {name}." in output()
    assert main(["uninstall", host, "--name", name]) == 0
    assert not path.exists()


def test_names_and_commands_of_others_do_not_control_the_terminal(output: Output) -> None:
    entry = {"command": "/x\x1b[31m/customerio-track-mcp", "args": []}
    tree = {"mcpServers": {"\x1b]0;title\x07\nfound\u202e": entry}}
    Path(".mcp.json").write_text(json.dumps(tree), encoding="utf-8")
    assert main(["install", "--list"]) == 0
    lines = output().splitlines()
    assert len(lines) == len(HOSTS) + 1
    assert all(line.isprintable() for line in lines)


def test_dry_run_does_not_ask_for_a_key(output: Output) -> None:
    assert main(["install", "--print", "--key-store", "--dry-run"]) == 0
    assert "OK: " not in output()


def test_dry_run_does_not_delete_a_key(output: Output) -> None:
    assert main(["uninstall", "cursor", "--delete-key", "--dry-run"]) == 0
    shown = output()
    assert "nothing was changed" in shown
    assert "The key" not in shown
