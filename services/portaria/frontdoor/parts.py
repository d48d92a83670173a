"""What a door is built of: who is handed what."""

from __future__ import annotations

from dataclasses import dataclass

from portaria.admission.rules import Rules
from portaria.core.seal import KeyRing, load_key_ring
from portaria.frontdoor.admin_servicer import AdminServicer
from portaria.frontdoor.batch import BatchSubmitter
from portaria.frontdoor.convert import Converter
from portaria.frontdoor.drain import Drain
from portaria.frontdoor.feed import Feed
from portaria.frontdoor.jobs_acting import JobsActing
from portaria.frontdoor.jobs_reading import JobsReading
from portaria.frontdoor.jobs_servicer import JobsServicer
from portaria.frontdoor.prompt import PromptStore
from portaria.frontdoor.retrying import Copyist
from portaria.frontdoor.schedules_acting import SchedulesActing
from portaria.frontdoor.schedules_applying import SchedulesApplying
from portaria.frontdoor.schedules_reading import SchedulesReading
from portaria.frontdoor.schedules_servicer import SchedulesServicer
from portaria.frontdoor.schedules_to_proto import ScheduleConverter
from portaria.frontdoor.schedules_writing import SchedulesWriting
from portaria.frontdoor.server import BESIDE, Door
from portaria.frontdoor.standing import FRESH_SECONDS, Standing
from portaria.frontdoor.submitter import Submitter
from portaria.frontdoor.subscription import LONGEST_WRITE, MOST_CHANGES
from portaria.frontdoor.types_following import TypesFollower
from portaria.frontdoor.types_reading import TypesReading
from portaria.frontdoor.waiting import Waiting
from portaria.frontdoor.watch import HEARTBEAT, Watches
from portaria.frontdoor.watchdog import Watchdog
from portaria.frontdoor.workflows import Workflows
from portaria.frontdoor.workflows_reading import WorkflowsReading
from portaria.frontdoor.workflows_retrying import WorkflowRetrying
from portaria.frontdoor.workflows_submitting import WorkflowSubmitter
from portaria.intake.admission import Admission
from portaria.intake.catalogue import Catalogue
from portaria.jobs.discovery import load_files, load_job_types
from portaria.schedules.checking import Checker
from portaria.schedules.definitions import Definitions
from portaria.settings import Settings
from portaria.store import AsyncStore
from portaria.store.connect import connect_async
from portaria.workflows.plan import Plans


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What tests that cannot wait make shorter; spans in seconds."""

    heartbeat: float = HEARTBEAT
    most_changes: int = MOST_CHANGES
    longest_write: float = LONGEST_WRITE
    fresh: float = FRESH_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Those that are started or stopped."""

    store: PromptStore
    feed: Feed
    drain: Drain
    door: Door
    watchdog: Watchdog
    types: TypesFollower


def build(settings: Settings, bounds: Bounds) -> Parts:
    """All parts of one door, on the running loop. Raises ConfigurationError."""
    keys = load_key_ring(settings.key_file)
    # PromptStore, Watchdog and Feed bound each call; redis-py's own way costs a task a command,
    # and can swallow a cancellation.
    store = AsyncStore(
        connect_async(settings.redis_url, reply_timeout=None), replicas=settings.redis_replicas
    )
    feed_store = AsyncStore(connect_async(settings.redis_url, reply_timeout=None))
    load_job_types(settings.jobs)  # says all that is wrong with them
    shared = _Shared.of(
        settings,
        keys=keys,
        store=PromptStore(store),
        feed=Feed(feed_store, most_changes=bounds.most_changes, longest_write=bounds.longest_write),
    )
    drain = Drain()
    door = Door(
        jobs=_jobs(shared, bounds),
        admin=AdminServicer(rules=shared.rules, store=shared.store, namespace=shared.namespace),
        schedules=_schedules(shared, Definitions(keys, shared.namespace)),
        catalogue=shared.catalogue,
        submitter=shared.submitter,
        drain=drain,
        reflect=settings.reflection,
    )
    return Parts(
        store=shared.store,
        feed=shared.feed,
        drain=drain,
        door=door,
        watchdog=Watchdog(store, door),
        types=TypesFollower(store, shared.catalogue, keys, door.services_changed),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shared:
    """What more than one part is handed."""

    namespace: str
    keys: KeyRing
    rules: Rules
    converter: Converter
    store: PromptStore
    feed: Feed
    catalogue: Catalogue
    admission: Admission
    submitter: Submitter

    @classmethod
    def of(cls, settings: Settings, *, keys: KeyRing, store: PromptStore, feed: Feed) -> _Shared:
        rules, converter, namespace = Rules(), Converter(keys), settings.namespace
        catalogue = Catalogue(load_files(settings.jobs), beside=BESIDE)
        admission = Admission(catalogue=catalogue, rules=rules, keys=keys, namespace=namespace)
        return cls(
            namespace=namespace,
            keys=keys,
            rules=rules,
            converter=converter,
            store=store,
            feed=feed,
            catalogue=catalogue,
            admission=admission,
            submitter=Submitter(
                admission=admission,
                store=store,
                converter=converter,
                plans=Plans(keys, namespace),
                namespace=namespace,
            ),
        )


def _jobs(shared: _Shared, bounds: Bounds) -> JobsServicer:
    rules, store, namespace = shared.rules, shared.store, shared.namespace
    admission, converter = shared.admission, shared.converter
    standing = Standing(store, fresh=bounds.fresh)
    reading = JobsReading(
        rules=rules, store=store, converter=converter, standing=standing, namespace=namespace
    )
    copyist = Copyist(admission=admission, store=store, converter=converter, namespace=namespace)
    return JobsServicer(
        rules=rules,
        submitter=shared.submitter,
        batches=BatchSubmitter(
            admission=admission,
            rules=rules,
            plans=Plans(shared.keys, namespace),
            store=store,
            namespace=namespace,
        ),
        waiting=Waiting(store, shared.feed, namespace=namespace),
        watches=Watches(
            store=store,
            feed=shared.feed,
            converter=converter,
            namespace=namespace,
            heartbeat=bounds.heartbeat,
        ),
        acting=JobsActing(
            rules=rules, store=store, reading=reading, copyist=copyist, namespace=namespace
        ),
        reading=reading,
        types=TypesReading(catalogue=shared.catalogue, rules=rules, standing=standing),
        workflows=_workflows(shared),
    )


def _workflows(shared: _Shared) -> Workflows:
    rules, store, namespace = shared.rules, shared.store, shared.namespace
    plans = Plans(shared.keys, namespace)
    reading = WorkflowsReading(rules=rules, store=store, plans=plans, namespace=namespace)
    submitter = WorkflowSubmitter(
        admission=shared.admission, rules=rules, plans=plans, store=store, namespace=namespace
    )
    return Workflows(
        rules=rules,
        submitter=submitter,
        reading=reading,
        retrying=WorkflowRetrying(
            submitter=submitter,
            reading=reading,
            plans=plans,
            converter=shared.converter,
            store=store,
            namespace=namespace,
        ),
    )


def _schedules(shared: _Shared, definitions: Definitions) -> SchedulesServicer:
    rules, store, namespace = shared.rules, shared.store, shared.namespace
    converter = ScheduleConverter(definitions, shared.catalogue)
    reading = SchedulesReading(rules=rules, store=store, converter=converter, namespace=namespace)
    checker = Checker(shared.admission, rules)
    return SchedulesServicer(
        rules=rules,
        reading=reading,
        writing=SchedulesWriting(
            rules=rules,
            checker=checker,
            store=store,
            definitions=definitions,
            converter=converter,
            reading=reading,
            namespace=namespace,
        ),
        acting=SchedulesActing(
            rules=rules,
            store=store,
            admission=shared.admission,
            submitter=shared.submitter,
            converter=converter,
            reading=reading,
            namespace=namespace,
        ),
        applying=SchedulesApplying(
            rules=rules,
            checker=checker,
            definitions=definitions,
            store=store,
            namespace=namespace,
        ),
    )
