"""The table of commands."""

import click

from portaria.cli.lazy import Entry, LazyGroup

COMMANDS = {
    "submit": Entry(
        target="portaria.cli.submit:submit",
        help="Hand in a job; --watch follows it.",
        extra="cli",
        section="Call",
    ),
    "watch": Entry(
        target="portaria.cli.watch:watch",
        help="Follow jobs until they are done.",
        extra="cli",
        section="Call",
    ),
    "jobs": Entry(
        target="portaria.cli.jobs:jobs",
        help="Look at jobs; cancel, retry, delete or move them.",
        extra="cli",
        section="Call",
    ),
    "types": Entry(
        target="portaria.cli.types:types",
        help="The job types that the door accepts; check them before a deploy.",
        extra="cli",
        section="Call",
    ),
    "workflows": Entry(
        target="portaria.cli.workflows:workflows",
        help="Jobs that depend on each other: submit, show, watch, cancel, retry.",
        extra="cli",
        section="Call",
    ),
    "schedules": Entry(
        target="portaria.cli.schedules:schedules",
        help="Periodic work: list, preview, pause, trigger, create…",
        extra="cli",
        section="Call",
    ),
    "documents": Entry(
        target="portaria.cli.documents:documents",
        help="Files that jobs make and read: put, list, fetch, link…",
        extra="storage",
        section="Call",
    ),
    "top": Entry(
        target="portaria.cli.top:top",
        help="Queues and workers, live.",
        extra="cli",
        section="Operate",
    ),
    "queues": Entry(
        target="portaria.cli.operating:queues",
        help="What waits, runs and failed, by queue.",
        extra="cli",
        section="Operate",
    ),
    "workers": Entry(
        target="portaria.cli.operating:workers",
        help="The workers, and what each of them does.",
        extra="cli",
        section="Operate",
    ),
    "inspect": Entry(
        target="portaria.cli.inspecting:inspect",
        help="One aspect of all workers: active, stats, ping…",
        extra="cli",
        section="Operate",
    ),
    "pause": Entry(
        target="portaria.cli.operating:pause",
        help="Let no worker claim from a queue.",
        extra="cli",
        section="Operate",
    ),
    "resume": Entry(
        target="portaria.cli.operating:resume",
        help="Undo a pause.",
        extra="cli",
        section="Operate",
    ),
    "purge": Entry(
        target="portaria.cli.operating:purge",
        help="Cancel what waits in a queue, or forget its dead letters.",
        extra="cli",
        section="Operate",
    ),
    "db": Entry(
        target="portaria.cli.database:db",
        help="The schema of the SQL database: upgrade, current, check.",
        extra="storage",
        section="Operate",
    ),
    "scheduler": Entry(
        target="portaria.scheduler.cli:scheduler",
        help="Fire the ticks of schedules, each exactly once.",
        extra="scheduler",
        section="Run",
    ),
    "up": Entry(
        target="portaria.up.cli:up",
        help="Run everything on this machine until Ctrl-C.",
        extra="up",
        section="Run",
    ),
    "demo": Entry(
        target="portaria.up.cli:demo",
        help="Send mails and documents through the whole system, watched live.",
        extra="up",
        section="Run",
    ),
    "serve": Entry(
        target="portaria.frontdoor.cli:serve",
        help="Serve the front door (gRPC).",
        extra="door",
        section="Run",
    ),
    "worker": Entry(
        target="portaria.runtime.cli:worker",
        help="Run the jobs of some pools.",
        extra="worker",
        section="Run",
    ),
    "downloads": Entry(
        target="portaria.storage.cli:downloads",
        help="Serve the links to documents of a local storage.",
        extra="storage",
        section="Run",
    ),
    # By its name alone: no module of the platform imports one of a domain.
    "mail": Entry(
        target="portaria_workers.mail.cli:mail",
        help="Look at the mails: write one to files as its reader will see it.",
        extra="mail",
        section="Develop",
    ),
    "completion": Entry(
        target="portaria.cli.completion:completion",
        help="What makes a shell complete these commands.",
        extra="cli",
        section="Develop",
    ),
    "generate": Entry(
        target="portaria.cli.generate:generate",
        help="Make Python stubs and façades from .proto files.",
        extra="codegen",
        section="Develop",
    ),
}


@click.group(
    cls=LazyGroup,
    entries=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
)
@click.version_option(package_name="portaria", message="%(prog)s %(version)s")
def app() -> None:
    """Typed jobs: hand one to the door, have its id at once, watch it run.

    Settings come from PORTARIA_* variables, e.g. PORTARIA_ADDRESS, where the door is.
    """
