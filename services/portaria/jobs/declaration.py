"""Finds the lists of schedules that PORTARIA_SCHEDULES names.

A list is a module with `SCHEDULES = [Schedule(…), …]`; its name is the owner of what it declares.
Who renames a module keeps what it owns by `OWNER = "its.old.name"` in it.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import Distribution, PackageNotFoundError, distributions, version
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote, urlsplit

from portaria.core.errors import ConfigurationError, InvalidRequest, Violation
from portaria.jobs.schedule import Schedule
from portaria.v1 import schedules_service_pb2 as pb

_PLACE = re.compile(r"schedules\[(\d+)\]\.?")

UNKNOWN_RELEASE = "0"
"""Of a list that no installed distribution brings."""


@dataclass(frozen=True, slots=True)
class DeclaredList:
    """What one module declares."""

    owner: str
    """The module's name, or what its OWNER says."""
    release: str
    schedules: Sequence[pb.Schedule]

    def named(self, wrong: Violation) -> Violation:
        """What is wrong with `schedules[3].cron`, as of "nightly cron"."""
        found = _PLACE.match(wrong.field)
        if found is None or int(found[1]) >= len(self.schedules):
            return wrong
        name = self.schedules[int(found[1])].schedule_id
        return replace(wrong, field=f"{name} {wrong.field[found.end() :]}".rstrip())


def modules_of(packages: Iterable[str]) -> tuple[str, ...]:
    """The module `schedules` of each package that has one."""
    return tuple(name for each in packages if _exists(name := f"{each}.schedules"))


def load_declared(modules: Iterable[str], *, release: str = "") -> list[DeclaredList]:
    """Imports each list. Raises ConfigurationError with all that is wrong with any of them.

    `release` is theirs; unless given, the version of the distribution that holds a module.
    """
    wrong: list[str] = []
    found: list[DeclaredList] = []
    owners: dict[str, str] = {}
    for name in dict.fromkeys(modules):
        try:
            module = importlib.import_module(name)
        except (Exception, SystemExit) as error:  # whatever a file of somebody else may raise
            wrong.append(f'PORTARIA_SCHEDULES: cannot import "{name}": {error}')
            continue
        schedules = [*_schedules(module, wrong)]
        for schedule in schedules:
            first = owners.setdefault(schedule.schedule_id, name)
            if first != name:
                wrong.append(f"{name}: {schedule.schedule_id} is declared in {first}, too")
        owner = getattr(module, "OWNER", name)
        if not isinstance(owner, str) or not all(map(str.isidentifier, owner.split("."))):
            wrong.append(f"{name}: OWNER is no module's name")
            continue
        found.append(DeclaredList(owner, release or release_of(module), schedules))
    if wrong:
        raise ConfigurationError("\n".join(wrong))
    return found


def release_of(module: ModuleType) -> str:
    """The version of the installed distribution that holds a module, also of one that is edited in
    place; "0" where there is none."""
    top = module.__name__.partition(".")[0]
    # At once for most: the distribution is called as the package.
    for name in (top, top.replace("_", "-")):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    file = Path(getattr(module, "__file__", None) or "/").resolve()
    holder = next((each for each in distributions() if _holds(each, top, file)), None)
    return holder.version if holder else UNKNOWN_RELEASE


def _schedules(module: ModuleType, wrong: list[str]) -> Iterator[pb.Schedule]:
    name = module.__name__
    declared = getattr(module, "SCHEDULES", None)
    if not isinstance(declared, list | tuple):
        wrong.append(f"{name}: expected a list SCHEDULES")
        return
    seen: set[str] = set()
    for number, each in enumerate(declared):
        if not isinstance(each, Schedule):
            wrong.append(f"{name}: SCHEDULES[{number}] is no Schedule: {type(each).__name__}")
            continue
        called = each.id if isinstance(each.id, str) else f"SCHEDULES[{number}]"
        if called in seen:
            wrong.append(f"{name}: {called} is declared twice")
        seen.add(called)
        try:
            yield each.to_proto()
        except InvalidRequest as error:
            wrong += [
                f"{name}: {called}: {one.field} {one.description}" for one in error.violations
            ]
        except Exception as error:  # a value that no message can hold
            wrong.append(f"{name}: {called}: cannot be used: {error}")


def _exists(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _holds(distribution: Distribution, top: str, file: Path) -> bool:
    if any(each.parts[0] == top for each in distribution.files or ()):
        return True
    try:
        url = json.loads(distribution.read_text("direct_url.json") or "{}").get("url", "")
        edited = urlsplit(url)
    except ValueError:
        return False
    return edited.scheme == "file" and file.is_relative_to(unquote(edited.path))
