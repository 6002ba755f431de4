"""Delivery by Apprise, within a deadline and without a trace of the channels' URLs.

Apprise has timeouts for the connection and for each read. They do not bound a receiver that sends a byte
now and then, nor the look-up of a name. So each channel is served by a daemon thread, which the run does not
wait for after the deadline, and which ends with the process at the latest.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollcall.service.alerts.digest import Message
from rollcall.settings.alerts import Channel, Level

__all__ = ["Delivery", "deliver"]

TALKATIVE = ("apprise", "urllib3", "requests")  # they log URLs, which hold secrets
NOT_REACHED = "the receiver was not reached or refused it"
STATUS = re.compile(r"error=(\d{3})\b")


@dataclass(frozen=True)
class Delivery:
    """The result for one channel. reason: why it was not delivered, without the URL."""

    channel: str
    reason: str | None = None

    @property
    def is_delivered(self) -> bool:
        return self.reason is None

    def to_json(self) -> dict[str, object]:
        return {"channel": self.channel, "is_delivered": self.is_delivered, "reason": self.reason}


class _UnusableChannel(Exception):
    """The channel has no URL that can be used; the text does not show it."""


def deliver(
    messages: Mapping[str, Message], channels: Mapping[str, Channel], folder: Path, seconds: float
) -> list[Delivery]:
    """Send each message to its channel, all at the same time.

    Args:
        messages: by the name of the channel.
        folder: what the file of a channel is relative to.
        seconds: the deadline of the whole delivery.
    """
    if not messages:
        return []
    statuses = _silence()
    results: dict[str, Delivery] = {}
    threads = []
    for name, message in messages.items():
        try:
            service = _service_of(_url_of(channels[name], folder), seconds)
        except _UnusableChannel as error:
            results[name] = Delivery(name, str(error))
        else:
            arguments = (name, service, message, statuses, results)
            threads.append(threading.Thread(target=_send, args=arguments, name=name, daemon=True))
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    late = f"the receiver did not answer within {seconds:g} s"
    return [results.get(name) or Delivery(name, late) for name in messages]


def _service_of(url: str, seconds: float) -> Any:
    """The service for a URL. Talks to no receiver; the first one loads Apprise, which takes a second."""
    from apprise import Apprise, AppriseAsset

    asset = AppriseAsset(
        app_id="Rollcall",
        app_desc="Rollcall",
        app_url="",
        async_mode=False,
        storage_mode="memory",
    )
    try:
        service = Apprise.instantiate(url, asset=asset)
    except Exception as error:  # its text could show the URL
        raise _UnusableChannel(f"its URL cannot be read ({type(error).__name__})") from None
    if service is None:
        raise _UnusableChannel("its URL is not one that Apprise knows")
    service.socket_connect_timeout = service.socket_read_timeout = seconds
    service.retry = 0
    return service


def _send(
    name: str, service: Any, message: Message, statuses: Mapping[str, str], results: dict[str, Delivery]
) -> None:
    """Send one message. No exception leaves the thread: its text could show the URL."""
    try:
        is_sent = _notify(service, message)
    except Exception as error:
        results[name] = Delivery(name, f"the message could not be sent ({type(error).__name__})")
    else:
        status = statuses.get(name)
        answered = f"the receiver answered {status}" if status else NOT_REACHED
        results[name] = Delivery(name, None if is_sent else answered)


def _notify(service: Any, message: Message) -> bool:
    from apprise import Apprise, NotifyFormat, NotifyType

    kinds = {
        Level.INFO: NotifyType.INFO,
        Level.WARNING: NotifyType.WARNING,
        Level.CRITICAL: NotifyType.FAILURE,
    }
    sender = Apprise(asset=service.asset)
    sender.add(service)
    return bool(
        sender.notify(
            title=message.title,
            body=message.body,
            notify_type=NotifyType.SUCCESS if message.is_good else kinds[message.level],
            body_format=NotifyFormat.TEXT,
        )
    )


def _url_of(channel: Channel, folder: Path) -> str:
    if channel.env:
        url = os.environ.get(channel.env, "").strip()
        if not url:
            raise _UnusableChannel(f"the variable {channel.env} is not set")
        return url
    if channel.file:
        try:
            url = (folder / channel.file).expanduser().read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise _UnusableChannel(f"the file {channel.file} cannot be read") from None
        if not url:
            raise _UnusableChannel(f"the file {channel.file} is empty")
        return url
    return channel.url or ""


class _Statuses(logging.Handler):
    """Keep the status that a receiver answered, by its thread's name, and nothing else of a record."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.by_thread: dict[str, str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(Exception):
            found = STATUS.search(record.getMessage())
            if found:
                self.by_thread[record.threadName or ""] = found[1]


def _silence() -> Mapping[str, str]:
    """Keep the libraries from logging for the rest of the process; gives the statuses by channel.

    It is not undone: a thread that is late may log after the deadline.
    """
    statuses = _Statuses()
    for name in TALKATIVE:
        logger = logging.getLogger(name)
        logger.propagate = False
        logger.setLevel(logging.WARNING)
        logger.handlers[:] = [statuses]
    return statuses.by_thread
