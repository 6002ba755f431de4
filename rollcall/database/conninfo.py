"""Check ROLLCALL_DATABASE_URL before libpq reads it, so that no message shows a password.

libpq splits a URL at the first ``@``, ``/`` and ``:``. A password with one of these characters
unescaped becomes a host name, a port or a database name, which libpq and the server then show.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict

from rollcall.errors import ConfigurationError

__all__ = ["Place", "place_of", "read_conninfo"]

SCHEME = re.compile(r"postgres(ql)?://", re.IGNORECASE)
HOST_AND_PORT = re.compile(r"(\[[0-9A-Za-z:.%]*\]|[^:\[\]]*)(:\d{0,5})?")
UNREADABLE = "ROLLCALL_DATABASE_URL cannot be read as a connection"
HOW_TO_WRITE = (
    "write it like postgresql://USER:PASSWORD@HOST:5432/DATABASE; in user, password and database "
    "percent-encode @ as %40, : as %3A, / as %2F, # as %23, % as %25 and a question mark as %3F"
)


def read_conninfo(conninfo: str) -> dict[str, Any]:
    """Parse a connection URL or keyword string as libpq does.

    Raises:
        ConfigurationError: it cannot be parsed, or only in a way that shows part of a password.
    """
    scheme = SCHEME.match(conninfo)
    if scheme and not _is_unambiguous(conninfo[scheme.end() :]):
        raise ConfigurationError(UNREADABLE, HOW_TO_WRITE)
    try:
        return conninfo_to_dict(conninfo)
    except (psycopg.Error, ValueError):
        raise ConfigurationError(UNREADABLE, HOW_TO_WRITE) from None


def _is_unambiguous(rest: str) -> bool:
    """Whether the parts of a URL cannot be confused with parts of a password.

    Only user and password precede the single ``@`` outside the parameters, and ports are numbers.

    Args:
        rest: the URL after ``://``.
    """
    before, at, after = rest.partition("@")
    has_credentials = at and "/" not in before
    place = (after if has_credentials else rest).partition("?")[0]
    hosts = place.partition("/")[0].split(",")
    return "@" not in place and all(HOST_AND_PORT.fullmatch(host) for host in hosts)


@dataclass(frozen=True)
class Place:
    """Where a database is, as it is configured: without a user, a password, or a connection.

    Attributes:
        host: as configured, also a folder with a socket; `localhost` where nothing is configured.
    """

    host: str
    port: str
    database: str

    def __str__(self) -> str:
        return f"{self.host}:{self.port}/{self.database}"


def place_of(conninfo: str) -> Place:
    """Where a database is: what the conninfo says, else libpq's environment, else libpq's defaults.

    A service that the conninfo itself names is not looked up: its name stands for host and database.

    Raises:
        ConfigurationError: as `read_conninfo`.
    """
    given = read_conninfo(conninfo)
    defaults = {
        option.keyword.decode(): option.val.decode()
        for option in pq.Conninfo.get_defaults()
        if option.val is not None
    }

    service = given.get("service")
    place = given.get("host") or given.get("hostaddr") or defaults.get("host") or defaults.get("hostaddr")
    name = (
        given.get("dbname") or service or defaults.get("dbname") or given.get("user") or defaults.get("user")
    )
    return Place(
        host=str(place or service or "localhost"),
        port=str(given.get("port") or defaults["port"]),
        database=str(name or ""),
    )
