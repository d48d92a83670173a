"""Kinds of command-line values: durations, moments and labels."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}


def parse_duration(text: str) -> timedelta:
    """ "10s", "1h30m", "250ms" or "2d". Raises ValueError."""
    text = text.strip()
    parts = list(_PART.finditer(text))
    if not parts or "".join(part[0] for part in parts) != text:
        raise ValueError(f'"{text}" is not a duration: expected e.g. 10s, 1h30m, 250ms or 2d')
    try:
        return sum((float(part[1]) * _UNITS[part[2]] for part in parts), timedelta())
    except OverflowError:
        raise ValueError(f'"{text}" is too long') from None


class Duration(click.ParamType[timedelta]):
    """A click type of timedeltas."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Fails with what would be right."""
        if isinstance(value, timedelta):
            return value
        try:
            return parse_duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def labels_of(
    ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    """A click callback: ("team=billing", …) as a dict."""
    labels: dict[str, str] = {}
    for value in values:
        key, equals, text = value.partition("=")
        if not (key and equals):
            raise click.BadParameter(f'"{value}" is not KEY=VALUE', ctx, param)
        if key in labels:
            raise click.BadParameter(f'"{key}" is given twice', ctx, param)
        labels[key] = text
    return labels


class Moment(click.ParamType[datetime]):
    """A click type of moments: ISO 8601, without a zone where the command knows one."""

    name = "moment"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Fails with what would be right."""
        try:
            return value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        except ValueError:
            text = f'"{value}" is no moment: expected e.g. 2026-12-01T08:00 or 2026-12-01T08:00Z'
            self.fail(text, param, ctx)


def in_zone(moment: datetime | None, zone: str) -> datetime | None:
    """One that names no zone is of this one, UTC where it is none."""
    if moment is None or moment.tzinfo is not None:
        return moment
    try:
        return moment.replace(tzinfo=ZoneInfo(zone or "UTC"))
    except (ZoneInfoNotFoundError, ValueError):
        return moment.replace(tzinfo=UTC)  # the door says what is wrong with the zone
