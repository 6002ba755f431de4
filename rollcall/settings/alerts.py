"""The block `alerts:` of `rollcall.yml`: channels, owners, severities and intervals.

The URL of a channel usually holds a secret, so it is given as the name of a variable of the environment or
of a file. A literal URL is accepted only for services whose URL needs no secret. No message shows a value.
"""

from __future__ import annotations

import re
import zoneinfo
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal, Self
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from rollcall.settings.problems import PROBLEM, details_of, line, problem

__all__ = ["AlertSettings", "Channel", "Kind", "Level", "read_alert_settings"]

KEY = "alerts"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,59}")
QUIET = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
NO_SECRET = frozenset({"json", "jsons", "form", "forms", "xml", "xmls", "mailto", "mailtos"})
HARMLESS = frozenset({"to", "from", "cc", "bcc", "name", "smtp", "mode", "format", "method", "reply"})
BY_REFERENCE = "give it by reference: `env: VARIABLE` or `file: PATH`"


class Level(StrEnum):
    """The severity of an alert."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """Position for comparison; 0 is the least severe."""
        return list(Level).index(self)


class Kind(StrEnum):
    """What an alert is about."""

    VERDICT = "verdict"
    BREAKER = "breaker"
    PROOF = "proof"
    RUN = "run"
    MISSED = "missed"
    PLAN = "plan"
    REGRET = "regret"


def _check_name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise problem("must be a name of letters, digits, `.`, `_` and `-`")
    return text


def _check_zone(text: str) -> str:
    if text not in zoneinfo.available_timezones():
        raise problem("names no time zone", "use a name like UTC or Europe/Berlin")
    return text


def _check_quiet(text: str) -> str:
    if not QUIET.fullmatch(text):
        raise problem('must be a text like "22:00-06:00"')
    return text


def _check_literal(text: str) -> str:
    parts = _split(text)
    if parts is None or parts.scheme not in NO_SECRET:
        raise problem("may hold a secret", BY_REFERENCE)
    parameters = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    if "@" in parts.netloc or parameters - HARMLESS:
        raise problem("carries credentials", BY_REFERENCE)
    return text


def _check_base(text: str) -> str:
    parts = _split(text)
    is_plain = parts is not None and parts.scheme in ("http", "https") and parts.netloc
    if parts is None or not is_plain or "@" in parts.netloc or parts.query or parts.fragment:
        raise problem("must be a URL with http or https, without credentials and parameters")
    return text.rstrip("/")


def _split(text: str) -> Any:
    try:
        return urlsplit(text)
    except ValueError:
        return None


Name = Annotated[str, AfterValidator(_check_name)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class Channel(_Strict):
    """A receiver of messages, by a URL of Apprise.

    Attributes:
        env: the variable of the environment that has the URL.
        file: the file that has the URL, relative to `rollcall.yml`.
        url: the URL itself, for a service without a secret.
        severity: the least severity that is sent.
        owner: send only what this owner has to see; none: everything.
    """

    env: Name | None = None
    file: str | None = None
    url: Annotated[str, AfterValidator(_check_literal)] | None = None
    severity: Level = Level.INFO
    owner: Name | None = None

    @model_validator(mode="after")
    def _check_reference(self) -> Self:
        if sum(given is not None for given in (self.env, self.file, self.url)) != 1:
            raise problem("needs one of `env`, `file` and `url`")
        return self

    @property
    def source(self) -> str:
        """Where the URL comes from, without the URL."""
        return f"env {self.env}" if self.env else f"file {self.file}" if self.file else "rollcall.yml"


class AlertSettings(_Strict):
    """When alerts are sent, and where to.

    Attributes:
        owner: of everything that has no owner of its own.
        owners: the owner, by the name of a rule or the kind of an alert.
        severities: another severity than the usual one, by the kind of an alert.
        quiet_hours: like ``22:00-06:00``: only critical alerts are sent; others wait until the end.
        suppress_minutes: after a message, the same alert is not sent again for this long.
        remind_hours: an alert that lasts is sent again after this long.
        lasting_judgements: so many judgements in a row make a change of the verdict an alert,
        lasting_minutes: and so much time must lie between the first and the last of them.
        missed_minutes: after so many minutes without a run it counts as missed: ``clean`` or ``history``.
        deadline_seconds: no run waits longer for the receivers.
        report_url: the address at which the folder of the reports can be read.
    """

    channels: dict[Name, Channel] = Field(default_factory=dict)
    owner: Name | None = None
    owners: dict[Name, Name] = Field(default_factory=dict)
    severities: dict[Kind, Level] = Field(default_factory=dict)
    quiet_hours: Annotated[str, AfterValidator(_check_quiet)] | None = None
    time_zone: Annotated[str, AfterValidator(_check_zone)] = "UTC"
    suppress_minutes: float = Field(default=15, ge=0, le=100_000)
    remind_hours: float = Field(default=24, gt=0, le=10_000)
    lasting_judgements: int = Field(default=2, ge=1, le=100)
    lasting_minutes: float = Field(default=4, ge=0, le=100_000)
    missed_minutes: dict[Literal["clean", "history"], Annotated[float, Field(gt=0, le=1_000_000)]] = Field(
        default_factory=dict
    )
    deadline_seconds: float = Field(default=5, gt=0, le=60)
    report_url: Annotated[str, AfterValidator(_check_base)] | None = None

    def owner_of(self, name: str) -> str | None:
        """The owner of a rule or of a kind of alert."""
        return self.owners.get(name, self.owner)

    def is_quiet(self, moment: datetime) -> bool:
        """Whether an aware instant lies in the quiet hours."""
        found = QUIET.fullmatch(self.quiet_hours or "")
        if found is None:
            return False
        from_hour, from_minute, to_hour, to_minute = map(int, found.groups())
        begin, end = time(from_hour, from_minute), time(to_hour, to_minute)
        here = moment.astimezone(zoneinfo.ZoneInfo(self.time_zone)).time()
        return begin <= here < end if begin <= end else here >= begin or here < end

    @property
    def suppressed_for(self) -> timedelta:
        return timedelta(minutes=self.suppress_minutes)

    def to_json(self) -> dict[str, Any]:
        """The settings; of a channel's URL only where it comes from."""
        document = self.model_dump(mode="json", exclude={"channels"})
        channels = {
            name: {"url": channel.source, "severity": channel.severity.value, "owner": channel.owner}
            for name, channel in self.channels.items()
        }
        return {"channels": channels, **document}


def read_alert_settings(document: Any) -> tuple[AlertSettings, list[str]]:
    """Check the block. Gives the settings, and every problem in a line of its own.

    Args:
        document: what `rollcall.yml` has; None where it has no such block.
    """
    if document is None:
        return AlertSettings(), []
    try:
        return AlertSettings.model_validate(document), []
    except ValidationError as error:
        return AlertSettings(), [
            line(f"{_place(details['loc'])} {_described(details)}", "correct it in rollcall.yml")
            for details in details_of(error)
        ]


def _place(location: tuple[int | str, ...]) -> str:
    """Like ``alerts.channels.operations``; what is no name may be a value and is not shown."""
    parts = [str(part) if NAME.fullmatch(str(part)) else "?" for part in location if part != "[key]"]
    return ".".join([KEY, *parts])


def _described(details: Any) -> str:
    if details["type"] == PROBLEM:
        return str(details["msg"]).removesuffix(".")
    if details["type"] == "extra_forbidden":
        return "is no setting"
    return str(details["msg"]).replace("Input should be", "must be", 1)
