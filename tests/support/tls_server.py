"""A PostgreSQL that speaks TLS alone, with a private CA; it accepts clients with a certificate of that CA."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from rollcall.servers.postgres import PostgresServer
from tests.support.postgres import SYSTEM_PG_BIN
from tests.support.waiting import until

HOST = "calls.example.test"  # no DNS knows it: only `hostaddr` leads there
DAYS = ("-days", "2")

needs_tls = pytest.mark.skipif(
    not (SYSTEM_PG_BIN / "postgres").exists() or shutil.which("openssl") is None,
    reason=f"needs a PostgreSQL with TLS in {SYSTEM_PG_BIN} and openssl",
)


@dataclass(frozen=True)
class TlsServer:
    """A running one."""

    port: int
    folder: Path

    def parameters(self, database: str = "postgres") -> dict[str, str]:
        """Every parameter of a connection that verifies the server and shows a certificate."""
        return {
            "host": HOST,
            "hostaddr": "127.0.0.1",
            "port": str(self.port),
            "user": "postgres",
            "dbname": database,
            "sslmode": "verify-full",
            "sslrootcert": str(self.folder / "ca.crt"),
            "sslcert": str(self.folder / "client.crt"),
            "sslkey": str(self.folder / "client.key"),
        }


@contextlib.contextmanager
def tls_server(folder: Path, bin_directory: Path) -> Iterator[TlsServer]:
    """Start one whose data and certificates are in the folder.

    Args:
        bin_directory: of a PostgreSQL that was built with TLS.
    """
    server = PostgresServer(folder / "data", bin_directory)
    server.start()
    server.stop()
    data = server.data_directory
    account = data.stat()
    _make_certificates(folder)
    for name in ("server.crt", "server.key", "ca.crt"):
        shutil.copy(folder / name, data / name)
        shutil.chown(data / name, account.st_uid, account.st_gid)
        (data / name).chmod(0o600)
    (data / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 cert\n")
    port = _free_port()
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",
        "ssl": "on",
        "ssl_cert_file": "server.crt",
        "ssl_key_file": "server.key",
        "ssl_ca_file": "ca.crt",
        "fsync": "off",
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    with (data / "server.log").open("ab") as log:
        process = subprocess.Popen(
            [bin_directory / "postgres", "-D", data, *options],
            stdout=log,
            stderr=log,
            cwd=data,
            user=account.st_uid,
            group=account.st_gid,
            extra_groups=[],
        )
    started = TlsServer(port, folder)
    try:
        until(lambda: _answers(started))
        yield started
    finally:
        process.send_signal(signal.SIGINT)  # SIGTERM would wait for the clients
        process.wait()


def _answers(server: TlsServer) -> bool:
    try:
        psycopg.connect(make_conninfo(**server.parameters())).close()
    except psycopg.OperationalError as error:
        if "refused" in str(error) or "starting up" in str(error):
            return False
        raise
    return True


def _make_certificates(folder: Path) -> None:
    _openssl(folder, "req", "-x509", *_new_key("ca"), "-out", "ca.crt", *DAYS, "-subj", "/CN=Private CA")
    (folder / "names.cnf").write_text(f"subjectAltName=DNS:{HOST}\n")
    for name, subject in (("server", HOST), ("client", "postgres")):
        _openssl(folder, "req", *_new_key(name), "-out", f"{name}.csr", "-subj", f"/CN={subject}")
        extensions = ("-extfile", "names.cnf") if name == "server" else ()
        signed_by = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial")
        _openssl(
            folder,
            "x509",
            "-req",
            "-in",
            f"{name}.csr",
            *signed_by,
            "-out",
            f"{name}.crt",
            *DAYS,
            *extensions,
        )
    (folder / "client.key").chmod(0o600)


def _new_key(name: str) -> tuple[str, ...]:
    return ("-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key")


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
