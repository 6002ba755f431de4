"""Rules: suites, their results, waivers, custom rules and the verdict; the door to Great Expectations."""
