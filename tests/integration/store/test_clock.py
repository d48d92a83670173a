"""The moments that scripts write: Redis TIME, in RQ's words and as integers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis import Redis

from portaria.store.scripts import script

_CLOCK = "local clock = call('TIME')\n"
_SHIFTED = "local clock = {ARGV[1], ARGV[2]}\n"

MOMENTS = [
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2000, 2, 29, 12, tzinfo=UTC),
    datetime(2000, 3, 1, tzinfo=UTC),
    datetime(2024, 2, 29, 23, 59, 59, 7, tzinfo=UTC),
    datetime(2026, 11, 21, 2, 3, 4, 50_000, tzinfo=UTC),
    datetime(2027, 1, 1, tzinfo=UTC),
    datetime(2099, 12, 31, 23, 59, 59, tzinfo=UTC),
    datetime(2100, 2, 28, 23, 59, 59, tzinfo=UTC),
    datetime(2100, 3, 1, tzinfo=UTC),
    datetime(2400, 2, 29, tzinfo=UTC),
]


@pytest.mark.parametrize("moment", MOMENTS, ids=str)
def test_a_moment_is_written_as_rq_writes_it(redis: Redis, moment: datetime) -> None:
    """Leap years, ends of months, leading zeros of microseconds."""
    assert _evaluate(redis, moment, "return iso()") == f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}"


def test_every_day_of_nine_years_is_written_right(redis: Redis) -> None:
    """Through two leap days, at an odd hour."""
    first = datetime(2023, 1, 1, 13, 14, 15, 16, tzinfo=UTC)
    days = [first + timedelta(days=number) for number in range(9 * 366)]
    loop = """
    local answer = {}
    for day = 0, 9 * 366 - 1 do
      stamp = nil
      seconds = tonumber(ARGV[1]) + day * 86400
      answer[#answer + 1] = iso()
    end
    return table.concat(answer, ' ')
    """

    written = _evaluate(redis, first, loop).split()

    assert written == [f"{day:%Y-%m-%dT%H:%M:%S.%fZ}" for day in days]


@pytest.mark.parametrize("moment", MOMENTS, ids=str)
def test_milliseconds_keep_every_digit(redis: Redis, moment: datetime) -> None:
    """No exponent, no rounding, also where a number is joined to text."""
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    milliseconds = since // timedelta(milliseconds=1)

    assert _evaluate(redis, moment, "return int(now) .. '-0'") == f"{milliseconds}-0"


@pytest.mark.parametrize("value", [0, 1, 10**14, 10**15 + 1, 2**53 - 1])
def test_large_integers_are_written_whole(redis: Redis, value: int) -> None:
    """Lua itself would write 1e+14."""
    assert _evaluate(redis, MOMENTS[0], f"return int({value})") == str(value)


def _evaluate(redis: Redis, moment: datetime, body: str) -> str:
    """What the prelude makes of a moment that is not the present one."""
    prelude = script("promote").text.partition("local ids = ")[0]
    assert prelude.count(_CLOCK) == 1
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    seconds, micros = since // timedelta(seconds=1), since.microseconds
    reply: Any = redis.eval(prelude.replace(_CLOCK, _SHIFTED) + body, 0, seconds, micros)
    return str(reply.decode())
