"""Applies the declared lists when a scheduler starts: so a deploy needs no step of its own."""

from __future__ import annotations

from portaria.core.errors import InvalidRequest, NewerRelease, PortariaError, StoreUnavailable
from portaria.jobs.declaration import DeclaredList
from portaria.logs import logger
from portaria.schedules.applying import TRIES, UNCHANGED, Applying, Change, Wanted
from portaria.schedules.checking import Checker
from portaria.schedules.declared import check_list
from portaria.schedules.definitions import Definitions
from portaria.store import Store
from portaria.store.releases import read_standing


def apply_all(
    lists: list[DeclaredList],
    *,
    store: Store,
    checker: Checker,
    definitions: Definitions,
    namespace: str,
) -> None:
    """Each for itself: where one cannot be applied the log says why, and what is stored fires.

    Raises StoreUnavailable: then it is to be called again.
    """
    for each in lists:
        log = logger().bind(owner=each.owner, release=each.release)
        try:
            checked = check_list(checker, each.release, each.schedules)
            wanted = Wanted(owner=each.owner, release=each.release, schedules=checked)
            changes = apply(store, Applying(wanted, definitions, namespace))
        except StoreUnavailable:
            raise
        except NewerRelease as error:
            log.info("a newer release has applied these schedules", newer=error.metadata["release"])
        except InvalidRequest as error:
            named = map(each.named, error.violations)
            wrong = [f"{one.field}: {one.description}" for one in named]
            log.error("these schedules cannot be applied", wrong=wrong)
        except PortariaError as error:
            log.error("these schedules cannot be applied", wrong=[error.message])
        except Exception:
            # A list must never keep what is stored from firing.
            log.exception("these schedules cannot be applied")
        else:
            changed = [one.schedule_id for one in changes if one.action != UNCHANGED]
            log.info("schedules applied", schedules=len(each.schedules), changed=changed)


def apply(store: Store, applying: Applying) -> list[Change]:
    """Answers what was changed. Raises NewerRelease, ScheduleExists, EtagMismatch, and what the
    store raises: what was not written then is written by the next one who applies."""
    for _ in range(TRIES):
        standing = read_standing(store.redis, applying.namespace, applying.wanted.owner)
        if all(applying.heard(store.run(call)) for call in applying.calls(standing)):
            return applying.changes
    raise applying.contended()
