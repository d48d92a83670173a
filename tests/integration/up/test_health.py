"""The health checks that containers run."""

from __future__ import annotations

from portaria.up.ports import free_port
from stack import Process, Stack


def test_a_door_that_serves_is_healthy_and_a_stopped_one_is_not(stack: Stack) -> None:
    """The address comes from the settings; the exit code tells."""
    door = stack.door()

    healthy = _checked(stack)
    door.stop()
    sick = _checked(stack)

    assert healthy.exit_code == 0
    assert sick.exit_code == 1
    assert sick.tail() == f"the door at {stack.address} does not serve"


def test_an_address_on_the_command_line_wins(stack: Stack) -> None:
    """For a door elsewhere."""
    stack.door()

    checked = _checked(stack, stack.address, PORTARIA_ADDRESS="127.0.0.1:1")

    assert checked.exit_code == 0


def test_of_several_doors_each_is_asked(stack: Stack) -> None:
    """A good one does not hide a bad one, which is named."""
    first, second = stack.door(), stack.door()
    both = f"{first.address}, {second.address}"

    healthy = _checked(stack, PORTARIA_ADDRESS=both)
    second.stop()
    sick = _checked(stack, PORTARIA_ADDRESS=both)
    wrong = _checked(stack, "door:1,door:2")

    assert (healthy.exit_code, healthy.tail()) == (0, "")
    assert (sick.exit_code, sick.tail()) == (1, f"the door at {second.address} does not serve")
    assert wrong.exit_code == 2
    assert "a list of doors is IP:PORT,IP:PORT" in wrong.tail()


def test_a_proxy_for_the_outside_is_not_asked(stack: Stack) -> None:
    """A door is an inner address, for checks as for clients."""
    stack.door()

    checked = _checked(stack, http_proxy="http://127.0.0.1:1", no_proxy="")

    assert checked.exit_code == 0


def test_downloads_are_healthy_while_they_are_served(stack: Stack) -> None:
    """Where PORTARIA_DOWNLOADS_LISTEN says, also where that is everywhere."""
    listen = {"PORTARIA_DOWNLOADS_LISTEN": f"0.0.0.0:{free_port()}"}
    server = stack.processes.portaria("downloads", "downloads", **listen)
    server.wait_for("downloads listening")

    healthy = _checked(stack, "--downloads", **listen)
    server.stop()
    sick = _checked(stack, "--downloads", **listen)

    assert (healthy.exit_code, healthy.tail()) == (0, "")
    assert (sick.exit_code, sick.tail()) == (1, "downloads are not served here")


def test_a_worker_is_healthy_while_it_is_registered(stack: Stack) -> None:
    """A container whose worker is gone is not healthy."""
    worker = stack.worker("lab")

    healthy = _checked(stack, "--worker")
    worker.stop()
    sick = _checked(stack, "--worker")

    assert healthy.exit_code == 0
    assert sick.exit_code == 1
    assert sick.tail() == "no worker is registered"


def test_a_scheduler_is_healthy_while_it_lives(stack: Stack) -> None:
    """Also where it has nothing to fire; one that ended in order is gone at once."""
    scheduler = stack.scheduler()
    stack.redis.zadd("portaria:schedulers", {"elsewhere.1.abcdef": 9_999_999_999})

    scheduler.wait_until(lambda: stack.redis.zcard("portaria:schedulers") == 2)
    healthy = _checked(stack, "--scheduler")
    scheduler.stop()
    sick = _checked(stack, "--scheduler")

    assert healthy.exit_code == 0
    assert sick.exit_code == 1
    assert sick.tail() == "no scheduler lives here"


def test_wrong_settings_are_named(stack: Stack) -> None:
    """Not taken for a sick door."""
    checked = _checked(stack, PORTARIA_ADRESS="127.0.0.1:1")

    assert checked.exit_code == 2
    assert "PORTARIA_ADRESS: no such setting; did you mean PORTARIA_ADDRESS?" in checked.tail()


def _checked(stack: Stack, *arguments: str, **env: str) -> Process:
    process = stack.processes.python("health", "-m", "portaria.up.health", *arguments, **env)
    process.wait(10)
    return process
