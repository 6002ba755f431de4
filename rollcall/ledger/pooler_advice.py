"""Addresses to use instead of a pooler in transaction mode, by the host of the connection."""

from __future__ import annotations

__all__ = ["ADVICE_BY_HOST", "advice_for"]

NEON = "Neon: the same host without `-pooler`"
SUPABASE = "Supabase: port 5432 instead of 6543"
RDS_PROXY = "RDS Proxy: the endpoint of the database itself"
PGBOUNCER = "PgBouncer: the server itself, or a port of the pooler with pool_mode = session"

ADVICE_BY_HOST = f"{NEON}. {SUPABASE}. {RDS_PROXY}. {PGBOUNCER}."


def advice_for(host: str) -> str:
    """The advice for a known host; for an unknown host, the advice for all known ones."""
    name = host.lower().rstrip(".")
    if name.endswith((".neon.tech", ".neon.build")):
        return f"{NEON}."
    if name.endswith((".supabase.com", ".supabase.co")):
        return f"{SUPABASE}."
    if name.endswith((".rds.amazonaws.com", ".rds.amazonaws.com.cn")) and ".proxy-" in name:
        return f"{RDS_PROXY}."
    return ADVICE_BY_HOST
