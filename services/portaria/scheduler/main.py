"""Builds the scheduler and runs it."""

from __future__ import annotations

from functools import partial

from portaria import logs
from portaria.admission.rules import Rules
from portaria.core.collector import freeze_memory
from portaria.core.errors import ConfigurationError
from portaria.core.seal import load_key_ring
from portaria.intake.admission import Admission
from portaria.intake.catalogue import Catalogue
from portaria.jobs.declaration import DeclaredList, load_declared, modules_of
from portaria.jobs.discovery import load_files, load_job_types
from portaria.runtime.patience import patiently
from portaria.runtime.sweeps import Sweeps
from portaria.scheduler.applying import apply_all
from portaria.scheduler.exact import ExactScheduler
from portaria.scheduler.firing import Firing
from portaria.scheduler.types import TypesLearner
from portaria.schedules.checking import Checker
from portaria.schedules.definitions import Definitions
from portaria.settings import Settings
from portaria.store import Store
from portaria.store.alarm import Alarm
from portaria.store.connect import connect


def run(settings: Settings, *, name: str, burst: bool = False) -> bool:
    """Fires ticks until SIGTERM or SIGINT; whether its last round did all of its work.

    Raises ConfigurationError before it begins.
    """
    load_job_types(settings.jobs)  # says all that is wrong with them
    catalogue = Catalogue(load_files(settings.jobs))
    keys = load_key_ring(settings.key_file)
    rules, namespace = Rules(), settings.namespace
    admission = Admission(catalogue=catalogue, rules=rules, keys=keys, namespace=namespace)
    definitions = Definitions(keys, namespace)
    declared = _declared(settings)
    redis = connect(settings.redis_url)
    store = Store(redis)
    patiently(store.prepare)
    for fault in patiently(store.unsafe_settings):
        logs.logger().warning("this redis can lose acknowledged jobs", fault=fault)
    learner = TypesLearner(store, catalogue, keys)
    patiently(learner.keep)
    apply_declared = partial(
        apply_all,
        declared,
        store=store,
        checker=Checker(admission, rules),
        definitions=definitions,
        namespace=namespace,
    )
    patiently(apply_declared)
    scheduler = ExactScheduler(
        store,
        name=name,
        namespace=namespace,
        firing=Firing(store, admission, definitions, namespace=namespace),
        sweeps=Sweeps(store),
        alarm=Alarm(connect(settings.redis_url)),
        keep_types=learner.keep,
    )
    freeze_memory()  # what a start made stays: see core/collector.py
    return scheduler.run(burst=burst)


def _declared(settings: Settings) -> list[DeclaredList]:
    """None where one of the lists is bad: then what is stored fires."""
    modules = settings.schedules
    if modules is None:
        modules = modules_of(settings.jobs)
    try:
        return load_declared(modules, release=settings.release)
    except ConfigurationError as error:
        wrong = error.message.splitlines()
        logs.logger().error("the declared schedules cannot be used", wrong=wrong)
        return []
