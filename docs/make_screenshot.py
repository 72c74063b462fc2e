"""Generate docs/sandbox.png: the sandbox's page after the demo, with an open call, in the system's Chromium.

Run this whenever the page or the demo changes: python docs/make_screenshot.py

The picture contains a digest of what it was made from, which tests/project/test_screenshot.py compares. Times and event
ids are replaced by fixed ones, so that the same sources give the same picture on the same machine.
"""

import hashlib
import json
import random
import re
import shutil
import struct
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import anyio
import httpx
from playwright.async_api import async_playwright

from customerio_track_mcp.demo import play
from customerio_track_mcp.sandbox import run_sandbox
from customerio_track_mcp.sandbox.records import Change, Kind
from customerio_track_mcp.sandbox.storage import Storage

PICTURE: Final = Path(__file__).with_name("sandbox.png")
PACKAGE: Final = Path(__file__).parents[1] / "server" / "customerio_track_mcp"
SOURCES: Final = (PACKAGE / "sandbox" / "page", PACKAGE / "demo", Path(__file__))
DIGEST_NAME: Final = "Source digest"

START: Final = 1796043600.0
"""When the demo begins in the picture, in UNIX seconds."""
SECONDS_BETWEEN: Final = 0.31
ULID: Final = re.compile(r"\b01[0-9A-HJKMNP-TV-Z]{24}\b")
_PNG_SIGNATURE_BYTES: Final = 8


def source_digest(sources: tuple[Path, ...] = SOURCES) -> str:
    """Return the digest of the page's files, the demo, and this script."""
    digest = hashlib.sha256()
    for source in sources:
        files = source.rglob("*") if source.is_dir() else [source]
        for file in sorted(path for path in files if path.is_file() and path.suffix != ".pyc"):
            name = file.relative_to(source).as_posix()
            content = file.read_bytes().replace(b"\r\n", b"\n")  # a checkout on Windows may have these
            digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def digest_in(picture: bytes) -> str | None:
    """Return the digest that a PNG contains; None if it contains none."""
    position = _PNG_SIGNATURE_BYTES
    while position < len(picture):
        length, kind = struct.unpack_from(">I4s", picture, position)
        name, _, value = picture[position + 8 : position + 8 + length].partition(b"\0")
        if kind == b"tEXt" and name.decode("latin-1") == DIGEST_NAME:
            return value.decode("latin-1")
        position += length + 12
    return None


def with_digest(picture: bytes, digest: str) -> bytes:
    """Return a PNG with the digest as a text chunk before its last one."""
    content = f"{DIGEST_NAME}\0{digest}".encode("latin-1")
    chunk = struct.pack(">I", len(content)) + b"tEXt" + content + struct.pack(">I", zlib.crc32(b"tEXt" + content))
    return picture[:-12] + chunk + picture[-12:]


async def record_demo() -> dict[str, Any]:
    """Play the demo, and return the sandbox's state."""
    async with run_sandbox() as sandbox:
        await play(sandbox.url)
        async with httpx.AsyncClient(base_url=sandbox.url, trust_env=False) as http:
            state: dict[str, Any] = (await http.get("/_sandbox/state")).json()
    return state


def with_fixed_times_and_ids(state: dict[str, Any]) -> dict[str, Any]:
    """Replace what differs between two runs of the demo."""
    chosen = random.Random(1)  # noqa: S311 - the same ids each time
    ids: dict[str, str] = {}

    def fixed_id(match: re.Match[str]) -> str:
        return ids.setdefault(match[0], "01KB" + "".join(chosen.choices("0123456789ABCDEFGHJKMNPQRSTVWXYZ", k=22)))

    fixed: dict[str, Any] = json.loads(ULID.sub(fixed_id, json.dumps(state)))
    calls = {call["id"]: call for call in fixed["calls"]}
    for number, call in enumerate(sorted(calls.values(), key=lambda call: call["at"])):
        call["at"], call["seconds"] = START + number * SECONDS_BETWEEN, 0.004
    for request in fixed["request_log"]:
        request["seconds"] = 0.001
        call = calls[request["call"]]
        delay = 0.6 * (request["attempt"] - 1)  # about the server's backoff
        request["at"], call["seconds"] = call["at"] + delay + 0.002, 0.004 + delay
        if request["event"] is not None and not request["is_repeat"]:
            fixed["events"][request["event"] - 1]["timestamp"] = int(request["at"])
    for dropped in fixed["dropped"]:
        dropped["at"] = START
    return fixed


def changes(state: dict[str, Any]) -> Iterator[Change]:
    """Return the records of a state as a data file contains them."""
    kinds: tuple[tuple[Kind, str, str], ...] = (
        ("person", "people", "cio_id"),
        ("segment", "segments", "id"),
        ("event", "events", "number"),
        ("dropped", "dropped", "number"),
        ("request", "request_log", "number"),
        ("call", "calls", "number"),
    )
    for kind, name, key in kinds:
        for record in state[name]:
            fields = {field: value for field, value in record.items() if field != "number"}
            yield Change(kind, str(record[key]), fields)


async def take_picture(data: Path) -> bytes:
    """Return a screenshot of the page of a sandbox with this data file."""
    async with run_sandbox(data=data) as sandbox, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = await browser.new_page(
            viewport={"width": 1280, "height": 800}, color_scheme="light", timezone_id="UTC", reduced_motion="reduce"
        )
        await page.clock.set_fixed_time(START + 60)
        await page.goto(sandbox.url)
        await page.locator("#connection.live").wait_for()
        await page.locator(".entry", has_text="retried after lost response").locator(".entry-link").click()
        await page.locator("#entry h2").wait_for()
        await page.mouse.move(0, 0)
        picture = await page.screenshot(animations="disabled", caret="hide")
        await browser.close()
    return picture


async def main() -> None:
    """Make the picture and save it."""
    state = with_fixed_times_and_ids(await record_demo())
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "sandbox.db"
        with Storage(data) as storage:
            for change in changes(state):
                storage.save(change)
        picture = await take_picture(data)
    PICTURE.write_bytes(with_digest(picture, source_digest()))


if __name__ == "__main__":
    anyio.run(main)
