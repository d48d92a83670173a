"""Discovery: the packages of PORTARIA_JOBS, their types, and the handlers of some domains."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from portaria.core.errors import ConfigurationError
from portaria.jobs.discovery import load_files, load_handlers, load_job_types
from portaria.v1.job_type_pb2 import JobTypeOptions
from unit.core.descriptors import IDEMPOTENT, message

HANDLER = """
from portaria.jobs import JobContext, job
from {module} import {type}

@job
def {name}(payload: {type}, ctx: JobContext) -> None: ...
"""

Write = Callable[[str, str], None]


@pytest.fixture
def top(request: pytest.FixtureRequest) -> str:
    """The name of a package that no other test has: protobuf never forgets a file."""
    return f"team_{abs(hash(request.node.nodeid)):x}"


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, top: str) -> Iterator[Write]:
    """Writes modules of the package `top`, importable until the test ends."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def module(path: str, text: str) -> None:
        file = tmp_path / top / path
        for folder in [file.parent, *file.parent.relative_to(tmp_path).parents]:
            place = folder if folder.is_absolute() else tmp_path / folder
            if place != tmp_path:
                place.mkdir(parents=True, exist_ok=True)
                (place / "__init__.py").touch()
        file.write_text(text)

    module("__init__.py", "")
    yield module
    for name in [name for name in sys.modules if name.partition(".")[0] == top]:
        del sys.modules[name]


def generated(top: str, domain: str, *names: str, **options: object) -> str:
    """What protoc makes of a file with these job types, in the folder of the domain."""
    given = JobTypeOptions(**{"domain": domain, "effect": IDEMPOTENT, **options})  # type: ignore[arg-type]
    proto = FileDescriptorProto(
        name=f"{top}/{domain}/v1/{domain}.proto",
        package=f"{top}.{domain}.v1",
        syntax="proto3",
        dependency=["portaria/v1/job_type.proto"],
        message_type=[message(name, given) for name in names] + [message("Plain")],
    )
    return "\n".join(
        [
            "import portaria.v1.job_type_pb2",
            "from google.protobuf import descriptor_pool",
            "from google.protobuf.internal import builder",
            f"_DATA = {proto.SerializeToString()!r}",
            "DESCRIPTOR = descriptor_pool.Default().AddSerializedFile(_DATA)",
            "builder.BuildMessageAndEnumDescriptors(DESCRIPTOR, globals())",
            f"builder.BuildTopDescriptorsAndMessages(DESCRIPTOR, '{top}.{domain}.v1', globals())",
        ]
    )


def handler(top: str, domain: str, type_name: str, name: str = "handle") -> str:
    return HANDLER.format(module=f"{top}.{domain}.v1.{domain}_pb2", type=type_name, name=name)


def test_all_types_of_a_package_are_found(write: Write, top: str) -> None:
    """However deep, in every domain; plain messages are not among them."""
    write("stock/v1/stock_pb2.py", generated(top, "stock", "Count", "Move"))
    write("bill/v1/bill_pb2.py", generated(top, "bill", "Pay"))

    types = load_job_types([top, top])

    assert types.names() == [
        f"{top}.bill.v1.Pay", f"{top}.stock.v1.Count", f"{top}.stock.v1.Move",
    ]  # fmt: skip


def test_a_handler_is_found_beside_or_above_the_generated_code(write: Write, top: str) -> None:
    """The nearest module `handlers` counts."""
    write("stock/v1/stock_pb2.py", generated(top, "stock", "Count"))
    write("stock/handlers.py", handler(top, "stock", "Count"))
    write("handlers.py", "raise RuntimeError('farther away')")

    handlers = load_handlers([top], ["stock"])

    assert list(handlers) == [f"{top}.stock.v1.Count"]
    assert handlers[f"{top}.stock.v1.Count"].function.__name__ == "handle"


def test_handlers_of_other_domains_are_not_imported(write: Write, top: str) -> None:
    """Their libraries need not be installed."""
    write("stock/v1/stock_pb2.py", generated(top, "stock", "Count"))
    write("stock/handlers.py", handler(top, "stock", "Count"))
    write("bill/v1/bill_pb2.py", generated(top, "bill", "Pay"))
    write("bill/handlers.py", "import a_library_that_is_not_there")

    assert list(load_handlers([top], ["stock"])) == [f"{top}.stock.v1.Count"]
    assert f"{top}.bill.handlers" not in sys.modules


def test_knowing_the_types_imports_no_handler(write: Write, top: str) -> None:
    """The door and the CLI have none of the domains' libraries."""
    write("stock/v1/stock_pb2.py", generated(top, "stock", "Count"))
    write("stock/handlers.py", "raise RuntimeError('imported')")

    assert len(load_job_types([top])) == 1


def test_handlers_that_are_a_package_are_not_imported_either(write: Write, top: str) -> None:
    """Neither for the types nor for another domain's handlers; for their own they are."""
    write("stock/v1/stock_pb2.py", generated(top, "stock", "Count"))
    write("stock/handlers/counting.py", handler(top, "stock", "Count"))
    write("stock/handlers/__init__.py", f"from {top}.stock.handlers.counting import handle")
    write("bill/v1/bill_pb2.py", generated(top, "bill", "Pay"))
    write("bill/handlers/__init__.py", "import a_library_that_is_not_there")

    assert len(load_job_types([top])) == 2
    assert list(load_handlers([top], ["stock"])) == [f"{top}.stock.v1.Count"]
    assert f"{top}.bill.handlers" not in sys.modules


def test_a_type_without_a_handler_is_said(write: Write, top: str) -> None:
    """With the place where one was expected; all of them together."""
    write("stock/v1/stock_pb2.py", generated(top, "stock", "Count", "Move"))
    write("stock/handlers.py", "")

    with pytest.raises(ConfigurationError) as refusal:
        load_handlers([top], ["stock"])

    for name in ("Count", "Move"):
        expected = f"{top}.stock.v1.{name} has no handler: expected one in {top}.stock.handlers"
        assert expected in refusal.value.message


def test_a_type_with_two_handlers_is_said(write: Write, top: str) -> None:
    """Which of them would run is nobody's guess."""
    write("stock/v1/stock_pb2.py", generated(top, "stock", "Count"))
    two = handler(top, "stock", "Count", "one") + handler(top, "stock", "Count", "other")
    write("stock/handlers.py", two)

    with pytest.raises(ConfigurationError) as refusal:
        load_handlers([top], ["stock"])

    assert refusal.value.message == (
        f"{top}.stock.v1.Count has two handlers, the second in {top}.stock.handlers"
    )


def test_one_handler_under_two_names_is_one(write: Write, top: str) -> None:
    """An alias is no second handler."""
    write("stock/v1/stock_pb2.py", generated(top, "stock", "Count"))
    write("stock/handlers.py", handler(top, "stock", "Count") + "\nalias = handle\n")

    assert len(load_handlers([top], ["stock"])) == 1


def test_packages_that_cannot_be_imported_are_said_together() -> None:
    """With the setting that names them, and why."""
    for load in (load_job_types, lambda packages: load_handlers(packages, ["x"])):
        with pytest.raises(ConfigurationError) as refusal:
            load(["no_such_package", "nor_this.one"])

        assert 'PORTARIA_JOBS: cannot import "no_such_package"' in refusal.value.message
        assert 'PORTARIA_JOBS: cannot import "nor_this.one"' in refusal.value.message


def test_a_handlers_module_that_cannot_be_imported_is_said_once(write: Write, top: str) -> None:
    """What is missing, not that its types have no handler."""
    write("stock/v1/stock_pb2.py", generated(top, "stock", "Count", "Move"))
    write("stock/handlers.py", "import a_library_that_is_not_there")

    with pytest.raises(ConfigurationError) as refusal:
        load_handlers([top], ["stock"])

    assert refusal.value.message == (
        f"cannot import {top}.stock.handlers: No module named 'a_library_that_is_not_there'"
    )


def test_a_handler_with_a_wrong_signature_is_said_with_the_rest(write: Write, top: str) -> None:
    """What @job refused, beside what is missing elsewhere."""
    write("stock/v1/stock_pb2.py", generated(top, "stock", "Count"))
    write("stock/handlers.py", "from portaria.jobs import job\n\n@job\ndef count(): ...\n")

    with pytest.raises(ConfigurationError) as refusal:
        load_handlers([top, "no_such_package"], ["stock"])

    assert "expected (payload: JobType, ctx: JobContext)" in refusal.value.message
    assert "no_such_package" in refusal.value.message


def test_types_with_faults_are_said_together(write: Write, top: str) -> None:
    """Every type of every package."""
    write("stock/v1/stock_pb2.py", generated(top, "stock", "Count", max_payload_bytes=2**31))
    write("bill/v1/bill_pb2.py", generated(top, "bill", "Pay", effect=0))

    with pytest.raises(ConfigurationError) as refusal:
        load_job_types([top])

    assert f"job type {top}.stock.v1.Count: max_payload_bytes" in refusal.value.message
    assert f"job type {top}.bill.v1.Pay: effect is required" in refusal.value.message


def test_a_hook_may_be_of_any_domain(write: Write, top: str) -> None:
    """Also of one whose module is imported later; its file is registered with that of its type."""
    hook = f"{top}.tell.v1.Tell"
    write("stock/v1/stock_pb2.py", generated(top, "stock", "Count", on_failure=hook))
    write("tell/v1/tell_pb2.py", generated(top, "tell", "Tell", on_retry=f"{top}.wire.v1.Wire"))
    write("wire/v1/wire_pb2.py", generated(top, "wire", "Wire"))

    found = load_job_types([top]).find("Count")

    assert found.hooks == {"on_failure": hook}
    files = load_files([top], ["stock"])
    assert [name.split("/")[1] for name in files] == ["stock", "tell", "wire"]


def test_a_hook_that_is_no_job_type_is_said(write: Write, top: str) -> None:
    """When types are loaded, and when they are registered."""
    write("stock/v1/stock_pb2.py", generated(top, "stock", "Count", on_success="no.Such"))
    plain = f"{top}.bill.v1.Plain"
    write("bill/v1/bill_pb2.py", generated(top, "bill", "Pay", on_retry=plain))

    for load in (load_job_types, load_files):
        with pytest.raises(ConfigurationError) as refusal:
            load([top])

        for words in (
            f"job type {top}.stock.v1.Count: on_success names no job type: no.Such",
            f"job type {top}.bill.v1.Pay: on_retry names no job type: {plain}",
        ):
            assert words in refusal.value.message


def test_a_domain_that_nobody_has_gives_nothing(write: Write, top: str) -> None:
    """The worker says so itself."""
    write("stock/v1/stock_pb2.py", generated(top, "stock", "Count"))

    assert load_handlers([top], ["other"]) == {}
