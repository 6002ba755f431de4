"""Great Expectations: import, context in memory, suites in its form.

It is imported at the first judgement. Its stores are in memory, and its telemetry is off.
"""

from __future__ import annotations

import functools
import importlib.util
import logging
import os
import sys
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rollcall.errors import ConfigurationError
from rollcall.rules.sentences import rule_sentences
from rollcall.rules.suites import Rule, Suite, read_suites

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite
    from great_expectations.data_context.data_context.abstract_data_context import (
        AbstractDataContext,
    )

__all__ = ["context", "gx_suite", "import_gx", "in_one_line", "load_suites"]


@functools.cache
def import_gx() -> Any:
    """Import GX once, without telemetry and without scipy.stats."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    _defer("scipy.stats")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import great_expectations as gx

    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    return gx


def _defer(module: str) -> None:
    """Load a module at its first use instead of at its import.

    GX imports scipy.stats, a third of its import time, for three expectations about
    distributions. If one of them is ever used the module loads as usual.
    """
    if module in sys.modules:
        return
    spec = importlib.util.find_spec(module)
    if spec is None or spec.loader is None:
        return
    spec.loader = importlib.util.LazyLoader(spec.loader)
    lazy = importlib.util.module_from_spec(spec)
    sys.modules[module] = lazy
    parent, _, name = module.rpartition(".")
    setattr(sys.modules[parent], name, lazy)
    spec.loader.exec_module(lazy)


def context(docs: Path | None = None) -> AbstractDataContext:
    """A context in memory. docs: the folder of its data docs; none: no data docs."""
    gx = import_gx()
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    sites = {} if docs is None else {"rollcall": _site(docs)}
    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        data_docs_sites=sites,
        analytics_enabled=False,
        progress_bars=ProgressBarsConfig(globally=False),
    )
    context: AbstractDataContext = gx.get_context(project_config=config, mode="ephemeral")
    return context


def load_suites(directory: Path) -> dict[str, Suite]:
    """Read the suites, and check that GX knows and can build each expectation.

    Raises:
        ConfigurationError: names the file, the index of the expectation and the remedy.
    """
    suites = read_suites(directory)
    for suite in suites.values():
        gx_suite(suite)
    return suites


def gx_suite(suite: Suite, only: Iterable[str] | None = None) -> ExpectationSuite:
    """The suite in GX's form: all of it, or only these rules.

    GX drops an unknown expectation with a line in its log; the count finds that.
    """
    gx = import_gx()
    wanted = {rule.name for rule in suite.rules} if only is None else set(only)
    expectations = [
        _gx_expectation(f"{suite.path}, expectation {index}", expectation, rule)
        for index, (expectation, rule) in enumerate(
            zip(suite.document["expectations"], suite.rules, strict=True)
        )
        if rule.name in wanted
    ]
    built: ExpectationSuite = gx.ExpectationSuite(
        name=suite.name, expectations=expectations, notes=suite.document.get("notes")
    )
    if len(built.expectations) != len(wanted):
        raise ConfigurationError(
            f"{suite.path}: of {len(wanted)} expectations GX loaded {len(built.expectations)}",
            hint="Correct or remove those it does not know.",
        )
    return built


def _gx_expectation(where: str, expectation: Mapping[str, Any], rule: Rule) -> Any:
    from great_expectations.exceptions.exceptions import ExpectationNotFoundError
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    try:
        return ExpectationConfiguration(
            type=expectation["type"],
            kwargs=dict(expectation["kwargs"]),
            severity=expectation["severity"],
            meta=dict(expectation["meta"]),
            description=_description(rule),
            notes=rule_sentences().get(rule.name),
        ).to_domain_obj()
    except ExpectationNotFoundError as error:
        raise ConfigurationError(
            f"{where}: GX knows no expectation {expectation['type']!r}",
            hint="Write the name of a GX expectation, like expect_column_values_to_not_be_null.",
        ) from error
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            f"{where}: {expectation['type']} does not take these kwargs: {in_one_line(error)}",
            hint="Write the keyword arguments that GX documents for it.",
        ) from error


def _description(rule: Rule) -> str:
    """The description of the rule in the data docs."""
    return (
        f"{rule.severity.value.capitalize()}: at most {rule.tolerance} {rule.unit} with this defect."
        f" {rule.reason}"
    )


def _site(folder: Path) -> dict[str, Any]:
    return {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "store_backend": {
            "class_name": "TupleFilesystemStoreBackend",
            "base_directory": str(folder),
        },
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
    }


def in_one_line(message: object) -> str:
    """The message of GX in one short line; pydantic's reason is in the third line."""
    lines = [line.strip() for line in str(message).splitlines() if line.strip()]
    return " ".join(lines[:3])[:300]
