"""Figures of several rounds, and how two systems compare round by round."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """The least, the middle and the most of some figures."""

    least: float
    median: float
    most: float

    def __str__(self) -> str:
        return f"{short(self.median)} ({short(self.least)} – {short(self.most)})"


def spread(figures: Sequence[float]) -> Spread:
    """The spread of at least one figure."""
    return Spread(min(figures), statistics.median(figures), max(figures))


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Ours in multiples of theirs, each round for itself.

    What slows the machine for a while slows both sides of a round, and few rounds.
    """
    return spread([a / b for a, b in zip(ours, theirs, strict=True)])


def percentile(figures: Sequence[float], share: float) -> float:
    """The figure that `share` of all (0 … 1) do not exceed."""
    return sorted(figures)[min(len(figures) - 1, int(share * len(figures)))]


def short(figure: float) -> str:
    """Three digits that matter."""
    if figure >= 1000:
        return f"{figure:,.0f}"
    return f"{figure:.3g}"
