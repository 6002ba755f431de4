"""The Prefect server that the user has configured with PREFECT_API_URL."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from rollcall.errors import ConfigurationError

__all__ = ["require_address", "users_api", "without_user"]


def users_api() -> str | None:
    """The Prefect API that the user has configured, or none.

    Raises:
        ConfigurationError: it does not answer.
    """
    from prefect.settings import PREFECT_API_URL

    url: str | None = PREFECT_API_URL.value()
    if url:
        _try_users_api(url)
    return url


def require_address(url: str | None) -> None:
    """Check the address, which may hold a password, before Prefect reads it."""
    if not url:
        return
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigurationError(
            "PREFECT_API_URL is no address of a server",
            "set it to one like http://127.0.0.1:4200/api; without it `rollcall` uses a server of its own",
        )


def _try_users_api(url: str) -> None:
    """Send a read-only request with the user's credentials and proxies.

    Raises:
        ConfigurationError: the server does not answer, or refuses.
    """
    import httpx
    from prefect import get_client

    named = "the Prefect server that PREFECT_API_URL names"
    try:
        with get_client(sync_client=True) as client:
            client.read_flows(limit=1)
    except httpx.HTTPStatusError as error:
        status = error.response.status_code
        remedy = "correct the variable; the address of a Prefect API usually ends in /api"
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            remedy = "set PREFECT_API_AUTH_STRING, or PREFECT_API_KEY for Prefect Cloud"
        raise ConfigurationError(
            f"{named} refuses the request with status {status}: {without_user(url)}", remedy
        ) from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ConfigurationError(
            f"{named} does not answer ({type(error).__name__}): {without_user(url)}",
            "start it or correct the variable; without it `rollcall` uses a server of its own",
        ) from None
    except (ValueError, RuntimeError):  # the answer is not that of a Prefect server of this version
        raise ConfigurationError(
            f"{named} does not answer as Prefect's API of this version: {without_user(url)}",
            "correct the variable; the address of a Prefect API usually ends in /api",
        ) from None


def without_user(url: str) -> str:
    """The address without a user and password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
