"""uvicorn's HTTP protocol above either parser, as the mixins for it see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class UvicornProtocol(H11Protocol):
        """The attributes that `H11Protocol` and `HttpToolsProtocol` have in common, and those of `*_requests.py`."""

        @property
        def is_receiving(self) -> bool:
            """Whether the first part of a request was received, and the rest was not."""

else:

    class UvicornProtocol:
        """The base of the mixins; see above."""
