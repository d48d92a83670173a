"""What the ends of workflows and of their jobs must have handed in, and what speaks against it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from robustness.workflows.diary import Line
from robustness.workflows.growing import AT_FAILURE, AT_RETRY, AT_SUCCESS
from robustness.workflows.model import EXPIRED, FAILED, SUCCEEDED
from robustness.workflows.playing import Played
from robustness.workflows.seen import Seen, runs_of

_AT_END = {SUCCEEDED: AT_SUCCESS, FAILED: AT_FAILURE, EXPIRED: AT_FAILURE}
"""What was cancelled is followed by nothing."""


def is_followed(played: Played) -> bool:
    """Whether all hooks have run that must."""
    runs = list(runs_of(played))
    if played.error or not all(seen.is_whole for seen in runs):
        return True
    ended = Counter(line.name for line in played.lines if line.word == "end")
    return _wanted(runs) <= ended


def of_hooks(runs: Sequence[Seen], lines: Sequence[Line]) -> Iterator[str]:
    """Each once, and no other."""
    wanted = _wanted(runs)
    members = {job_id for seen in runs for job_id in seen.run.jobs}
    others = [line for line in lines if line.job_id not in members]
    for name in sorted({line.name for line in others} | wanted.keys()):
        jobs = {line.job_id for line in others if line.name == name}
        ends = {line.job_id for line in others if line.name == name and line.word == "end"}
        if len(jobs) != wanted[name] or len(ends) != wanted[name]:
            yield f"{name}: {len(jobs)} jobs, {len(ends)} of them over, wanted {wanted[name]}"


def _wanted(runs: Sequence[Seen]) -> Counter[str]:
    """name -> how often, over all runs."""
    found: Counter[str] = Counter()
    for seen in runs:
        found[_AT_END.get(seen.state, "")] += 1
        for name in seen.ids.keys() - seen.kept:
            found[name + _AT_END.get(seen.states[name], "")] += 1
            found[name + AT_RETRY] += _retries(seen, name)
    hooks = runs[0].case.hooks if runs else frozenset()
    return Counter({name: count for name, count in found.items() if name in hooks and count})


def _retries(seen: Seen, name: str) -> int:
    """As often as it failed and was not over."""
    return sum(1 for each in seen.job(name).attempts if each.HasField("next_attempt_time"))
