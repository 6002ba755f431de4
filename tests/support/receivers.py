"""Receivers of alerts: an HTTP server and an SMTP server of the test that keep what they get."""

from __future__ import annotations

import contextlib
import json
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "planted-token-51cc"
"""A part of the webhook's URL that nothing may show."""


class Webhook:
    """An HTTP server. It answers `status`, or nothing, or byte by byte, until it is closed."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.status = 200
        self.silent = False
        self.dripping = False
        self.closing = threading.Event()
        self.came = threading.Event()
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                webhook.messages.append(json.loads(body))
                webhook.came.set()
                if webhook.silent:
                    webhook.closing.wait(60)
                    return
                if webhook.dripping:
                    with contextlib.suppress(OSError):
                        while not webhook.closing.wait(0.2):
                            self.wfile.write(b"H")
                    return
                self.send_response(webhook.status)
                self.end_headers()

            def log_message(self, *arguments: Any) -> None:
                """Nothing to the terminal."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True

    @property
    def url(self) -> str:
        """The URL for Apprise, with a token that nothing may show."""
        return f"json://127.0.0.1:{self.server.server_port}/{TOKEN}"

    @property
    def texts(self) -> list[str]:
        return [f"{message['title']}\n{message['message']}" for message in self.messages]


class MailServer:
    """An SMTP server that takes every mail."""

    def __init__(self) -> None:
        self.mails: list[str] = []
        mails = self.mails

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.wfile.write(b"220 localhost\r\n")
                while line := self.rfile.readline():
                    word = line.strip().upper()
                    if word == b"DATA":
                        self.wfile.write(b"354 go on\r\n")
                        lines: list[bytes] = []
                        while (part := self.rfile.readline()) not in (b".\r\n", b""):
                            lines.append(part)
                        mails.append(b"".join(lines).decode())
                    elif word == b"QUIT":
                        self.wfile.write(b"221 bye\r\n")
                        return
                    self.wfile.write(b"250 ok\r\n")

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True

    @property
    def url(self) -> str:
        port = self.server.server_address[1]
        return f"mailto://127.0.0.1:{port}?from=rollcall@example.com&to=lead@example.com&mode=insecure"


@contextlib.contextmanager
def webhook() -> Iterator[Webhook]:
    """A running HTTP server."""
    receiver = Webhook()
    with _running(receiver.server):
        try:
            yield receiver
        finally:
            receiver.closing.set()


@contextlib.contextmanager
def mail_server() -> Iterator[MailServer]:
    """A running SMTP server."""
    receiver = MailServer()
    with _running(receiver.server):
        yield receiver


@contextlib.contextmanager
def _running(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
