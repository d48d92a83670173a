"""Builds the scheduler and runs it."""

from __future__ import annotations

from portaria import logs
from portaria.admission.rules import Rules
from portaria.core.collector import freeze_memory
from portaria.core.seal import load_key_ring
from portaria.intake.admission import Admission
from portaria.intake.catalogue import Catalogue
from portaria.jobs.discovery import load_files, load_job_types
from portaria.runtime.patience import patiently
from portaria.runtime.sweeps import Sweeps
from portaria.scheduler.exact import ExactScheduler
from portaria.scheduler.firing import Firing
from portaria.scheduler.types import TypesLearner
from portaria.schedules.definitions import Definitions
from portaria.settings import Settings
from portaria.store import Store
from portaria.store.alarm import Alarm
from portaria.store.connect import connect


def run(settings: Settings, *, name: str, burst: bool = False) -> None:
    """Fires ticks until SIGTERM or SIGINT. Raises ConfigurationError before it begins."""
    load_job_types(settings.jobs)  # says all that is wrong with them
    catalogue = Catalogue(load_files(settings.jobs))
    keys = load_key_ring(settings.key_file)
    namespace = settings.namespace
    admission = Admission(catalogue=catalogue, rules=Rules(), keys=keys, namespace=namespace)
    redis = connect(settings.redis_url)
    store = Store(redis)
    patiently(store.prepare)
    for fault in patiently(store.unsafe_settings):
        logs.logger().warning("this redis can lose acknowledged jobs", fault=fault)
    scheduler = ExactScheduler(
        store,
        name=name,
        firing=Firing(store, admission, Definitions(keys, namespace)),
        sweeps=Sweeps(store),
        alarm=Alarm(connect(settings.redis_url)),
        keep_types=TypesLearner(store, catalogue, keys).keep,
    )
    freeze_memory()  # what a start made stays: see core/collector.py
    scheduler.run(burst=burst)
