"""Write `macros/assessed/rules_of.sql`: the names of the rules that each model decides.

A model, or the macro that holds its columns, decides a rule where it says
``{{ <rule>(…) }} as <rule>``. The order is that of the docs blocks
in `macros/rules/_rules.md`. `scripts.rule_pages` writes the file together with the rules' pages.
"""

from __future__ import annotations

import re
from pathlib import Path

from rollcall.rules.sentences import rule_sentences

__all__ = ["LISTS", "rule_lists"]

ROOT = Path(__file__).resolve().parent.parent
LISTS = ROOT / "macros" / "assessed" / "rules_of.sql"
DECIDED_IN = {
    "session_findings": "macros/assessed/findings_on_sessions.sql",
    "assessed_sessions": "models/assessed/assessed_sessions.sql",
    "assessed_calls": "models/assessed/assessed_calls.sql",
    "history_sessions": "macros/assessed/closed_session_rules.sql",
    "history_calls": "models/assessed/history_calls.sql",
}
READS = {"assessed_sessions": "session_findings"}  # has the columns of that model as well
HEAD = """{#
    The rules of a model, each a boolean column of that name, in the order of macros/rules/_rules.md.
    model: session_findings, assessed_sessions, assessed_calls, history_sessions or history_calls.
    Made by scripts/rule_pages.py from the models: do not edit.
#}
{% macro rules_of(model) %}
    {{ return({
"""
TAIL = """    }[model]) }}
{% endmacro %}
"""


def rule_lists() -> str:
    """The text of the file."""
    decided = {model: _decided(ROOT / path) for model, path in DECIDED_IN.items()}
    for model, read in READS.items():
        decided[model] |= decided[read]
    order = list(rule_sentences(ROOT))
    lines = []
    for model, rules in decided.items():
        lines.append(f"        '{model}': [")
        lines += [f"            '{rule}'," for rule in sorted(rules, key=order.index)]
        lines.append("        ],")
    return HEAD + "\n".join(lines) + "\n" + TAIL


def _decided(path: Path) -> set[str]:
    rules = {macro.stem for macro in (ROOT / "macros" / "rules").glob("*.sql")}
    condition = r"(?: if \w+\(\) else 'false')?"  # what an application has may leave a rule without a meaning
    columns = re.findall(
        rf"\{{\{{ (\w+)\([^}}]*?\){condition} \}}\}} as (\w+)", path.read_text(encoding="utf-8")
    )
    return {rule for rule, column in columns if rule == column} & rules
