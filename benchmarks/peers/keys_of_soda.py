"""`python keys_of_soda.py CONFIGURATION CHECKS`: scan with Soda, and print what it found as JSON.

By check: the exact count, and the keys, of which Soda keeps 10,000 at most.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from soda.sampler.sample_context import SampleContext
from soda.sampler.sampler import Sampler
from soda.scan import Scan

found: dict[str, dict[str, Any]] = {}


class Keys(Sampler):
    """Keeps the count and the keys of each check."""

    def store_sample(self, sample_context: SampleContext) -> None:
        sample = sample_context.sample
        keys = [str(row[0]) for row in sample.get_rows()]
        found[sample_context.check_name] = {"count": sample.get_rows_count(), "keys": keys}


scan = Scan()
scan.set_data_source_name("call_centre")
scan.add_configuration_yaml_file(sys.argv[1])
scan.add_sodacl_yaml_file(sys.argv[2])
scan.sampler = Keys()
scan.execute()
if scan.has_error_logs():
    raise SystemExit(scan.get_error_logs_text())
json.dump(found, sys.stdout)
