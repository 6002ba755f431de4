"""Files and folders for their owner alone; a file is written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from rollcall.errors import ConfigurationError

__all__ = ["make_private_directory", "private_files", "replaced_file"]

PRIVATE = 0o077  # umask: no access for the group and others


@contextmanager
def private_files() -> Iterator[None]:
    """Create new files and folders for their owner only, whatever the umask."""
    before = os.umask(PRIVATE)
    try:
        yield
    finally:
        os.umask(before)


def make_private_directory(path: Path) -> None:
    """Make a folder for its owner only, or restrict an existing one of this account.

    Raises:
        OSError: it cannot be made.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.stat().st_uid == os.geteuid():
        path.chmod(0o700)


@contextmanager
def replaced_file(path: Path) -> Iterator[IO[bytes]]:
    """A new file with mode 0600 that takes the place of the path when all of it is written.

    A device or a pipe is written to as it is; a link stays, and what it names is replaced.

    Raises:
        ConfigurationError: the file cannot be written; what was there before is left as it was.
    """
    try:
        if path.exists() and not path.is_file():
            with path.open("wb") as file:
                yield file
            return
        target = path.resolve()
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as file:
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).replace(target)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror}", "give another file") from error
