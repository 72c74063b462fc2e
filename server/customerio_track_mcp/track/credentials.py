"""The credentials of a workspace, as the Track API takes them: HTTP Basic."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Credentials:
    """HTTP Basic user name and password for the Track API.

    Attributes:
        site_id: the workspace's Site ID.
        api_key: its Tracking API key. An App API key is a different credential and is rejected.
    """

    site_id: str = field(repr=False)
    api_key: str = field(repr=False)

    @property
    def basic(self) -> str:
        """The value of the `Authorization` header after `Basic `."""
        return b64encode(f"{self.site_id}:{self.api_key}".encode()).decode()

    @property
    def secrets(self) -> tuple[str, ...]:
        """The forms of the API key that no message may repeat: in the clear, and as the header carries it."""
        return (self.basic, self.api_key)
