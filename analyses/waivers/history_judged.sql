-- One row per waiver that matches anything, and per key that is named: history. $1: the waivers.
{{ judged_violations(ref('history_violations')) }}
