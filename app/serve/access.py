"""Who may use the server: names of this machine, origins of pages, and the token."""

from __future__ import annotations

import hmac
import ipaddress
import socket
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from app.serve.config import WebConfig

#: Subprotocol of the WebSocket. A browser cannot set headers there, so its page sends the token as a second
#: subprotocol, "bearer.TOKEN": unlike an address, this appears in no history, log or referrer.
PROTOCOL: Final = "mien.face.1"
_BEARER: Final = "bearer."
#: What needs no token: the page holds no data, and a health check says only that the process lives.
_OPEN_PATHS: Final = frozenset({"/", "/healthz"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer to a request that is not allowed."""

    status: int
    text: str
    headers: dict[str, str] = field(default_factory=dict)


class Access:
    """Checks requests before anything else sees them."""

    def __init__(self, config: WebConfig, token: str | None) -> None:
        """``token``: None = none is needed."""
        self._token = None if token is None else token.encode()
        self._hosts = {"localhost", socket.gethostname().lower(), *(host.lower() for host in config.hosts)}
        self._origins = frozenset(config.origins)

    def refusal(self, request: web.Request) -> Refusal | None:
        """Why a request is refused; None if it is allowed."""
        if not self._is_known_host(request.headers.get("Host", "")):
            # a foreign name that resolves to this machine: a page of another site would pass for ours (DNS rebinding)
            return Refusal(421, "this name is not served: add it to web.hosts")
        origin = request.headers.get("Origin")
        if origin is not None and origin not in self._origins and not _is_same(origin, request):
            return Refusal(403, "this page may not connect: add it to web.origins")
        if request.path not in _OPEN_PATHS and not self._has_token(request):
            return Refusal(401, "a token is needed", {"WWW-Authenticate": "Bearer"})
        return None

    def _is_known_host(self, header: str) -> bool:
        try:
            name = (urlsplit(f"//{header}").hostname or "").lower()
        except ValueError:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self._hosts
        return True

    def _has_token(self, request: web.Request) -> bool:
        if self._token is None:
            return True
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            offered = (word.strip() for word in request.headers.get("Sec-WebSocket-Protocol", "").split(","))
            given = next((word.removeprefix(_BEARER) for word in offered if word.startswith(_BEARER)), "")
        return hmac.compare_digest(given.strip().encode("utf-8", "surrogateescape"), self._token)


def _is_same(origin: str, request: web.Request) -> bool:
    """Whether a page was served by this server, which speaks http, or by a proxy in front of it under the same name."""
    return origin.partition("://")[2] == request.headers.get("Host")
