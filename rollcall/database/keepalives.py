"""The TCP keepalives of every connection, so that each side notices in a minute that the other is gone.

With the defaults of most systems a server notices after two hours that the machine of a client has lost its
power, and keeps the lease of its run until then; a client waits as long for a server that has failed over.
"""

from __future__ import annotations

__all__ = ["CLIENT_KEEPALIVES", "SERVER_KEEPALIVES"]

IDLE_SECONDS = 30  # without traffic before the first probe
INTERVAL_SECONDS = 10  # between two probes
PROBES = 3  # without an answer
UNACKNOWLEDGED_MILLISECONDS = (IDLE_SECONDS + PROBES * INTERVAL_SECONDS) * 1_000

# libpq's parameters; those of the conninfo have precedence
CLIENT_KEEPALIVES = {
    "keepalives_idle": IDLE_SECONDS,
    "keepalives_interval": INTERVAL_SECONDS,
    "keepalives_count": PROBES,
    "tcp_user_timeout": UNACKNOWLEDGED_MILLISECONDS,
}

# the server's settings for the session; without a meaning on a Unix socket
SERVER_KEEPALIVES = {
    "tcp_keepalives_idle": str(IDLE_SECONDS),
    "tcp_keepalives_interval": str(INTERVAL_SECONDS),
    "tcp_keepalives_count": str(PROBES),
    "tcp_user_timeout": str(UNACKNOWLEDGED_MILLISECONDS),
}
