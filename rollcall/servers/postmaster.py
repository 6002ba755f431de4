"""The server process that `postmaster.pid` in a data directory names."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

PORT = 5432  # names the socket file; nothing listens on a network port
SOCKET_NAME = f".s.PGSQL.{PORT}"
SSL_REQUEST = struct.pack("!ii", 8, 80877103)  # the shortest request that the server answers


@dataclass(frozen=True)
class Postmaster:
    """A server process: running, or left over from a crash.

    Attributes:
        pid: 0 where the file is incomplete.
        status: such as ``starting`` or ``ready``; empty where the file is incomplete.
    """

    data_directory: Path
    pid: int
    socket_directory: Path | None
    status: str

    @classmethod
    def find(cls, data_directory: Path) -> Postmaster | None:
        """Read ``postmaster.pid``; None where there is none.

        Raises:
            PermissionError: the data directory belongs to another user.
        """
        try:
            lines = (data_directory / "postmaster.pid").read_text().splitlines()
        except (FileNotFoundError, NotADirectoryError):
            return None
        # see AddToDataDirLockFile in PostgreSQL's miscinit.c; the file grows while it starts
        lines += [""] * (8 - len(lines))
        try:
            pid = abs(int(lines[0]))
        except ValueError:  # being written, or cut short by a full disk
            pid = 0
        socket_directory = Path(lines[4]) if lines[4] else None
        return cls(data_directory, pid, socket_directory, lines[7].strip())

    @property
    def is_ready(self) -> bool:
        """Whether the server has reported that it accepts connections."""
        return self.status in ("ready", "standby")

    @property
    def is_alive(self) -> bool:
        """Whether the process exists and is this server: the system reuses process ids."""
        if self.pid == 0:
            return False
        process = Path("/proc", str(self.pid))
        if Path("/proc/self/stat").exists():
            try:
                name, _, rest = (process / "stat").read_text().rpartition(")")
                if rest.split()[0] in "ZX":  # a zombie process: usual in containers
                    return False
                owner = process.stat().st_uid
                folder = os.readlink(process / "cwd")
            except PermissionError:  # root without CAP_SYS_PTRACE, as in most containers
                return "(postgres" in name and owner == self.data_directory.stat().st_uid
            except OSError:
                return False
            return Path(folder) == self.data_directory.resolve()
        answer = subprocess.run(
            ["ps", "-o", "stat=,comm=", "-p", str(self.pid)],
            capture_output=True,
            text=True,
            check=False,
        ).stdout.strip()
        return "postgres" in answer and not answer.startswith("Z")


def answers(socket_directory: Path) -> bool:
    """Whether a server answers on the socket: a socket file may be left over from a dead one."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(5)
        try:
            client.connect(str(socket_directory / SOCKET_NAME))
            client.sendall(SSL_REQUEST)
            return client.recv(1) in (b"N", b"S")
        except OSError:
            return False
