"""The container files run commands that exist, with settings that exist, and no default secret."""

from __future__ import annotations

import importlib.util
import re
from pathlib import PurePosixPath
from typing import Any

import click
import pytest
from ruamel.yaml import YAML

from portaria.cli.app import app
from portaria.settings import load_settings
from project import TOP

GIVEN = {
    "REDIS_PASSWORD": "hunter2",
    "REDIS_DOOR_PASSWORD": "hunter3",
    "REDIS_WORKER_PASSWORD": "hunter4",
    "REDIS_SCHEDULER_PASSWORD": "hunter5",
    "PORTARIA_SMTP_URL": "smtp://smtp:2525",
}
REDIS_USERS = {
    "door": "door:hunter3",
    "worker-mail": "worker:hunter4",
    "worker-documents": "worker:hunter4",
    "worker-maintenance": "worker:hunter4",
    "scheduler": "scheduler:hunter5",
}
COMPOSE: dict[str, Any] = YAML(typ="safe").load(TOP / "docker-compose.yml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
# What runs once has an end in place of a health.
ONCE = {name for name, service in OURS.items() if service["restart"] == "on-failure"}
WITHOUT_REDIS = {"migrate", "downloads"}


@pytest.mark.parametrize("name", OURS)
def test_the_command_of_a_service_exists_and_takes_its_arguments(name: str) -> None:
    """A typing error would show in production only."""
    program, *arguments = OURS[name]["command"]

    _resolve(program, arguments)


@pytest.mark.parametrize("name", sorted(OURS.keys() - ONCE))
def test_the_health_check_of_a_service_runs_something_that_exists(name: str) -> None:
    """A check of a module that is not there would say for ever that nothing works."""
    kind, program, *arguments = OURS[name]["healthcheck"]["test"]

    assert kind == "CMD"
    _resolve(program, arguments)


@pytest.mark.parametrize("name", OURS)
def test_the_settings_of_a_service_are_settings(name: str) -> None:
    """Each variable is known, and its value can be used."""
    given = OURS[name].get("environment", {})

    settings = load_settings({key: _filled(value) for key, value in given.items()})

    assert bool(given) == (name in REDIS_USERS or name in WITHOUT_REDIS)
    if name in REDIS_USERS:
        assert settings.redis_url == f"redis://{REDIS_USERS[name]}@redis:6379/0"


def test_the_image_has_known_settings() -> None:
    """What the Dockerfile sets can be used."""
    text = (TOP / "Dockerfile").read_text()

    variables = dict(re.findall(r"(PORTARIA_\w+)=(\S+)", text))

    assert load_settings(variables).key_file.name == "signing.key"


def test_nothing_starts_without_a_password() -> None:
    """No default password, and none in the file."""
    used = re.findall(r"\$\{(\w+)(:\S)?", (TOP / "docker-compose.yml").read_text())

    assert {name for name, _ in used} == set(GIVEN)
    assert {how for _, how in used} == {":?"}


def test_acknowledged_means_on_disk() -> None:
    """Redis runs with the durability that the promise needs, and answers to its health check."""
    command = " ".join(SERVICES["redis"]["command"])

    assert "--appendonly yes --appendfsync always" in command
    assert "--maxmemory-policy noeviction" in command
    assert "requirepass" in command
    assert "ports" not in SERVICES["redis"]
    assert "redis-cli ping" in SERVICES["redis"]["healthcheck"]["test"][1]


def test_redis_has_the_users_that_we_ship() -> None:
    """From the file beside the scripts, each with a password of its own."""
    (mounted,) = (each for each in SERVICES["redis"]["volumes"] if "acl" in each)
    source, target, mode = mounted.split(":")

    users = {line.split()[1] for line in (TOP / source).read_text().splitlines()}

    passwords = {f"REDIS_{user.upper()}_PASSWORD" for user in users}
    assert passwords < set(SERVICES["redis"]["environment"])
    assert f" {target};" in " ".join(SERVICES["redis"]["command"])
    assert mode == "ro"


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_few_rights(name: str) -> None:
    """Read-only, without capabilities, restarted when it dies or, run once, fails."""
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["restart"] == ("on-failure" if name == "migrate" else "unless-stopped")


def test_what_uses_documents_finds_them_and_the_tables() -> None:
    """One volume, and the migrations have run."""
    users = {"migrate", "downloads", "worker-mail", "worker-documents"}

    assert {"migrate"} == ONCE
    for name in users:
        assert any(each.startswith("documents:/documents") for each in OURS[name]["volumes"])
    for name in users - {"migrate", "downloads"}:
        assert OURS[name]["depends_on"]["migrate"] == {
            "condition": "service_completed_successfully"
        }


def test_mail_workers_come_in_pairs() -> None:
    """One may be replaced while the other works."""
    assert SERVICES["worker-mail"]["deploy"]["replicas"] == 2


def test_the_image_runs_as_nobody_special() -> None:
    """And installs nothing whose hash is not in the lock."""
    lines = (TOP / "Dockerfile").read_text().splitlines()

    assert "USER portaria" in lines
    assert any("--constraint requirements.lock" in line for line in lines)


def test_the_image_gets_what_it_copies() -> None:
    """Nothing that the Dockerfile copies is kept from it by .dockerignore."""
    allowed = {
        line[1:] for line in (TOP / ".dockerignore").read_text().split() if line.startswith("!")
    }
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (TOP / "Dockerfile").read_text(), re.M)

    assert {name for names in copied for name in names.split()} == allowed
    assert all((TOP / name).exists() for name in allowed)


def _resolve(program: str, arguments: list[str]) -> None:
    """Parses a command as its program would, without running it."""
    match PurePosixPath(program).name, arguments:
        case "portaria", [name, *rest]:
            _parse(app, name, rest)
        case "python", ["-m", module, *rest]:
            assert importlib.util.find_spec(module), module
            command = _command_of(module)
            if command is not None:
                command.make_context(module, rest)
        case "python", ["-c", code]:
            compile(code, "<health check>", "exec")
        case _:
            pytest.fail(f"{program} is not a program of the image")


def _parse(group: click.Group, name: str, arguments: list[str]) -> None:
    with click.Context(group) as context:
        command = group.get_command(context, name)
        assert command is not None, name
        command.make_context(name, arguments, parent=context)


def _command_of(module: str) -> click.Command | None:
    """The click command of a module or of a package that can be run."""
    spec = importlib.util.find_spec(module)
    assert spec is not None
    name = f"{module}.__main__" if spec.submodule_search_locations else module
    loaded = importlib.import_module(name)
    found = getattr(loaded, "main", None)
    return found if isinstance(found, click.Command) else None


def _filled(value: str) -> str:
    return re.sub(r"\$\{(\w+):\?[^}]*\}", lambda found: GIVEN[found[1]], value)
