-- Try to take the lock of the lease for the session.
select pg_catalog.pg_try_advisory_lock({{ lease_keys() }}) as is_ours
