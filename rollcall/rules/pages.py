"""The data docs that Great Expectations renders from judgements."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rollcall.rules.gx import context, gx_suite, import_gx
from rollcall.rules.judging import Judgement, rule_name

if TYPE_CHECKING:
    from great_expectations.data_context.data_context.abstract_data_context import (
        AbstractDataContext,
    )

__all__ = ["write_pages"]


def write_pages(folder: Path, judgements: Iterable[Judgement], run_name: str, moment: datetime) -> None:
    """Write the pages of GX for some judgements; see `rollcall.report.data_docs`.

    Args:
        folder: an empty one.
        run_name: part of the pages' paths, and shown on them.
        moment: the instant of judgement, aware.
    """
    documented = context(folder)
    for judgement in judgements:
        documented.suites.add(gx_suite(judgement.suite))
        _store(documented, judgement, run_name, moment)
    documented.build_data_docs()


def _store(documented: AbstractDataContext, judgement: Judgement, run_name: str, moment: datetime) -> None:
    from great_expectations.core import RunIdentifier, expectationSuiteValidationResultSchema
    from great_expectations.data_context.types.resource_identifiers import (
        ExpectationSuiteIdentifier,
        ValidationResultIdentifier,
    )

    name = judgement.suite.name
    # GX parses a run name as a time if dateutil can, and fails at "20260301T120000Z-9917"
    named = "run-" + re.sub(r"[^\w.-]", "_", run_name)
    run = RunIdentifier(run_name=named, run_time=moment)
    loaded = expectationSuiteValidationResultSchema.load(dict(judgement.validation))
    for result in loaded.results:
        if not result.success:
            remedy = judgement.suite.rule(rule_name(result)).remedy
            result.expectation_config.description += f" What to do: {remedy}"
    loaded.meta = {
        "great_expectations_version": import_gx().__version__,
        "run_id": run,
        "batch_kwargs": {"data_asset_name": judgement.suite.document.get("meta", {}).get("over")},
    }
    key = ValidationResultIdentifier(
        expectation_suite_identifier=ExpectationSuiteIdentifier(name),
        run_id=run,
        batch_identifier=name,
    )
    documented.validation_results_store.set(key, loaded)
