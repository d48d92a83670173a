"""Names of states, also of those that a newer door may know."""

from portaria.v1.job_pb2 import JobState

_PREFIX = "JOB_STATE_"


def state_name(state: JobState.ValueType) -> str:
    """ "RUNNING" for JOB_STATE_RUNNING; "STATE_99" for one that is newer than this client."""
    try:
        return JobState.Name(state).removeprefix(_PREFIX)
    except ValueError:
        return f"STATE_{int(state)}"
