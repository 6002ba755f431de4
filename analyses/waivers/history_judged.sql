-- One row per key that is named and per waiver that matches anything: closed sessions and calls. The total of a rule's
-- keys is its exact count, so that one pass over each table serves counts and keys. $1: the waivers.
{{ judged_violations(ref('history_violations')) }}
