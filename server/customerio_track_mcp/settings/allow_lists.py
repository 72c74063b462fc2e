"""Hostnames and origins: which are valid, in the form in which clients send them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from ipaddress import IPv6Address
from typing import Final

from customerio_track_mcp.settings.validators import split

MAX_HOSTNAME_CHARACTERS: Final = 253
"""RFC 1035, section 2.3.4, without the length bytes."""

_LABEL: Final = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_AUTHORITY: Final = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]]+)(?::([0-9]{1,5}))?")
_ORIGIN: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,63})://(.+)")
_SCHEME: Final = re.compile(r"^(?:[A-Za-z0-9+.-]+:)?//")
_APPLICATION: Final = re.compile(r"[A-Za-z0-9._~-]+(?::[0-9]{1,5})?")
"""What follows the scheme of an extension's or an application's origin. It is compared as it is written."""
_DEFAULT_PORTS: Final = {"http": ("80",), "https": ("443",)}
_NEVER_OF_A_PAGE: Final = frozenset({"about", "blob", "data", "file", "ws", "wss"})
_MAX_PORT: Final = 65_535
_AROUND: Final = "[]\"'"
"""Around the entries of a list in JSON."""

_EXPECTED_HOSTNAMES: Final = (
    "invalid hostname: expected one such as mcp.example.com or mcp.example.com:8443, without scheme, path, wildcard or "
    "JSON; separate several by commas"
)
_EXPECTED_ORIGINS: Final = (
    "invalid origin: expected one such as https://app.example.com or chrome-extension://ID, without path, wildcard or "
    "JSON; separate several by commas"
)
_SHARED_ORIGIN: Final = (
    "invalid origin: null and file:// cannot be allowed, since every local file and every sandboxed frame has them; "
    "serve the page from an address such as http://localhost:3000"
)


def canonical_hostname(text: str, default_ports: Collection[str] = ("80", "443")) -> str:
    """Return a hostname, with its port if there is one, in lower case; empty if it is not valid.

    Args:
        text: the value of a `Host` header, or of a setting, in which an IPv6 address may lack its brackets.
        default_ports: left out, as clients do.
    """
    text = text.lower()
    if ":" in text and (address := _ipv6(text)):
        return address
    if not (match := _AUTHORITY.fullmatch(text)):
        return ""
    name, port = match.groups()
    if name.startswith("["):
        name = _ipv6(name[1:-1])
    elif len(name) > MAX_HOSTNAME_CHARACTERS or not _NAME.fullmatch(name):
        return ""
    if not name or (port and not 0 < int(port) <= _MAX_PORT):
        return ""
    return f"{name}:{int(port)}" if port and port not in default_ports else name


def canonical_origin(text: str) -> str:
    """Return an origin as browsers and applications send it; empty if it is not valid.

    Args:
        text: the value of an `Origin` header, or of a setting.
    """
    if not (match := _ORIGIN.fullmatch(text)):
        return ""
    scheme, rest = match[1].lower(), match[2]
    if ports := _DEFAULT_PORTS.get(scheme):
        hostname = canonical_hostname(rest, ports)
        return f"{scheme}://{hostname}" if hostname else ""
    if scheme in _NEVER_OF_A_PAGE or len(rest) > MAX_HOSTNAME_CHARACTERS or not _APPLICATION.fullmatch(rest):
        return ""
    return f"{scheme}://{rest}"


def validated_hostnames(value: object) -> object:
    """Split a setting into hostnames, and return them in the form in which clients send them.

    Raises:
        ValueError: one of them is not valid. The message repeats nothing but the hostnames that are probably meant.
    """
    return _validated(value, canonical_hostname, _likely_hostname, _EXPECTED_HOSTNAMES)


def validated_origins(value: object) -> object:
    """Split a setting into origins, and return them in the form in which browsers and applications send them.

    Raises:
        ValueError: one of them is not valid. The message repeats nothing but the origins that are probably meant.
    """
    words = split(value)
    if isinstance(words, Iterable) and any(map(_is_shared, words)):
        raise ValueError(_SHARED_ORIGIN)
    return _validated(words, canonical_origin, _likely_origin, _EXPECTED_ORIGINS)


def _validated(
    value: object, canonical: Callable[[str], str], likely: Callable[[str], str], expected: str
) -> list[str] | object:
    words = split(value)
    if not isinstance(words, Iterable):
        return words
    words = [str(word) for word in words]
    valid = [canonical(word) for word in words]
    if all(valid):
        return valid
    position = f"entry {valid.index('') + 1}: " if len(words) > 1 else ""
    meant = [likely(word) for word in words if word.strip(_AROUND)]
    suggestion = f"; did you mean {','.join(meant)}?" if meant and all(meant) else ""
    raise ValueError(f"{position}{expected}{suggestion}")


def _likely_hostname(text: str) -> str:
    """Return the hostname that is probably meant; empty if none is."""
    if valid := canonical_hostname(text):
        return valid
    text = text.strip(_AROUND)
    text = re.split("[/?#]", _SCHEME.sub("", text, count=1))[0].rpartition("@")[2].removesuffix(":*")
    try:
        return canonical_hostname(text if text.isascii() else text.encode("idna").decode())
    except UnicodeError:
        return ""


def _likely_origin(text: str) -> str:
    """Return the origin that is probably meant; empty if none is."""
    if valid := canonical_origin(text):
        return valid
    scheme, _, rest = text.strip(_AROUND).rpartition("://")
    scheme = {"": "https", "ws": "http", "wss": "https"}.get(scheme.lower(), scheme)
    if scheme.lower() not in _DEFAULT_PORTS:
        return canonical_origin(f"{scheme}://{re.split('[/?#]', rest)[0]}")
    hostname = _likely_hostname(rest)
    return canonical_origin(f"{scheme}://{hostname}") if hostname else ""


def _is_shared(word: object) -> bool:
    text = str(word).strip(_AROUND).lower()
    return text == "null" or text.startswith("file:")


def _ipv6(text: str) -> str:
    """Return an IPv6 address in brackets; empty if `text` is not one without a zone."""
    try:
        return f"[{IPv6Address(text)}]" if "%" not in text else ""
    except ValueError:
        return ""
