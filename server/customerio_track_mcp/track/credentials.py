"""The credentials of a workspace, as the Track API takes them: HTTP Basic."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode
from dataclasses import dataclass, field
from urllib.parse import quote


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
        """The forms of the Site ID and the API key that no message may repeat, the longest first.

        These are both in the clear, each and as the header carries them together, in base64 and percent-encoded.
        """
        clear = {self.site_id, self.api_key, f"{self.site_id}:{self.api_key}"}
        encoded = {encode(text.encode()).decode() for text in clear for encode in (b64encode, urlsafe_b64encode)}
        forms = clear | encoded | {text.rstrip("=") for text in encoded}
        forms |= {quote(form, safe=safe) for form in forms for safe in ("", ":")}
        return tuple(sorted(forms - {""}, key=lambda form: (-len(form), form)))
