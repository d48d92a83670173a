"""The instants of a cron in a zone.

A cron without `*` in its hour field follows the wall clock: each local time that matches runs once,
at the first instant at which the clock shows it or a later one. So what the clock skips runs at the
moment of the change, however much of it there is, and what it shows twice runs the first time.

Any other cron goes by elapsed time: it runs at each instant whose local time matches, so twice in
an hour that is shown twice, and not at all in one that is skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from portaria.core.recurrence.cron import Cron
from portaria.core.recurrence.stretch import MARGIN, Stretch, stretches, year_of, year_start

# The 29th of February is on a given weekday after 40 years at the latest.
_BARREN_YEARS = 40


def instants(cron: Cron, zone: ZoneInfo, first: int, last: int) -> Iterator[int]:
    """Those in [first, last], ascending: seconds since 1970, of the years 1970 to 9999.

    Ends, too, where nothing came for 40 years.
    """
    year, barren = year_of(first), 0
    while year <= year_of(last) and barren <= _BARREN_YEARS:
        barren += 1
        for stretch in stretches(zone, year) if _may_match(cron, year) else ():
            for instant in _within(cron, stretch, first):
                if instant > last:
                    return
                barren = 0
                yield instant
        year += 1


def _may_match(cron: Cron, year: int) -> bool:
    """Whether any local time of a year matches, wherever it is: far cheaper than its stretches."""
    return any(cron.matches(year_start(year) - MARGIN, year_start(year + 1) + MARGIN))


def _within(cron: Cron, stretch: Stretch, first: int) -> Iterator[int]:
    """Those of one stretch, from an instant on."""
    if stretch.end <= first:
        return
    begin = max(stretch.begin, first)
    local = begin + stretch.offset
    if cron.fixed_hours:
        if begin == stretch.begin and any(cron.matches(stretch.shown, local)):
            yield begin
            local += 1
        local = max(local, stretch.shown)
    for each in cron.matches(local, stretch.end + stretch.offset):
        yield each - stretch.offset
