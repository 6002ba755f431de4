"""Files for their owner alone, written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from rollcall.errors import ConfigurationError

__all__ = ["replaced_file"]


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
