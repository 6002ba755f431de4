"""What each rule means: the docs blocks of `macros/rules/_rules.md`, as the models describe it too."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from rollcall.settings.configuration import PROJECT_DIRECTORY

__all__ = ["rule_sentences"]

_BLOCK = re.compile(r"{% docs (\w+) %}\s*(.*?)\s*{% enddocs %}", re.DOTALL)


@cache
def rule_sentences(project_directory: Path = PROJECT_DIRECTORY) -> Mapping[str, str]:
    """Rule to its sentences, in the order of the file; a rule of the schema or of a user has none."""
    text = (project_directory / "macros" / "rules" / "_rules.md").read_text(encoding="utf-8")
    return {name: " ".join(sentences.split()) for name, sentences in _BLOCK.findall(text)}
