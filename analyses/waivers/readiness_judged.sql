-- One row per waiver that matches anything, and per key that is named: live data. $1: the waivers.
{{ judged_violations(ref('violations')) }}
