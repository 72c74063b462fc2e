"""Everything that can fail between a caller and the Track API, one class per failure.

To add a failure, add a class here: `code` is its word in logs and metrics, `retryable` whether another attempt can
help, `advice` what a caller does next.

    TrackError
    ├── InvalidArgumentsError          invalid_arguments   nothing was sent
    ├── MissingCredentialsError        no_credentials      nothing was sent
    └── RequestFailedError             request_failed
        ├── UnauthorizedError          unauthorized        401
        ├── RedirectedError            redirected          3xx
        ├── RejectedError              rejected            another 4xx
        ├── InterceptedError           intercepted         a response that is not from the Track API
        ├── ProxyRefusedError          proxy_refused       407, 403, ... to CONNECT
        ├── TlsError                   tls_failed             no TLS that both sides accept
        ├── UntrustedCertificateError  untrusted_certificate
        ├── RateLimitedError           rate_limited        429, retried
        ├── UnavailableError           unavailable         408, 5xx, invalid status, connection error, timeout; retried
        ├── StoppedError               stopped             the client was stopped first
        ├── ClosedError                closed              the client was closed first
        └── TimeBudgetExceededError    out_of_time         the time budget ended first
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from customerio_track_mcp.track.printable import shorten
from customerio_track_mcp.track.regions import Region

MAX_PROBLEMS_SHOWN = 20
"""Problems that an error lists one by one."""
_MAX_PARAMETER_CHARACTERS = 200
_MAX_PROBLEM_CHARACTERS = 600


@dataclass(frozen=True, slots=True)
class Problem:
    """One invalid argument.

    Attributes:
        parameter: the argument's name, with a path if it is nested (`attributes.plan`, `customer_ids[3]`).
        text: what is wrong and what is accepted, for a person or a model to read.

    Both may repeat what a caller sent: unprintable characters are replaced, and what is too long is cut.
    """

    parameter: str
    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameter", shorten(self.parameter, _MAX_PARAMETER_CHARACTERS))
        object.__setattr__(self, "text", shorten(self.text, _MAX_PROBLEM_CHARACTERS))

    def __str__(self) -> str:
        return f"{self.parameter}: {self.text}"


class TrackError(Exception):
    """Base class of all errors of this package. The text says what happened.

    Attributes:
        code: the word for it in logs and metrics. Dashboards depend on it.
        advice: what to do next, as sentences; empty if that depends on the outcome (see `RequestFailedError`).
    """

    code: ClassVar[str]
    advice: str = ""

    def __reduce__(self) -> tuple[object, ...]:
        # Pickle would call the constructor with the text alone, and a worker process could not report each error.
        return Exception.__new__, (type(self), *self.args), self.__dict__


class InvalidArgumentsError(TrackError):
    """The Track API would reject the arguments, or accept and drop them. Nothing was sent.

    Attributes:
        problems: every problem found, not only the first.
    """

    code = "invalid_arguments"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        self.advice = f"Correct {'it' if len(self.problems) == 1 else 'all of them'} and call again."
        lines = [str(problem) for problem in self.problems[:MAX_PROBLEMS_SHOWN]]
        if len(self.problems) > MAX_PROBLEMS_SHOWN:
            lines.append(f"and {len(self.problems) - MAX_PROBLEMS_SHOWN} more")
        super().__init__("; ".join(lines))


class MissingCredentialsError(TrackError):
    """The client was created without a Site ID or without an API key. Nothing was sent."""

    code = "no_credentials"
    advice = "Configure the Site ID and the Tracking API key."


class RequestFailedError(TrackError):
    """A request ended without a confirmation from the Track API.

    Attributes:
        retryable: whether another attempt could succeed.
        status: the HTTP status of the last response; None if there was none.
        retry_after: the seconds that the response asked to wait; None if it did not.
        outcome_unknown: whether an attempt may have been carried out although no confirmation was received.
        attempts: how many times the request was tried, failed connections included.
        event_id: the ULID that every attempt carried; None for requests other than events.
    """

    code = "request_failed"
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        outcome_unknown: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after
        self.outcome_unknown = outcome_unknown
        self.attempts = 0
        self.event_id: str | None = None


class UnauthorizedError(RequestFailedError):
    """401: the Track API did not accept the credentials."""

    code = "unauthorized"
    advice = "Check the Site ID and the Tracking API key; an App API key is a different credential and is rejected."


class RedirectedError(RequestFailedError):
    """3xx: the request reached the wrong host. Redirects are not followed.

    Attributes:
        region: the region that the redirect points to; None if it points elsewhere.
    """

    code = "redirected"
    advice = "Use the base URL of the workspace's region."

    def __init__(self, message: str, *, status: int, region: Region | None) -> None:
        super().__init__(message, status=status)
        self.region = region


class RejectedError(RequestFailedError):
    """Another 4xx of the Track API, which another attempt would not change; or a request that cannot be made."""

    code = "rejected"
    advice = "The same call would be rejected again: correct the arguments, or ask the user."


class InterceptedError(RequestFailedError):
    """A response in another format than the Track API's: something in between sent it, such as a firewall."""

    code = "intercepted"
    advice = (
        "Whoever runs the network must let requests to the Track API pass; NO_PROXY can exempt its hostname from the "
        "proxy that HTTPS_PROXY names."
    )


class ProxyRefusedError(RequestFailedError):
    """The proxy that the environment names refuses to connect to the Track API, and would refuse again."""

    code = "proxy_refused"
    advice = (
        "The proxy that HTTPS_PROXY names must allow connections to the Track API, and accept the user and password in "
        "that URL (http://USER:PASSWORD@HOST:PORT, percent-encoded); or NO_PROXY must exempt the Track API's hostname "
        "from it. If the proxy inspects TLS, SSL_CERT_FILE must name a file with its CA certificate (PEM), too."
    )


class UntrustedCertificateError(RequestFailedError):
    """The certificate of the other side is from an unknown authority, is expired, or is for another hostname."""

    code = "untrusted_certificate"
    advice = (
        "If a proxy or a firewall inspects TLS, SSL_CERT_FILE must name a file with its CA certificate (PEM), or "
        "NO_PROXY must exempt the Track API's hostname from the proxy that HTTPS_PROXY names. If the certificate is "
        "expired or not yet valid, check the clock."
    )


class TlsError(RequestFailedError):
    """The other side does not speak TLS, or no version or cipher of it that this side accepts."""

    code = "tls_failed"
    advice = (
        "The base URL must be that of a server with TLS 1.2 or newer, and so must the proxy that HTTPS_PROXY names, if "
        "its URL starts with https://. NO_PROXY can exempt the Track API's hostname from the proxy, and SSL_CERT_FILE "
        "names CA certificates."
    )


class RateLimitedError(RequestFailedError):
    """429: the workspace sends more requests than the Track API accepts."""

    code = "rate_limited"
    retryable = True


class UnavailableError(RequestFailedError):
    """408, 5xx, a status that is not a final one of HTTP, a connection error or a timeout."""

    code = "unavailable"
    retryable = True


class StoppedError(RequestFailedError):
    """The client was stopped before the Track API confirmed the request."""

    code = "stopped"


class ClosedError(RequestFailedError):
    """The client was closed before the call, or before the Track API confirmed the request."""

    code = "closed"
    advice = "Create a new TrackClient: aclose() and the end of `async with` close one for good."


class TimeBudgetExceededError(RequestFailedError):
    """The time budget was exceeded before the Track API confirmed the request."""

    code = "out_of_time"
