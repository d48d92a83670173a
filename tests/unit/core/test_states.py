"""States: one list for Redis and the contract, and no way out of an end."""

from __future__ import annotations

import pytest

from portaria.core.states import FOLLOWS, PRIORITIES, TERMINAL, State, queue_name, split_queue
from portaria.v1 import job_pb2

PREFIX = "JOB_STATE_"


def test_redis_and_the_contract_have_the_same_states() -> None:
    """Each value in Redis is a JobState without its prefix, and the other way round."""
    names = [value.name for value in job_pb2.JobState.DESCRIPTOR.values]
    contract = {name.removeprefix(PREFIX) for name in names} - {"UNSPECIFIED"}

    assert contract == {state.value for state in State}


def test_every_state_says_what_may_follow() -> None:
    """And names only states."""
    assert FOLLOWS.keys() == set(State)
    assert set().union(*FOLLOWS.values()) <= set(State)


def test_nothing_follows_an_end() -> None:
    """A terminal state never changes; every other one does."""
    assert {state for state in State if not FOLLOWS[state]} == TERMINAL
    assert {state for state in State if state.is_terminal} == TERMINAL


def test_every_state_leads_to_an_end() -> None:
    """No job can be caught in a circle that has no exit."""
    for state in State:
        reached, open_states = {state}, {state}
        while open_states:
            open_states = set().union(*(FOLLOWS[each] for each in open_states)) - reached
            reached |= open_states
        assert reached & TERMINAL, state


def test_no_state_follows_itself() -> None:
    """A change that changes nothing is told to nobody."""
    assert not [state for state in State if state in FOLLOWS[state]]


def test_a_cancelled_run_is_never_queued_again() -> None:
    """CANCELLING leads only to ends."""
    assert FOLLOWS[State.CANCELLING] <= TERMINAL


def test_priorities_are_the_contracts_the_first_served_first() -> None:
    """PRIORITY_CRITICAL is the highest number there, and comes first here."""
    values = sorted(job_pb2.Priority.values(), reverse=True)
    names = [job_pb2.Priority.Name(value).removeprefix("PRIORITY_").lower() for value in values]

    assert list(PRIORITIES) == names[:-1]
    assert names[-1] == "unspecified"


@pytest.mark.parametrize("priority", PRIORITIES)
def test_a_queue_is_named_by_domain_and_priority(priority: str) -> None:
    """And its name gives both back."""
    assert split_queue(queue_name("mail", priority)) == ("mail", priority)


@pytest.mark.parametrize(
    "name", ["", "mail", ":high", "mail:", "mail:urgent", "mail:HIGH", "mail:high:low", "high"]
)
def test_what_is_no_queue_is_said_with_what_is_expected(name: str) -> None:
    """The name, the shape and all priorities."""
    with pytest.raises(ValueError) as refusal:
        split_queue(name)

    assert f'"{name}" is not a queue' in str(refusal.value)
    assert "critical, high, default, low" in str(refusal.value)
