"""The endpoint over HTTP: its routes, its socket, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator
from datetime import timedelta

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from rollcall import console
from rollcall.errors import ConfigurationError
from rollcall.service.trigger.access import Access, take_token
from rollcall.service.trigger.clean_up import CleanUps
from rollcall.service.trigger.looks import Looks, NotSeen
from rollcall.settings.configuration import load_settings
from rollcall.workspace import Workspace

__all__ = ["serve_trigger"]

LOOPBACK = ("127.0.0.1", "::1", "localhost")
MOST_CONNECTIONS = 50
CONNECTION_SECONDS = 20  # longer than a start takes, or than Prometheus waits by default
GRACE_SECONDS = 5
LOOK_SECONDS = 10.0
LARGEST_PORT = 65_535


def serve_trigger(address: str, stale_after_minutes: float) -> None:
    """Serve the trigger URL until interrupted or terminated.

    Args:
        address: ``PORT``, or ``HOST:PORT``; port 0 means any free one.
        stale_after_minutes: `/readyz` does not count a verdict that is older.

    Raises:
        ConfigurationError: no token, no database, or an address that cannot be listened on.
        ConnectionFailed: the database cannot be reached.
    """
    token = take_token()
    settings = load_settings()
    with _listen(address) as listener:
        Workspace(settings).project.compile()  # a wrong name is an error now, and not at the first request
        looks = Looks(settings, timedelta(minutes=stale_after_minutes))
        host, port = listener.getsockname()[:2]
        shown = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        console.announce(f"POST {shown}/runs starts the clean-up; {shown}/readyz has the last verdict")
        if host not in LOOPBACK:
            console.show_error("the token crosses the network in clear; put TLS in front")
        server = _server(Endpoint(Access(token), CleanUps(), looks))
        with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises the signal again after an orderly end
            server.run(sockets=[listener])


class Endpoint:
    """The routes. Every one but the two probes needs the token."""

    def __init__(self, access: Access, clean_ups: CleanUps, looks: Looks) -> None:
        self._access = access
        self._clean_ups = clean_ups
        self._looks = looks
        self._starting = asyncio.Lock()
        self.app = Starlette(
            routes=[
                Route("/runs", self.start, methods=["POST"]),
                Route("/runs/{name}", self.show, methods=["GET"]),
                Route("/metrics", self.metrics, methods=["GET"]),
                Route("/healthz", self.health, methods=["GET"]),
                Route("/readyz", self.readiness, methods=["GET"]),
            ],
            lifespan=self._lifespan,
        )

    async def start(self, request: Request) -> Response:
        """Start a clean-up, unless one is at work."""
        refusal = self._access.refusal(request) or self._access.too_many_starts()
        if refusal is not None:
            return refusal
        async with self._starting:
            if running := self._clean_ups.at_work:
                url = self.app.url_path_for("show", name=running.id)  # a proxy decides scheme and host
                return JSONResponse({"error": "A clean-up is at work.", "url": url}, 409)
            # the clean-up itself looks at the lease, and reports a database that is down
            with contextlib.suppress(NotSeen, TimeoutError):
                if holder := await asyncio.wait_for(self._looks.holder(), LOOK_SECONDS):
                    return JSONResponse({"error": f"Another run is at work: {holder}."}, 409)
            started = self._clean_ups.start()
        console.announce(f"clean-up {started.id} started by a request")
        url = self.app.url_path_for("show", name=started.id)
        return JSONResponse({**started.to_json(), "url": url}, 202, {"Location": url})

    async def show(self, request: Request) -> Response:
        """Show how a clean-up does, or how it ended."""
        if refusal := self._access.refusal(request):
            return refusal
        found = self._clean_ups.get(request.path_params["name"])
        if found is None:
            return JSONResponse({"error": "No such clean-up. `rollcall history` shows all runs."}, 404)
        return JSONResponse(found.to_json())

    async def metrics(self, request: Request) -> Response:
        """Answer what `rollcall metrics` prints."""
        if refusal := self._access.refusal(request):
            return refusal
        try:
            return Response(await self._looks.metrics(), media_type=CONTENT_TYPE_LATEST)
        except NotSeen as reason:
            return PlainTextResponse(f"{reason}\n", 503)

    async def health(self, _: Request) -> Response:
        """Answer that this process is at work, whatever the database does."""
        return JSONResponse({"status": "at work"})

    async def readiness(self, _: Request) -> Response:
        """Answer the last verdict, with 503 where it is not READY or too old."""
        try:
            found = await self._looks.readiness()
        except NotSeen as reason:
            console.show_error(str(reason))
            return JSONResponse({"is_ready": False, "error": "The ledger cannot be read."}, 503)
        shown = ("is_ready", "verdict", "judged_at", "age_seconds", "is_stale", "last_run_failed", "run_id")
        return JSONResponse({name: found[name] for name in shown}, 200 if found["is_ready"] else 503)

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await self._clean_ups.stop()


class _Protocol(H11Protocol):
    """HTTP on a connection that is closed after some seconds, whatever it has sent.

    Uvicorn waits for the first request without end, so idle connections up to the limit would keep all
    others out.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.loop.call_later(CONNECTION_SECONDS, transport.close)


class _Server(uvicorn.Server):
    """Uvicorn that ends in order on SIGHUP too, as the other commands do."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGHUP, self.handle_exit, signal.SIGHUP, None)


def _server(endpoint: Endpoint) -> uvicorn.Server:
    config = uvicorn.Config(
        endpoint.app,
        http=_Protocol,
        headers=[("Connection", "close")],  # one request each, so that none is cut off by the end of its time
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="on",
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    return _Server(config)


def _listen(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    host = host.strip("[]") or LOOPBACK[0]
    if not port.isdecimal() or int(port) > LARGEST_PORT:
        raise ConfigurationError(f"this is no address: {address}", "give HOST:PORT, such as 127.0.0.1:8787")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, int(port)), family=family)
    except OSError as error:
        raise ConfigurationError(
            f"{host}:{port} cannot be listened on: {str(error.strerror).partition(' (')[0]}",
            "stop the process that uses it, or give another address",
        ) from None
