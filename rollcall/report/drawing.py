"""Draw Vega-Lite charts as static SVG with vl-convert, in a process of their own.

vl-convert embeds V8, which aborts its process where the system refuses it something. So this file is also
the program of a child process. It imports nothing of Rollcall: it starts in 20 ms and reads no configuration.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

__all__ = ["draw"]

ATTEMPTS = 2
TIMEOUT_SECONDS = 60
_SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
_log = logging.getLogger(__name__)


def draw(specs: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Draw charts, all of them in one child process.

    Args:
        specs: a Vega-Lite specification (version 5) per name, JSON values only.

    Returns:
        The SVG per name. Empty, with a warning in the log, if the child process ended without a result.
    """
    if not specs:
        return {}
    failure = ""
    for _ in range(ATTEMPTS):
        try:
            child = subprocess.run(
                [sys.executable, "-I", __file__],
                input=json.dumps({name: {"$schema": _SCHEMA, **spec} for name, spec in specs.items()}),
                capture_output=True,
                check=True,
                text=True,
                encoding="utf-8",
                timeout=TIMEOUT_SECONDS,
            )
        except subprocess.CalledProcessError as error:
            failure = f"exit code {error.returncode}"
        except (OSError, subprocess.TimeoutExpired) as error:
            failure = type(error).__name__
        else:
            drawings: dict[str, str] = json.loads(child.stdout)
            return drawings
    _log.warning(
        "The charts of the report were not drawn: vl-convert ended with %s."
        " The report says the same in sentences and tables.",
        failure,
    )
    return {}


def _main() -> None:
    import vl_convert

    specs = json.load(sys.stdin)
    json.dump({name: vl_convert.vegalite_to_svg(spec) for name, spec in specs.items()}, sys.stdout)


if __name__ == "__main__":
    _main()
