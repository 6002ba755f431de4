"""Where a database is, as its configuration says it: for names, keys and events."""

from __future__ import annotations

import pytest

from flows.pages import resource_of
from rollcall.database.conninfo import place_of


@pytest.mark.parametrize(
    ("conninfo", "place"),
    [
        ("postgresql://user:secret@db.example:5433/call_centre", "db.example:5433/call_centre"),
        ("postgresql://user@/centre?host=%2Frun%2Fpostgres&port=5432", "/run/postgres:5432/centre"),
        ("host=one,two port=1,2 dbname=centre password=secret", "one,two:1,2/centre"),
        ("service=tenant", "tenant:5432/tenant"),
        ("user=ada", "of-the-environment:5432/its-name"),
    ],
)
def test_the_place_has_host_port_and_name(monkeypatch: pytest.MonkeyPatch, conninfo: str, place: str) -> None:
    if conninfo == "user=ada":
        monkeypatch.setenv("PGHOST", "of-the-environment")
        monkeypatch.setenv("PGDATABASE", "its-name")
    assert str(place_of(conninfo)) == place
    assert resource_of(place_of(conninfo))["prefect.resource.id"] == f"rollcall.database.{place}"


def test_the_keys_of_two_databases_differ() -> None:
    from flows.pages import key_of

    places = ["host=a dbname=x_y", "host=a dbname=x-y", "host=b dbname=x-y", "host=b dbname=x-y port=1"]
    keys = [key_of("readiness", place_of(place)) for place in places]
    assert len(set(keys)) == len(places)
    assert keys[3].startswith("readiness-x-y-b-1-")
