"""URLs of Redis: what they mean, and every fault of one at once, with no word of theirs."""

from __future__ import annotations

from pathlib import Path

import pytest

from portaria.core.redis_url import SENTINEL_PORT, check_redis_url, parse_sentinel_url

SECRET = "s3cret-w0rd"


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1:6379/0",
        "redis://user:p%40ss@host",
        "rediss://host:6380/3",
        "unix:///run/redis.sock?db=2",
        "redis+sentinel://host/jobs",
        "redis+sentinel://user:pw@a:26379,b:26380,[::1]:26381/jobs/2",
    ],
)
def test_a_url_that_can_be_used_is_left_as_it_is(url: str) -> None:
    """Whatever it names."""
    assert check_redis_url(url) == url


def test_sentinels_are_taken_apart() -> None:
    """Users of Redis and of the sentinels are two."""
    parsed = parse_sentinel_url(
        "redis+sentinel://door:p%40ss@a,b:7000,[::1]:7001,[fe80::1]/jobs/2"
        "?sentinel_username=watch&sentinel_password=w%26"
    )

    assert parsed.sentinels == (
        ("a", SENTINEL_PORT), ("b", 7000), ("::1", 7001), ("fe80::1", SENTINEL_PORT),
    )  # fmt: skip
    assert (parsed.service, parsed.db) == ("jobs", 2)
    assert (parsed.username, parsed.password) == ("door", "p@ss")
    assert (parsed.sentinel_username, parsed.sentinel_password) == ("watch", "w&")
    assert (parsed.tls, parsed.files) == (False, {})


def test_what_a_url_with_sentinels_leaves_out() -> None:
    """Database 0, nobody's name."""
    parsed = parse_sentinel_url("redis+sentinel://:pw@a/jobs")

    assert (parsed.db, parsed.username, parsed.password) == (0, None, "pw")
    assert (parsed.sentinel_username, parsed.sentinel_password) == (None, None)


def test_tls_has_its_files(tmp_path: Path) -> None:
    """They are there, or the URL is refused."""
    there = tmp_path / "ca.pem"
    there.touch()

    parsed = parse_sentinel_url(f"rediss+sentinel://a/jobs?ssl_ca_certs={there}")

    assert (parsed.tls, parsed.files) == (True, {"ssl_ca_certs": str(there)})


@pytest.mark.parametrize(
    ("url", "faults"),
    [
        ("redis+sentinel://", ["names no host", "names no service: …/SERVICE[/DB]"]),
        ("redis+sentinel://a:x,b:0,c:65536/jobs", ["one of its ports is not a port"]),
        ("redis+sentinel://a,,b/jobs", ["names no host"]),
        (
            "redis+sentinel://a/jobs/two?db=x",
            ["its path does not end with the number of a database", "db is not a number"],
        ),
        (
            "rediss://h?ssl_keyfile=/none&ssl_cert_reqs=none",
            [
                "its options may be db, ssl_ca_certs, ssl_certfile, ssl_keyfile",
                "ssl_keyfile is not a file that can be read",
                "ssl_keyfile needs ssl_certfile",
            ],
        ),
        ("redis://h?ssl_ca_certs=/none", ["its options may be db"]),
        ("redis://h/jobs", ["its path is not the number of a database"]),
        ("redis://h:port", ["is not a URL"]),
        ("redis://", ["names no host"]),
        ("unix://", ["names no host"]),
    ],
)
def test_all_faults_of_a_url_are_said_together(url: str, faults: list[str]) -> None:
    """TLS that verifies nothing is no option."""
    with pytest.raises(ValueError) as refusal:
        check_redis_url(url)

    assert str(refusal.value).split("; ") == faults


@pytest.mark.parametrize(
    "url",
    [
        f"redis+sentinel://:{SECRET}@",
        f"redis+sentinel://{SECRET}:1:2@a:b/x",
        f"redis+sentinel://:{SECRET}@a:x/jobs/{SECRET}",
        f"redis+sentinel://a/jobs?{SECRET}={SECRET}",
        f"redis+sentinel://a:{SECRET}",
        f"rediss://a?ssl_ca_certs={SECRET}",
        f"{SECRET}://a",
    ],
)
def test_no_fault_shows_a_secret(url: str) -> None:
    """Wherever in a broken URL it stands."""
    with pytest.raises(ValueError) as refusal:
        check_redis_url(url)

    assert SECRET not in str(refusal.value)
