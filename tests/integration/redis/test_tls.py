"""rediss://: the server is verified, and a certificate shown where it asks for one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from redis import Redis

from conformance.kernel import Kernel
from integration.redis.certificates import Certificates, speak_tls
from integration.redis.journey import work_goes
from portaria.core.errors import StoreUnavailable
from portaria.store import AsyncStore, Store
from portaria.store.connect import connect, connect_async, reconnect
from portaria.store.wire import Target, Wire
from portaria.up.checks import has_worker_on
from portaria.up.redis_server import RedisServer
from stack import Stack

pytestmark = pytest.mark.parametrize("_session_redis", ["newer"], indirect=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def address(redis_server: RedisServer, certificates: Certificates) -> Iterator[str]:
    """`rediss://` up to the options."""
    port = speak_tls(redis_server, certificates)
    yield f"rediss://:{redis_server.password}@127.0.0.1:{port}/0"
    with Redis.from_url(redis_server.url) as client:
        client.config_set("tls-port", "0")


@pytest.fixture
def url(address: str, certificates: Certificates) -> str:
    """With all that it takes."""
    return f"{address}?{certificates.options()}"


def test_all_work_is_done_over_tls(stack: Stack, url: str) -> None:
    """The door, `portaria worker`, and its children; then RQ's own command."""
    stack.door(PORTARIA_REDIS_URL=url)
    worker = stack.worker("lab", PORTARIA_REDIS_URL=url, RQ_REDIS_URL=url)

    work_goes(stack)
    worker.stop()
    queues = ("lab:high", "lab:default")
    stack.rq_worker(*queues, PORTARIA_REDIS_URL=url, RQ_REDIS_URL=url)

    work_goes(stack)


def test_a_health_check_looks_over_tls(stack: Stack, url: str) -> None:
    """That of a worker's container asks Redis."""
    stack.worker("lab", PORTARIA_REDIS_URL=url)
    (name,) = stack.redis.smembers("rq:workers")

    hostname = stack.redis.hget(name, "hostname")

    assert isinstance(hostname, str)
    assert has_worker_on(hostname, url)


@pytest.fixture(params=["nobody is trusted", "another is trusted", "no certificate", "other name"])
def wrong(
    request: pytest.FixtureRequest, address: str, certificates: Certificates, tmp_path: Path
) -> str:
    """A URL that must not be served, or must not be used."""
    trusted = f"ssl_ca_certs={certificates.authority}"
    match request.param:
        case "nobody is trusted":
            shown = certificates.certificate("client"), certificates.key("client")
            return f"{address}?ssl_certfile={shown[0]}&ssl_keyfile={shown[1]}"
        case "another is trusted":
            other = tmp_path / "other.pem"
            trustme.CA().cert_pem.write_to_path(str(other))
            options = certificates.options().replace(str(certificates.authority), str(other))
            return f"{address}?{options}"
        case "no certificate":
            return f"{address}?{trusted}"
        case _:
            return f"{address}?{certificates.options()}".replace("127.0.0.1", "localhost")


async def test_what_cannot_be_verified_is_not_used(wrong: str) -> None:
    """By any of the three ways to Redis; none falls back to less."""
    with connect(wrong) as client:
        with pytest.raises(StoreUnavailable):
            Store(client).prepare()
        with pytest.raises(StoreUnavailable):
            Wire(Target.of(client)).run(Kernel(Store(client), client).reaping(), give_up=_at_once)
    store = AsyncStore(connect_async(wrong))
    with pytest.raises(StoreUnavailable):
        await store.ping()
    await store.close()


def test_a_new_connection_of_a_worker_keeps_what_tls_needs(url: str) -> None:
    """RQ hands us a client; ours has its trust and its certificate."""
    with connect(url) as given, reconnect(given) as ours:
        assert ours.ping()
        assert Target.of(ours) == Target.of(given)


def _at_once() -> bool:
    return True
