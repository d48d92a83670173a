"""The schedules that come with these domains; schedulers and `portaria schedules apply` read it."""

from datetime import timedelta

from portaria.jobs import Schedule
from portaria_workers.maintenance.v1.maintenance_pb2 import SelfTest

SCHEDULES = [
    # A test that was missed tells nothing when it is made up.
    Schedule("self-test", SelfTest(), every=timedelta(minutes=5), catch_up="none"),
]
