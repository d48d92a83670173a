"""The pytest plugin: the fixture `portaria`, and its jobs in the report of a test that fails.

Loaded at each start of pytest, so it imports nothing of the platform until a test asks.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from portaria.testing import EagerPlatform

_PLATFORM: pytest.StashKey[EagerPlatform] = pytest.StashKey()


@pytest.fixture
def portaria(request: pytest.FixtureRequest) -> Iterator[EagerPlatform]:
    """An empty job platform in this process, with a clock that the test shifts."""
    from portaria.testing import EagerPlatform

    with EagerPlatform() as platform:
        request.node.stash[_PLATFORM] = platform
        yield platform


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Shows the jobs of a test that failed."""
    report = yield
    platform = item.stash.get(_PLATFORM, None)
    if report.failed and report.when == "call" and platform is not None:
        report.sections.append(("portaria jobs", str(platform)))
    return report
