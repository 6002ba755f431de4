-- One row with the counts of the live data, as JSON; one per key that is named, and one per waiver that matches
-- anything. Everything comes from one pass over the open sessions, and before the migration from one over the calls.
-- read once: open_sessions, assessed_sessions, assessed_calls
-- $1: the waivers.
{{ judged_violations(ref('violations'), counts=ref('readiness_counts')) }}
