"""A server on the network, for the tests of connections."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.postgres import SYSTEM_PG_BIN, temporary_folder
from tests.support.tls_server import TlsServer, tls_server


@pytest.fixture(scope="module")
def secure() -> Iterator[TlsServer]:
    with temporary_folder() as folder, tls_server(folder, SYSTEM_PG_BIN) as server:
        yield server
