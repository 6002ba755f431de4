-- One row per open session with one boolean for each rule that a session, its agent and the calls decide. The
-- clean-up judges with this model, so it reads only the sessions of the agents of its batch.
{{ findings_on_sessions(ref('session_evidence'), ref('silent_feed')) }}
