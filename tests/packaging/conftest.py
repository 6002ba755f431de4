"""The installed wheel, for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.installed import install_wheel
from tests.support.postgres import temporary_folder


@pytest.fixture(scope="session")
def installed() -> Iterator[Path]:
    """The folder of the programs of an environment with the wheel."""
    with temporary_folder() as folder:
        yield install_wheel(folder)
