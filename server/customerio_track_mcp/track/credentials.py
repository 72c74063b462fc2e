"""The credentials of a workspace, as the Track API takes them: HTTP Basic."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode
from dataclasses import dataclass, field
from urllib.parse import quote


def credential_problem(text: str | None) -> str:
    """Return why `text` is neither a Site ID nor an API key; empty if it can be one. Nothing of `text` is repeated."""
    if text is not None and not isinstance(text, str):
        return "must be a string"
    if not text or not text.strip():
        return "is blank"
    if not text.isascii() or not text.isprintable() or " " in text:
        return "contains characters that are not valid in a Site ID or an API key"
    return ""


@dataclass(frozen=True, slots=True)
class Credentials:
    """HTTP Basic user name and password for the Track API.

    Attributes:
        site_id: the workspace's Site ID.
        api_key: its Tracking API key. An App API key is a different credential and is rejected.

    Raises:
        ValueError: one of them is blank, has white space around it, or contains characters that are not valid in it.
            The message does not repeat it.
    """

    site_id: str = field(repr=False)
    api_key: str = field(repr=False)

    def __post_init__(self) -> None:
        for name, text in (("site_id", self.site_id), ("api_key", self.api_key)):
            if problem := credential_problem(text):
                is_padded = isinstance(text, str) and not credential_problem(text.strip())
                hint = "; it has white space around it: pass it without, with str.strip()" if is_padded else ""
                raise ValueError(f"{name}: {problem}{hint}")
        if ":" in self.site_id:
            raise ValueError("site_id: contains a colon; pass the Site ID alone")

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
