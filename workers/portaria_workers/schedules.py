"""The schedules that come with these domains; schedulers and `portaria schedules apply` read it."""

from datetime import timedelta

from portaria.jobs import Schedule
from portaria_workers.documents.v1.documents_pb2 import CleanupDocuments, GenerateDailyReports
from portaria_workers.maintenance.v1.maintenance_pb2 import SelfTest

SCHEDULES = [
    # A test that was missed tells nothing when it is made up.
    Schedule("self-test", SelfTest(), every=timedelta(minutes=5), catch_up="none"),
    # Of the day that has just ended there.
    Schedule(
        "process-daily-reports",
        GenerateDailyReports(time_zone="Africa/Luanda"),
        cron="0 0 * * *",
        time_zone="Africa/Luanda",
    ),
    # The next one does what a missed one would have done.
    Schedule("cleanup-documents", CleanupDocuments(), cron="0 */6 * * *", catch_up="none"),
]
