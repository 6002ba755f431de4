-- One row per open session with everything that a rule may ask of it; see evidence_of_sessions.
-- The linter would order what has no order:
-- noqa: disable=AM09
{{ evidence_of_sessions(ref('open_sessions'), in_one_pass=true) }}
