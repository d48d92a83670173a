"""What a door accepts, over a socket."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from redis import Redis

from integration.frontdoor.conftest import OpenDoor
from integration.frontdoor.playing import Door, refused
from portaria.store import keys
from portaria.v1.job_pb2 import PRIORITY_DEFAULT
from portaria.v1.jobs_service_pb2 import JobTypeInfo, ListJobTypesRequest

MAIL, ECHO = "portaria_workers.mail.v1.SendEmail", "acme_jobs.lab.v1.Echo"


def types(door: Door, domain: str = "") -> dict[str, JobTypeInfo]:
    """By name."""
    answer = door.jobs.ListJobTypes(ListJobTypesRequest(domain=domain), timeout=5)
    assert not answer.file_descriptor_set
    return {each.type: each for each in answer.job_types}


def test_each_type_is_told_with_its_defaults(door: Door) -> None:
    """Also those that its proto leaves to the platform."""
    found = types(door)
    mail, echo = found[MAIL], found[ECHO]

    assert list(found) == sorted(found)
    assert (mail.domain, mail.result_type) == ("mail", "portaria_workers.mail.v1.SendEmailResult")
    assert mail.description
    assert mail.default_retry.max_attempts >= 1
    assert mail.default_retry.HasField("initial_backoff")
    assert mail.timeout.seconds > 0
    assert (echo.default_priority, echo.timeout.seconds) == (PRIORITY_DEFAULT, 1800)


def test_a_domain_selects(door: Door) -> None:
    """One that has no type has none."""
    assert {each.domain for each in types(door, "mail").values()} == {"mail"}
    assert types(door, "nobody") == {}


def test_a_type_is_served_while_a_living_worker_has_a_handler(
    open_door: OpenDoor, redis: Redis
) -> None:
    """As workers write it into RQ's register."""
    door = open_door(fresh=0.0)
    assert not any(each.served for each in types(door).values())

    redis.sadd(keys.WORKERS, keys.worker("w1"))
    redis.hset(keys.worker("w1"), mapping={"queues": "mail:high", "types": MAIL, "state": "idle"})
    redis.expire(keys.worker("w1"), 30)
    served = {name for name, each in types(door).items() if each.served}
    redis.expire(keys.worker("w1"), 19)

    assert served == {MAIL}
    assert not any(each.served for each in types(door).values())


def test_descriptors_are_enough_to_make_a_payload(door: Door) -> None:
    """Files come after what they import; nothing else is needed."""
    request = ListJobTypesRequest(domain="mail", include_descriptors=True)
    answer = door.jobs.ListJobTypes(request, timeout=5)
    files = FileDescriptorSet.FromString(answer.file_descriptor_set).file

    pool = descriptor_pool.DescriptorPool()
    for file in files:
        pool.Add(file)  # raises where an import is not there yet
    kind = message_factory.GetMessageClass(pool.FindMessageTypeByName(MAIL))

    assert kind(to="ana@example.com", template="welcome").SerializeToString()
    assert pool.FindMessageTypeByName("portaria_workers.mail.v1.SendEmailResult")
    assert len({file.name for file in files}) == len(files)
    assert not any(file.name.startswith("acme_jobs") for file in files)


@pytest.mark.parametrize("domain", ["x" * 64])
def test_a_domain_that_cannot_be_one_is_refused(domain: str, door: Door) -> None:
    """With its path."""
    refusal = refused(door.jobs.ListJobTypes, ListJobTypesRequest(domain=domain))

    assert refusal.code == grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.fields == {"domain": "TOO_LONG"}
