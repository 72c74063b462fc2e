"""What the clients of `sandbox --tls` must be given, one line for each kind of client."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from customerio_track_mcp.sandbox import SANDBOX_API_KEY, SANDBOX_SITE_ID, LocalCertificate


def client_lines(certificate: LocalCertificate, ca_file: Path, port: int) -> Iterator[str]:
    """Yield the startup lines about TLS.

    Args:
        certificate: the sandbox's certificate.
        ca_file: the file with its CA certificate.
        port: the sandbox's port.
    """
    url, file = f"https://localhost:{port}", shlex.quote(str(ca_file))
    credentials = f'"{SANDBOX_SITE_ID}", "{SANDBOX_API_KEY}"'
    yield (
        f"its certificate is valid for {', '.join(certificate.names)}; clients must trust the CA certificate in {file}"
    )
    yield "  browser: shows a warning, until you continue or import that file"
    yield f"  curl: curl --cacert {file} -u {SANDBOX_SITE_ID}:{SANDBOX_API_KEY} {url}/api/v1/accounts/region"
    yield f'  Python SDK: REQUESTS_CA_BUNDLE={file}, and CustomerIO({credentials}, host="localhost", port={port})'
    yield (
        f'  Node SDK: NODE_EXTRA_CA_CERTS={file}, and new TrackClient({credentials}, {{ url: "{url}/api/v1" }}); '
        f"version 4 also needs port: {port}"
    )
    yield f"  this server: SSL_CERT_FILE={file}, and --sandbox {url}"
