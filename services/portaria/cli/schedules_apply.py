"""portaria schedules apply: the declared lists become what is stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from portaria.cli.exits import EXIT_CODES_HELP, Exit, Refused
from portaria.v1.schedules_service_pb2 import ApplySchedulesResponse

if TYPE_CHECKING:
    from portaria.jobs.declaration import DeclaredList
    from portaria.settings import Settings

Change = ApplySchedulesResponse.Change
_SIGNS = {
    ApplySchedulesResponse.ACTION_ADDED: ("+", "added", "green"),
    ApplySchedulesResponse.ACTION_CHANGED: ("~", "changed", "yellow"),
    ApplySchedulesResponse.ACTION_REMOVED: ("-", "removed", "red"),
    ApplySchedulesResponse.ACTION_UNCHANGED: ("=", "unchanged", ""),
}


@click.command(
    epilog=EXIT_CODES_HELP, short_help="Makes the stored schedules what the declared lists say."
)
@click.argument("modules", metavar="[MODULE]...", nargs=-1)
@click.option("--release", help="Their version. Default: PORTARIA_RELEASE, or the distribution's.")
@click.option("--dry-run", is_flag=True, help="Say what would change; write nothing.")
@click.option("--force", is_flag=True, help="Also where a newer release has applied them.")
def apply(modules: tuple[str, ...], release: str | None, dry_run: bool, force: bool) -> int:
    """Adds, changes and removes schedules so that they are those of the lists in MODULE...

    Default: the lists of PORTARIA_SCHEDULES, which schedulers apply when they start, too. A list
    owns what it made; schedules of others are left alone, paused ones stay paused. An older release
    changes nothing where a newer one was, but with --force: for a roll-back.
    """
    from portaria.cli.connecting import open_client, telling
    from portaria.settings import load_settings

    settings = load_settings()
    with telling("these schedules cannot be used"):
        lists = _lists(settings, modules, release)
    if not lists:
        click.echo("no declared schedules: name a module, or set PORTARIA_SCHEDULES")
        return Exit.OK
    with open_client(settings) as client:
        # Each list is checked before any is written.
        for is_dry in (True,) if dry_run else (True, False):
            for each in lists:
                with _telling(each):
                    changes = client.schedules.apply(
                        each.owner, each.release, each.schedules, force=force, validate_only=is_dry
                    )
                if is_dry == dry_run:
                    click.echo("\n".join(lines(each, changes, dry_run=dry_run)))
    return Exit.OK


def lines(applied: DeclaredList, changes: Sequence[Change], *, dry_run: bool) -> Iterator[str]:
    """What became of each schedule: a sign, its id, when it ticks; then what is worth a look."""
    yield f"{applied.owner}, release {applied.release}"
    width = max((len(each.schedule_id) for each in changes), default=0)
    for each in sorted(changes, key=lambda change: change.schedule_id):
        sign, _, colour = _SIGNS[each.action]
        words = f"  {sign} {each.schedule_id:<{width}}  {each.in_words}".rstrip()
        yield click.style(words, fg=colour) if colour else words
        yield from (f"    {click.style('warning:', fg='yellow')} {text}" for text in each.warnings)
    counts = Counter(_SIGNS[each.action][1] for each in changes)
    said = ", ".join(f"{counts[word]} {word}" for _, word, _ in _SIGNS.values() if counts[word])
    yield (said or "no schedules") + ("; nothing was written" if dry_run else "")


def _lists(settings: Settings, modules: tuple[str, ...], release: str | None) -> list[DeclaredList]:
    from portaria.jobs.declaration import load_declared, modules_of

    chosen: Iterable[str] = modules
    if not modules:
        chosen = modules_of(settings.jobs) if settings.schedules is None else settings.schedules
    return load_declared(chosen, release=release or settings.release)


@contextmanager
def _telling(applied: DeclaredList) -> Iterator[None]:
    """Violations say which schedule, and not its number."""
    from portaria.cli.connecting import telling
    from portaria.core.errors import InvalidRequest, NewerRelease

    what = f"cannot apply {applied.owner}"
    with telling(what):
        try:
            yield
        except InvalidRequest as error:
            named = map(applied.named, error.violations)
            raise InvalidRequest(named, reason=error.reason) from None
        except NewerRelease as error:
            words = f"{what}: {error.message}\n  for a roll-back that is meant there is --force"
            raise Refused(words, Exit.INVALID) from None
