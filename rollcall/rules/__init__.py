"""Rules: suites, results, waivers, custom rules, verdict; Great Expectations."""
