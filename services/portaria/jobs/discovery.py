"""Finds job types and handlers in the packages that PORTARIA_JOBS names.

A package holds generated modules (`…_pb2`) anywhere below it; the handlers of their job types are
in a module `handlers`, beside the generated code or above it: the types of
`acme_jobs/stock/v1/stock_pb2.py` are handled in `acme_jobs/stock/handlers.py`.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import pkgutil
import re
from collections.abc import Collection, Iterable, Iterator
from types import ModuleType

from google.protobuf.descriptor import Descriptor, FileDescriptor

from portaria.core.errors import ConfigurationError
from portaria.core.job_type import (
    JobType,
    JobTypes,
    hook_types,
    is_job_type,
    job_type_from,
    submitted_by,
)
from portaria.core.type_files import Files
from portaria.core.type_pool import platform_files, with_imports
from portaria.jobs.handler import Handler, handler_of
from portaria.v1 import job_type_pb2


def load_job_types(packages: Iterable[str]) -> JobTypes:
    """Imports every generated module of the packages. Raises ConfigurationError, all together."""
    types = JobTypes()
    wrong: list[str] = []
    # All of them first: a hook may be of a type in any of the modules.
    for descriptor in [each for _, each in _descriptors(packages, wrong)]:
        try:
            types.add(job_type_from(descriptor))
            hook_types(descriptor)
        except ConfigurationError as error:
            wrong.append(error.message)
    if wrong:
        raise ConfigurationError("; ".join(wrong))
    return types


def load_files(packages: Iterable[str], domains: Collection[str] | None = None) -> Files:
    """The .proto files of all job types, their results, hooks and façades; only of `domains` where
    given.

    With what they import, each after its imports. Raises ConfigurationError.
    """
    wrong: list[str] = []
    modules = [module.DESCRIPTOR for _, module in _modules(packages, wrong)]
    roots = [
        root
        for file in modules
        for descriptor in _types_in(file)
        if domains is None or _domain(descriptor) in domains
        for root in (file, _result_file(descriptor))
    ]
    # A file comes in whole: so do the hooks of the other types in it.
    for file in roots:
        for descriptor in filter(is_job_type, file.message_types_by_name.values()):
            try:
                more = [hook.file for hook in hook_types(descriptor)]
            except ConfigurationError as error:
                wrong.append(error.message)
            else:
                roots += [each for each in more if each not in roots]
    if wrong:
        raise ConfigurationError("; ".join(wrong))
    return with_imports(roots, without=platform_files())


def load_handlers(packages: Iterable[str], domains: Collection[str]) -> dict[str, Handler]:
    """Imports the handlers of all job types of `domains`, by full type name.

    Modules of other domains are not imported, so their libraries need not be installed. Raises
    ConfigurationError for a type without a handler or with two.
    """
    wrong: list[str] = []
    wanted = {
        descriptor.full_name: module
        for module, descriptor in _descriptors(packages, wrong)
        if is_job_type(descriptor) and _domain(descriptor) in domains
    }
    found: dict[str, Handler] = {}
    broken: set[str] = set()
    for module in sorted({name for place in wanted.values() for name in _handler_modules(place)}):
        try:
            handlers = _handlers_in(importlib.import_module(module))
        except (ImportError, ConfigurationError) as error:
            wrong.append(f"cannot import {module}: {error}")
            broken.add(module)
            continue
        for handler in handlers:
            name = handler.job_type.name
            if name in found and found[name] != handler:
                wrong.append(f"{name} has two handlers, the second in {module}")
            found[name] = handler
    wrong += [
        f"{name} has no handler: expected one in {_expected(place)}"
        for name, place in sorted(wanted.items())
        if name not in found and broken.isdisjoint(_handler_modules(place))
    ]
    if wrong:
        raise ConfigurationError("; ".join(wrong))
    return found


def find_handler(job_type: JobType) -> Handler | None:
    """The handler of one type, where `load_handlers` would look; None where there is none."""
    for module in _handler_modules(job_type.message.__module__):
        for handler in _handlers_in(importlib.import_module(module)):
            if handler.job_type.name == job_type.name:
                return handler
    return None


def _types_in(file: FileDescriptor) -> Iterator[Descriptor]:
    """The job types that a file declares, or that its façades hand in."""
    yield from filter(is_job_type, file.message_types_by_name.values())
    for service in file.services_by_name.values():
        yield from filter(None, map(submitted_by, service.methods))


def _result_file(descriptor: Descriptor) -> FileDescriptor:
    """Where its result is declared; its own file where it has none."""
    name = descriptor.GetOptions().Extensions[job_type_pb2.job_type].result_type
    try:
        found: FileDescriptor = descriptor.file.pool.FindMessageTypeByName(name).file
    except KeyError:
        return descriptor.file  # what reads the type says that the result does not exist
    return found


def _descriptors(packages: Iterable[str], wrong: list[str]) -> Iterator[tuple[str, Descriptor]]:
    for name, module in _modules(packages, wrong):
        for descriptor in module.DESCRIPTOR.message_types_by_name.values():
            if is_job_type(descriptor):
                yield name, descriptor


def _modules(packages: Iterable[str], wrong: list[str]) -> Iterator[tuple[str, ModuleType]]:
    """The generated modules of packages, imported; what cannot be goes into `wrong`."""
    for package in packages:
        try:
            top = importlib.import_module(package)
        except ImportError as error:
            wrong.append(f'PORTARIA_JOBS: cannot import "{package}": {error}')
            continue
        for name in _generated(top):
            yield name, importlib.import_module(name)


def _generated(top: ModuleType) -> list[str]:
    if not hasattr(top, "__path__"):
        return [top.__name__] if top.__name__.endswith("_pb2") else []
    return sorted(_walk(top.__path__, top.__name__))


def _walk(places: Iterable[str], package: str) -> Iterator[str]:
    """Generated modules below a package, which is not imported: its handlers may be a package, with
    libraries that are not installed here."""
    for place in places:
        for module in pkgutil.iter_modules([place], f"{package}."):
            if module.ispkg:
                yield from _walk([os.path.join(place, module.name.rpartition(".")[2])], module.name)
            elif module.name.endswith("_pb2"):
                yield module.name


def _handler_modules(generated: str) -> list[str]:
    """The nearest module `handlers` beside or above a generated module."""
    package = generated.rpartition(".")[0]
    while package:
        name = f"{package}.handlers"
        if importlib.util.find_spec(name) is not None:
            return [name]
        package = package.rpartition(".")[0]
    return []


def _expected(generated: str) -> str:
    package = generated.rpartition(".")[0]
    above, _, last = package.rpartition(".")
    folder = above if re.fullmatch(r"v\d+\w*", last) else package
    return f"{folder}.handlers"


def _handlers_in(module: ModuleType) -> list[Handler]:
    found = (handler_of(value) for value in vars(module).values())
    return [handler for handler in found if handler is not None]


def _domain(descriptor: Descriptor) -> str:
    return descriptor.GetOptions().Extensions[job_type_pb2.job_type].domain
