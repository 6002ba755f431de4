"""Make text of any origin safe to display. Each format escapes it by itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

__all__ = ["in_words", "moment", "number", "printable", "with_code"]

LONGEST_TEXT = 2_000

_CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # control characters
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # direction marks
    "\u2028\u2029\ufdd0-\ufdef\ufff9-\ufffb\ufffe\uffff"  # separators and noncharacters
    "\ud800-\udfff]"  # surrogates
)
_CODE = re.compile(r"`([^`]+)`")


def printable(text: str, longest: int = LONGEST_TEXT) -> str:
    """Make invisible and illegal characters visible, and truncate the text.

    Control characters become their pictures (a line feed ␊), direction marks their code ([U+202E]), and
    characters that no file may contain become U+FFFD. The result is valid in UTF-8, XML 1.0 and HTML.
    """
    cut = text if len(text) <= longest else text[: longest - 1] + "…"
    return _CONTROL.sub(_visible, cut)


def _visible(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    if code in (0x061C, 0x200E, 0x200F) or 0x202A <= code <= 0x202E or 0x2066 <= code <= 0x2069:
        return f"[U+{code:04X}]"
    return "\ufffd"


def with_code(text: str, escape: Callable[[str], str], template: str) -> str:
    """Escape prose part by part and put each text in `backticks` into the code template."""
    parts = _CODE.split(printable(text))
    return "".join(
        template.format(escape(part)) if index % 2 else escape(part) for index, part in enumerate(parts)
    )


def number(count: int) -> str:
    """Format a number such as 1,234,567."""
    return f"{count:,}"


def moment(instant: datetime) -> str:
    """Format an instant such as 2026-11-22 19:30:05 UTC."""
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def in_words(seconds: float) -> str:
    """Format a duration such as 0.4 s, 12 s, 2 min 5 s, 1 h 3 min, 3 d 4 h."""
    whole = round(seconds)
    if seconds < 9.95:
        return f"{max(seconds, 0):.1f} s"
    if whole < 60:
        return f"{whole} s"
    if whole < 3_600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 48 * 3_600:
        return f"{whole // 3_600} h {whole % 3_600 // 60} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3_600} h"
