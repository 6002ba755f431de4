"""A TCP proxy whose connections can vanish without a word, as when a machine loses its power."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

TCP_REPAIR = 19  # Linux: a socket that is closed in this mode sends nothing
READ_BYTES = 65_536
POLL_SECONDS = 0.1  # a thread that reads for longer would keep a closed socket open


def can_vanish() -> bool:
    """Whether this account may take a connection away from its peer without a word."""
    with socket.socket() as probe:
        try:
            probe.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        except (OSError, AttributeError):
            return False
    return True


@dataclass
class Proxy:
    """Passes the bytes of each connection on.

    Attributes:
        port: on 127.0.0.1.
        pairs: of each connection the end of the client and that of the server.
    """

    port: int
    pairs: list[tuple[socket.socket, socket.socket]] = field(default_factory=list)

    def lose_clients(self) -> None:
        """The server hears nothing more from its clients, and no end of their connections."""
        for client, server in self.pairs:
            _vanish(server)
            client.close()

    def lose_server(self) -> None:
        """The clients hear nothing more from the server, and no end of their connections."""
        for client, _ in self.pairs:
            _vanish(client)

    def cut(self) -> None:
        """Neither side hears more of the other, as when the network is cut."""
        for pair in self.pairs:
            for end in pair:
                _vanish(end)


@contextlib.contextmanager
def proxy(server_port: int) -> Iterator[Proxy]:
    """Start one before a server on 127.0.0.1."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        started = Proxy(listener.getsockname()[1])

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    server = socket.create_connection(("127.0.0.1", server_port))
                    started.pairs.append((client, server))
                    for end in (client, server):
                        end.settimeout(POLL_SECONDS)
                    for pair in ((client, server), (server, client)):
                        threading.Thread(target=_pass_on, args=pair, daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield started
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for pair in started.pairs:
                for end in pair:
                    end.close()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            try:
                received = source.recv(READ_BYTES)
            except TimeoutError:
                continue
            if not received:
                break
            target.sendall(received)
        target.shutdown(socket.SHUT_WR)


def _vanish(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        connection.close()
