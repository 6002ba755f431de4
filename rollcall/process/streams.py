"""Standard streams that may be closed, full or broken."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

__all__ = ["TolerantStream", "tolerant_streams"]


class TolerantStream(io.TextIOBase):
    """A text stream that drops text that cannot be written, so that the work goes on.

    Attributes:
        lost: the reason for dropped text; none if all was written.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.lost: str | None = None

    def write(self, text: str) -> int:
        if self.lost is None:
            try:
                return self._write(text)
            except (OSError, ValueError) as error:
                self._lose(error)
        return len(text)

    def _write(self, text: str) -> int:
        """Write text; a character that the encoding lacks becomes an escape sequence."""
        try:
            return self._stream.write(text)
        except UnicodeEncodeError:
            encoding = self._stream.encoding
            return self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))

    def flush(self) -> None:
        if self.lost is None:
            try:
                self._stream.flush()
            except (OSError, ValueError) as error:
                self._lose(error)

    def _lose(self, error: OSError | ValueError) -> None:
        number = getattr(error, "errno", None)
        self.lost = os.strerror(number) if number else "it is closed"
        if number == errno.EPIPE:
            self.lost = "its reader has gone"
        with contextlib.suppress(OSError, ValueError):  # the buffered text must not fail again at exit
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._stream.fileno())
            os.close(null)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        return self._stream.errors

    @property
    def buffer(self) -> Any:
        return self._stream.buffer

    def fileno(self) -> int:
        return self._stream.fileno()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True


@contextlib.contextmanager
def tolerant_streams() -> Iterator[TolerantStream]:
    """Tolerate closed, full and broken standard streams. Gives standard output.

    A closed descriptor is opened on the null device; otherwise the next file or connection would get its
    number and receive the printed text.
    """
    _open_closed_descriptors()
    before = sys.stdout, sys.stderr
    out, err = TolerantStream(_stream_of(sys.stdout)), TolerantStream(_stream_of(sys.stderr))
    sys.stdout, sys.stderr = out, err
    try:
        yield out
    finally:
        out.flush()
        err.flush()
        sys.stdout, sys.stderr = before


def _open_closed_descriptors() -> None:
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)


def _stream_of(stream: TextIO | None) -> TextIO:
    """The stream of a descriptor; Python has none if it was closed at the start."""
    return stream if stream is not None else Path(os.devnull).open("w", encoding="utf-8")
