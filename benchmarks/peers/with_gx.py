"""`python with_gx.py URL FOLDER`: an expectation for each query of the folder; print counts and keys as JSON.

Great Expectations gives the exact count of a query's rows, and at most 200 of them.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

os.environ["GX_ANALYTICS_ENABLED"] = "false"

import great_expectations as gx


def main(url: str, folder: str) -> None:
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    source = context.data_sources.add_postgres("call_centre", connection_string=url)
    data = source.add_table_asset("agent_sessions").add_batch_definition_whole_table("all")
    suite = context.suites.add(gx.ExpectationSuite(name="call_centre"))
    for file in sorted(Path(folder).glob("*.sql")):
        suite.add_expectation(
            gx.expectations.UnexpectedRowsExpectation(
                unexpected_rows_query=file.read_text("utf-8"), meta={"rule": file.stem}
            )
        )
    definition = gx.ValidationDefinition(name="call_centre", data=data, suite=suite)
    found = {}
    for result in definition.run(result_format="COMPLETE").results:
        if result.exception_info.get("raised_exception"):
            raise RuntimeError(result.exception_info["exception_message"])
        rows = result.result["details"]["unexpected_rows"]
        found[result.expectation_config.meta["rule"]] = {
            "count": result.result["observed_value"],
            "keys": [str(row["id"]) for row in rows],
        }
    json.dump(found, sys.stdout)


main(*sys.argv[1:])
