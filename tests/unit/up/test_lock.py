"""One `portaria up` a data directory."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from portaria.core.errors import ConfigurationError
from portaria.up.lock import locked


def test_a_second_holder_is_refused_with_the_first_ones_name(tmp_path: Path) -> None:
    """Two Redis servers over the same data would destroy it."""
    with (
        locked(tmp_path / "data"),
        pytest.raises(ConfigurationError, match=f"process {os.getpid()}"),
        locked(tmp_path / "data"),
    ):
        pass


def test_a_directory_is_free_again_after_its_holder(tmp_path: Path) -> None:
    """And it was made for its owner alone."""
    with locked(tmp_path / "data"):
        pass

    with locked(tmp_path / "data"):
        assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
