"""A short summary in GitHub-flavoured Markdown, for a pull request or a job's page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from rollcall.report import words
from rollcall.report import words_of_changes as change_words
from rollcall.report.outcome import RunOutcome
from rollcall.report.text import in_words, moment, number, printable, with_code
from rollcall.rules.results import NOT_JUDGED, Assessment, RuleResult, TrippedBreaker
from rollcall.rules.waiver import WaiverState

__all__ = ["markdown_of_failure", "markdown_summary"]

RULES_SHOWN = 100
_OF_ADDRESSES = ":/?#[]@!$&'()*+,;=%"

_CHECK_SYMBOLS = {"PASS": "✅", "NEEDS_CLEANUP": "🟡", "FAIL": "❌", NOT_JUDGED: "–"}

# Characters of Markdown and GitHub markup: emphasis, mentions, issues, formulas, links, emoji.
_MEANINGFUL = re.compile(
    r"[\\`*\[\]<>|~&@#$^]|(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])|:(?=\S)|(?<=www)\.", re.IGNORECASE
)


def markdown_summary(outcome: RunOutcome, report: str | None = None) -> str:
    """Summarise the verdict, checks, violated rules, changes and next steps.

    The summary contains no key of a row. Text from other sources is escaped: it cannot break a table or form
    markup, links, mentions or images.

    Args:
        report: the address, or the path, of the whole report.
    """
    latest = outcome.latest
    parts = [
        *_breaker(outcome),
        _verdict_line(outcome),
        _about(outcome),
        _prose(words.verdict_sentence(outcome)),
    ]
    if latest is not None:
        parts += [f"> **Mind:** {_escape(warning)}" for warning in _warnings(latest)]
        parts += [_prose(words.history_sentence(latest.history))] if latest.history else []
        if latest.not_judged:
            parts.append(f"Not judged here: {_escape(words.not_judged_sentence(latest))}.")
        parts.append(_checks(latest, outcome.compared[0] if outcome.compared else None))
        parts += _rules("What is wrong", words.deciding(latest), outcome.breaker)
        parts += _rules("Good to know", words.noted(latest), outcome.breaker)
        parts += _section("Waived", _bullets(_waived(latest)))
    parts += _done(outcome)
    parts += _section("What to do next", _bullets(change_words.next_steps(outcome)))
    parts += _section("The whole report", _link(report) if report else "")
    return "\n\n".join(parts) + "\n"


def _breaker(outcome: RunOutcome) -> list[str]:
    if outcome.breaker is None:
        return []
    return [f"## 🛑 {words.BREAKER_TITLE}", *map(_prose, words.breaker_sentences(outcome.breaker))]


def markdown_of_failure(command: str, message: str) -> str:
    """Make the summary of a failed judgement."""
    return f"## Rollcall: not judged\n\n{_code(f'rollcall {command}')} could not judge: {_escape(message)}\n"


def _verdict_line(outcome: RunOutcome) -> str:
    latest = outcome.latest
    if latest is None:
        return "## Rollcall: not judged"
    line = f"{words.symbol(latest.verdict)} {words.verdict_title(latest.verdict)}"
    if outcome.compared and outcome.compared[0].verdict is not latest.verdict:
        before = outcome.compared[0].verdict
        line = f"{words.symbol(before)} {words.verdict_title(before)} → {line}"
    return f"## {line}"


def _about(outcome: RunOutcome) -> str:
    took = f", took {in_words(outcome.seconds)}" if outcome.seconds is not None else ""
    run = f", run {_code(outcome.run_id)}" if outcome.run_id else ""
    command = _code(f"rollcall {outcome.command}")
    started = moment(outcome.started_at)
    return f"Database {_code(outcome.database)}, {command}{run}, {started}{took}."


def _checks(latest: Assessment, before: Assessment | None) -> str:
    rows = []
    for check in latest.checks:
        values = [judged.shown(check) for judged in (before, latest) if judged is not None]
        rows.append([f"`{check.value}`", *(f"{_CHECK_SYMBOLS[value]} {value}" for value in values)])
    return _table(["Check", "Before", "After"] if before else ["Check", "Result"], rows)


def _warnings(latest: Assessment) -> Sequence[str]:
    """The warnings without the breaker's, which comes first in the summary."""
    return latest.warnings[1:] if latest.breaker else latest.warnings


def _rules(title: str, rules: Sequence[RuleResult], breaker: TrippedBreaker | None) -> list[str]:
    if not rules:
        return []
    rows = [
        [
            _code(rule.name),
            rule.severity.value,
            number(rule.violations) + (f" ({number(rule.waived)} waived)" if rule.waived else ""),
            number(rule.trend.new) if rule.trend else "–",
            _prose(rule.reason),
            _prose(words.remedy_of(rule, breaker)),
        ]
        for rule in rules[:RULES_SHOWN]
    ]
    table = _table(["Rule", "Severity", "Count", "New", "Why it matters", "What to do"], rows)
    hidden = len(rules) - RULES_SHOWN
    return _section(title, table) + ([f"And {number(hidden)} more rules."] if hidden > 0 else [])


def _waived(latest: Assessment) -> list[str]:
    """The waived rules with counts, the largest first; without keys."""
    results = sorted(latest.waivers, key=lambda result: -result.matches)
    sentences = []
    for result in results[:RULES_SHOWN]:
        waiver, count = result.waiver, words.count_of(result.matches, "violations")
        state = "" if result.state is WaiverState.ACTIVE else f" ({result.state.value})"
        sentences.append(
            f"`{waiver.rule}`: {count}, until {waiver.expires_on}, {waiver.owner}: {waiver.reason}{state}"
        )
    hidden = len(results) - RULES_SHOWN
    return sentences + ([f"And {number(hidden)} more."] if hidden > 0 else [])


def _done(outcome: RunOutcome) -> list[str]:
    sentences = change_words.what_was_done(outcome)
    verification = outcome.verification
    if verification is not None and verification.proof is not None:
        texts = change_words.proof_sentences(verification.proof)
        sentences += texts[:1] if verification.proof.holds else texts
    if verification is not None and verification.migration is not None:
        texts = change_words.migration_sentences(verification.migration)
        sentences += texts[:1] if verification.migration.holds else texts
    if verification is not None and verification.newly_due:
        sentences.append(f"{words.count_of(verification.newly_due, 'sessions')} newly due.")
    if outcome.plan is not None and not outcome.acted:
        statements = words.count_of(len(outcome.plan.statements), "statements")
        repairs = words.count_of(outcome.plan.change_count, "repairs")
        sentences.append(f"A run would do: {statements} on the schema, {repairs} of sessions.")
    return _section("What was done" if outcome.acted else "What is known", _bullets(sentences))


def _section(title: str, body: str) -> list[str]:
    return [f"### {title}", body] if body else []


def _bullets(sentences: Iterable[str]) -> str:
    return "\n".join(f"- {_prose(sentence)}" for sentence in sentences)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---:" if title in ("Count", "New") else "---" for title in head], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _link(report: str) -> str:
    if report.startswith(("http://", "https://")):
        return f"<{quote(report, safe=_OF_ADDRESSES)}>"
    return f"{_code(report)} on the machine of the run."


def _prose(text: str) -> str:
    return with_code(text, _escape, "<code>{}</code>")


def _code(text: str) -> str:
    return f"<code>{_escape(text)}</code>"


def _escape(text: str) -> str:
    """Escape text with character references, which Markdown never reads as markup."""
    return _MEANINGFUL.sub(lambda match: f"&#{ord(match.group())};", printable(text, 500))
