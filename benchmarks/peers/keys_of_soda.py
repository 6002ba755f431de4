"""`python keys_of_soda.py CONFIGURATION CHECKS`: scan with Soda, and print the keys that it found as JSON."""

from __future__ import annotations

import json
import sys

from soda.sampler.sample_context import SampleContext
from soda.sampler.sampler import Sampler
from soda.scan import Scan

found: dict[str, list[str]] = {}


class Keys(Sampler):
    """Keeps the keys of all rows."""

    def store_sample(self, sample_context: SampleContext) -> None:
        rows = sample_context.sample.get_rows()
        found[sample_context.check_name] = [str(row[0]) for row in rows]


scan = Scan()
scan.set_data_source_name("call_centre")
scan.add_configuration_yaml_file(sys.argv[1])
scan.add_sodacl_yaml_file(sys.argv[2])
scan.sampler = Keys()
scan.execute()
if scan.has_error_logs():
    raise SystemExit(scan.get_error_logs_text())
json.dump(found, sys.stdout)
