"""Great Expectations' data docs of one run as static pages that work offline.

GX's pages load a dozen files from the network and run scripts. The copies do neither; they have their own
style sheet and an index of the judged suites with their results. They contain counts, rules and reasons, but
no value and no key of a row.
"""

from __future__ import annotations

import html
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rollcall.rules.judging import Judgement
from rollcall.rules.pages import write_pages
from rollcall.rules.results import Severity

__all__ = ["build_data_docs"]


def build_data_docs(
    directory: Path,
    judgements: Iterable[Judgement],
    run_name: str = "rollcall",
    run_time: datetime | None = None,
    report: str | None = None,
) -> Path:
    """Build GX's data docs of one run as static pages that load nothing from the network.

    Args:
        directory: the folder of the site; created if missing, other files in it stay.
        judgements: the judged suites.
        run_name: shown on the pages and part of their paths; the run's id.
        run_time: the instant of the judgement, aware; now by default.
        report: the path of the readiness report relative to the index, which links to it.

    Returns:
        The path of the site's index.html.
    """
    moment = run_time or datetime.now(UTC)
    judged = list(judgements)
    with tempfile.TemporaryDirectory(prefix="rollcall-docs-") as scratch:
        write_pages(Path(scratch), judged, run_name, moment)
        pages = _copy_pages(Path(scratch), directory)
    index = directory / "index.html"
    index.write_text(_index_page(judged, pages, run_name, moment, report), encoding="utf-8")
    return index


def _copy_pages(source: Path, target: Path) -> dict[str, Path]:
    """Copy GX's pages without external resources; returns each suite's page below `target`."""
    results = {}
    for page in sorted(source.glob("*/**/*.html")):
        relative = page.relative_to(source)
        (target / relative).parent.mkdir(parents=True, exist_ok=True)
        (target / relative).write_text(_offline(page.read_text(encoding="utf-8")), encoding="utf-8")
        if relative.parts[0] == "validations":
            results[relative.parts[1]] = relative
    target.mkdir(parents=True, exist_ok=True)
    return results


def _offline(page: str) -> str:
    """Remove scripts and remote styles from a GX page and add the local style."""
    page = re.sub(r"<script\b.*?</script>", "", page, flags=re.DOTALL | re.IGNORECASE)
    page = re.sub(r"<footer\b.*?</footer>", "", page, flags=re.DOTALL | re.IGNORECASE)
    page = re.sub(r"<link\b[^>]*>", "", page, flags=re.IGNORECASE)
    page = re.sub(r"<img\b[^>]*>", "Rollcall: data docs", page, flags=re.IGNORECASE)
    page = re.sub(r"url\([^)]*\)", "none", page)
    page = re.sub(r"\s(onclick|onload)=\"[^\"]*\"", "", page)
    page = re.sub(r"`([^`<>]+)`", r"<code>\1</code>", page)  # commands in the texts of the rules
    return page.replace("</head>", f"<style>{_STYLE}</style></head>", 1)


def _index_page(
    judged: Sequence[Judgement],
    pages: Mapping[str, Path],
    run_name: str,
    moment: datetime,
    report: str | None,
) -> str:
    """Make the index as a table; GX's own index is a script that needs the network."""
    rows = "\n".join(_index_row(judgement, pages[judgement.suite.name]) for judgement in judged)
    back = f'<a href="{html.escape(report)}">The readiness report of this run</a>' if report else ""
    title = f"Run {html.escape(run_name)}, {moment:%Y-%m-%d %H:%M:%S %Z}"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="UTF-8">
<meta name="viewport" content="width=device-width, initial-scale=1.0">
<title>Rollcall: data docs</title>
<style>{_STYLE}</style>
</head>
<body>
<nav class="navbar"><strong>Rollcall: data docs</strong></nav>
<div class="container-fluid">
<h1>{title}</h1>
<p>How Great Expectations judged each rule: exact counts, no value of a row. {back}</p>
<div class="table-responsive">
<table class="table table-bordered">
<thead><tr><th scope="col">Result</th><th scope="col">Judged</th><th scope="col">Rules</th>\
<th scope="col">Violated</th><th scope="col">Pages</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
</div>
</div>
</body>
</html>
"""


def _index_row(judgement: Judgement, page: Path) -> str:
    suite = judgement.suite
    violated = [rule for rule in judgement if not rule.passed]
    if any(rule.severity in (Severity.BLOCKING, Severity.CRITICAL) for rule in violated):
        icon, result = "fa-times text-danger", "fails"
    elif violated:
        icon, result = "fa-exclamation-triangle text-warning", "passes, with warnings"
    else:
        icon, result = "fa-check-circle text-success", "passes"
    over = html.escape(str(suite.document.get("meta", {}).get("over", suite.name)))
    name = html.escape(suite.name)
    return (
        f'<tr><td><i class="fas {icon}" aria-hidden="true"></i> {result}</td>'
        f"<td>{over}</td><td>{len(judgement)}</td><td>{len(violated)}</td>"
        f'<td><a href="{html.escape(page.as_posix())}">{name}: results</a>, '
        f'<a href="expectations/{name}.html">expectations</a></td></tr>'
    )


# The few classes of Bootstrap and Font Awesome that GX's pages use.
_STYLE = """
*{box-sizing:border-box}
body{margin:0;font:16px/1.5 system-ui,sans-serif;color:#212529;background:#fff}
a{color:#0062cc;text-decoration:none}a:hover{text-decoration:underline}
h1{font-size:1.4rem}h1,h4,h5,h6{margin:0 0 .5rem;line-height:1.2}h5,h6{font-size:1rem}
code{font:.9em ui-monospace,Menlo,Consolas,monospace}p{margin:0 0 .5rem}
.navbar{display:flex;align-items:center;padding:.5rem 1.5rem;border-bottom:1px solid #dee2e6}
.navbar .navbar{border:0;padding:0}.navbar{height:auto!important;flex-wrap:wrap}.navbar-brand{font-weight:600}
.breadcrumb{display:flex;list-style:none;margin:0 0 0 1.5rem;padding:0}
.breadcrumb-item+.breadcrumb-item::before{content:"/";padding:0 .5rem;color:#6c757d}
.container-fluid{padding:1rem 1.5rem}.row{display:flex;flex-wrap:wrap}
.row>*{flex:0 0 100%;max-width:100%;padding:0 .75rem}
.row>.col-6{flex-basis:50%;max-width:50%}
@media(min-width:768px){.row>.col-md-2{flex-basis:20%;max-width:20%}
.row>.col-md-10{flex-basis:80%;max-width:80%}}
.card{border:1px solid #dee2e6;border-radius:.25rem;margin-bottom:1rem}
.card-header{padding:.5rem;background:#f1f3f5}.card-body{padding:.5rem}
.card:has(.btn-group),.collapse{display:none}.collapse:target{display:block}
.ge-navigation-sidebar-container{overflow:auto;padding:.25rem}
.nav{list-style:none;margin:0;padding:0}.nav-link{display:block;padding:.25rem .5rem}
.alert{padding:.75rem 1rem;margin:.5rem 0;border-radius:.25rem}
.alert-secondary{background:#e9ecef}.table-responsive{overflow-x:auto}
.table{width:100%;border-collapse:collapse}
.table td,.table th{padding:.4rem .6rem;border-top:1px solid #dee2e6;text-align:left}
.table td,.table th{vertical-align:top}
.ge-section .table th:first-child,.ge-section .table td:first-child{width:5rem}
.ge-section .table th:last-child,.ge-section .table td:last-child{width:9rem}
.table-bordered td,.table-bordered th{border:1px solid #dee2e6}
.badge{padding:.1rem .4rem;border-radius:.25rem;background:#e9ecef;font-weight:600}
.text-success{color:#1a7f37}.text-danger{color:#c01c28}.text-warning{color:#8a5d00}
.ge-section{margin-bottom:.25rem!important;padding-bottom:.25rem!important}
.ge-section hr{display:none}
.m-0{margin:0}.p-0{padding:0}[hidden]{display:none}
.fas{font-style:normal;font-weight:700}
.fa-check-circle::before{content:"\\2714"}.fa-times::before{content:"\\2718"}
.fa-exclamation-triangle::before,.fa-exclamation-circle::before{content:"\\26A0"}
@media(max-width:767px){.row>.col-6{flex-basis:100%;max-width:100%}.container-fluid{padding:.5rem}}
@media(prefers-color-scheme:dark){.text-success{color:#5ccf7a}.text-danger{color:#ff8b84}.text-warning{color:#e3b341}
.table td,.table th,.table-bordered td,.table-bordered th,.navbar,.card{border-color:#343a40}
body{color:#f1f1f1;background:#16191c}a{color:#6db3ff}
.alert-secondary,.card-header,.badge{background:#2b3035}.alert-secondary a{color:#6db3ff}}
"""
