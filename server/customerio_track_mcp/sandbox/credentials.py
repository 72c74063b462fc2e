"""The credentials that the sandbox accepts, as Site ID and API key."""

from __future__ import annotations

from typing import Final

SANDBOX_SITE_ID: Final = "sandbox"
SANDBOX_API_KEY: Final = "sandbox"
