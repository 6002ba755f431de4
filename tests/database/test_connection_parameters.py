"""Whatever libpq accepts, from wherever it takes it, reaches psycopg, dbt and Great Expectations alike."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote, urlencode

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from rollcall.database.connections import Database
from rollcall.errors import ConnectionFailed
from tests.support.call_centre import CallCentre, call_centre, share_compilations
from tests.support.command import rollcall
from tests.support.every_step import everything
from tests.support.tls_server import TlsServer, needs_tls

ENVIRONMENT = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "port": "PGPORT",
    "user": "PGUSER",
    "dbname": "PGDATABASE",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
}
PASSWORD = "Tr0ub4dor"


@pytest.fixture(scope="module")
def centre(secure: TlsServer, tmp_path_factory: pytest.TempPathFactory) -> CallCentre:
    """A call centre on it, migrated and cleaned; the URL holds every parameter."""
    folder = tmp_path_factory.mktemp("secure")
    (folder / "compiled").mkdir()  # dbt compiles for this connection, too
    centre = call_centre(url_of(secure), folder)
    everything(centre.workspace)
    return centre


def url_of(server: TlsServer) -> str:
    parameters = server.parameters()
    place = f"{parameters.pop('user')}@{parameters.pop('host')}:{parameters.pop('port')}"
    return f"postgresql://{place}/{parameters.pop('dbname')}?{urlencode(parameters, quote_via=quote)}"


@pytest.mark.medium
@needs_tls
def test_the_server_refuses_a_connection_without_them(secure: TlsServer) -> None:
    for name in ("sslrootcert", "sslcert", "hostaddr"):
        parameters = secure.parameters()
        del parameters[name]
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(make_conninfo(**parameters, connect_timeout="5"))


@pytest.mark.medium
@needs_tls
@pytest.mark.parametrize("source", ["url", "variables", "service"])
def test_parameters_from_everywhere_reach_every_library(
    centre: CallCentre, secure: TlsServer, source: str, tmp_path: Path
) -> None:
    parameters = secure.parameters()
    if source == "url":
        given = {"ROLLCALL_DATABASE_URL": url_of(secure)}
    elif source == "variables":
        given = {ENVIRONMENT[name]: value for name, value in parameters.items()}
    else:
        lines = ["[calls]", *(f"{name}={value}" for name, value in parameters.items())]
        (tmp_path / "services.conf").write_text("\n".join(lines) + "\n")
        given = {"PGSERVICEFILE": str(tmp_path / "services.conf"), "PGSERVICE": "calls"}
    share_compilations(tmp_path)
    done = rollcall("assess", "--json", "--full-history", state=tmp_path, **given)
    assert done.returncode in (0, 10), done.stderr
    suites = {rule["suite"] for rule in json.loads(done.stdout)["rules"]}
    assert {"readiness", "cleaned_sessions"} <= suites  # counted by dbt's SQL, and read by GX


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://agent:pass@{PASSWORD}@127.0.0.1:1/calls",
        f"postgresql://agent:{PASSWORD}@{PASSWORD}@127.0.0.1:1/calls",
        f"postgres://agent:pass/{PASSWORD}@127.0.0.1:1/calls",
        f"postgresql://agent:12/{PASSWORD}@127.0.0.1:1/calls",
        f"postgresql://agent:@/{PASSWORD}@127.0.0.1:1/calls",
        f"postgresql://agent:pass@{PASSWORD}:x@127.0.0.1/calls",
        f"postgresql://agent:{PASSWORD}%zz@127.0.0.1:1/calls",
        f"postgresql://agent:{PASSWORD}",
        f"postgresql://agent:x:{PASSWORD}/calls",
        f"postgresql://agent:{PASSWORD}@127.0.0.1:{PASSWORD}/calls",
        f"postgresql://agent:a@b?{PASSWORD}@127.0.0.1:1/calls",
        f"PostgreSQL://agent:pass@{PASSWORD}@127.0.0.1:1/calls",
        f"mysql://agent:{PASSWORD}@127.0.0.1/calls",
        f"postgresql+psycopg://agent:{PASSWORD}@127.0.0.1/calls",
        f"jdbc:postgresql://127.0.0.1/calls?password={PASSWORD}",
        f"host=127.0.0.1 password=two {PASSWORD}",
    ],
)
def test_nothing_of_a_password_is_shown_of_a_url_that_is_not_escaped(url: str, tmp_path: Path) -> None:
    done = rollcall("assess", url=url, state=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.strip().splitlines()
    assert PASSWORD not in line
    assert "ROLLCALL_DATABASE_URL cannot be read" in line
    assert "@ as %40" in line


@pytest.mark.medium
@pytest.mark.parametrize(
    "url",
    [
        "postgresql://agent:p%40ss%2Fw%3Ard@127.0.0.1:{port}/calls?connect_timeout=2",
        "postgresql://agent:p?s#s!w:rd@127.0.0.1:{port}/calls",
        "postgresql://agent@127.0.0.1:{port},127.0.0.2:{port}/calls",
        "postgresql:///calls?host=/nowhere&user=agent@example.test",
        "postgresql://127.0.0.1:{port}/calls?user=agent@example.test",
        "postgresql://agent@[::1]:{port}/calls",
        "postgresql://agent@%2Fnowhere/calls",
    ],
)
def test_what_libpq_reads_without_doubt_is_tried(url: str) -> None:
    """The next thing that happens is that no server is there."""
    with pytest.raises(ConnectionFailed):
        Database.reach(url.format(port=1))
