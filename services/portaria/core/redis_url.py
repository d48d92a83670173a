"""What PORTARIA_REDIS_URL may say, and what it means. Faults are named without any of its words.

    redis://[user:password@]host[:port][/db]            rediss:// with TLS
    redis+sentinel://[user:password@]host[:port][,host[:port]…]/service[/db]
                                                        rediss+sentinel:// with TLS to all of them
    unix://[user:password@]/path[?db=0]

User and password are those of Redis itself; the sentinels' own are the options sentinel_username
and sentinel_password. With TLS there are ssl_ca_certs, ssl_certfile and ssl_keyfile: files.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

SENTINEL = ("redis+sentinel", "rediss+sentinel")
SCHEMES = ("redis", "rediss", *SENTINEL, "unix")
SENTINEL_PORT = 26379

_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_OPTIONS = {
    "redis": {"db"},
    "rediss": {"db", *_FILES},
    "redis+sentinel": {"db", "sentinel_username", "sentinel_password"},
    "rediss+sentinel": {"db", "sentinel_username", "sentinel_password", *_FILES},
    "unix": {"db"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SentinelUrl:
    """Where the sentinels are, and what to ask them for."""

    sentinels: tuple[tuple[str, int], ...]
    service: str
    db: int
    username: str | None
    password: str | None
    sentinel_username: str | None
    sentinel_password: str | None
    tls: bool
    files: dict[str, str]
    """ssl_ca_certs, ssl_certfile, ssl_keyfile: those that are given."""


def is_sentinel(url: str) -> bool:
    """Whether a URL names sentinels."""
    return url.partition("://")[0] in SENTINEL


def check_redis_url(url: str) -> str:
    """The URL. Raises ValueError with everything that is wrong with it."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in SCHEMES:
        allowed = ", ".join(f"{each}://" for each in SCHEMES)
        raise ValueError(f"expected a URL with {allowed}")
    faults = list(_address_faults(scheme, url, rest)) + _option_faults(scheme, rest)
    if faults:
        raise ValueError("; ".join(faults))
    return url


def parse_sentinel_url(url: str) -> SentinelUrl:
    """Takes a URL with sentinels apart. Raises ValueError where `check_redis_url` does."""
    scheme, _, rest = check_redis_url(url).partition("://")
    authority, path, query = _parts(rest)
    options = dict(parse_qsl(query))
    login, _, hosts = authority.rpartition("@")
    username, _, password = login.partition(":")
    service, _, db = path.partition("/")
    return SentinelUrl(
        sentinels=tuple(_host_port(each) for each in hosts.split(",")),
        service=unquote(service),
        db=int(db or options.get("db") or 0),
        username=unquote(username) or None,
        password=unquote(password) or None,
        sentinel_username=options.get("sentinel_username"),
        sentinel_password=options.get("sentinel_password"),
        tls=scheme == "rediss+sentinel",
        files={name: options[name] for name in _FILES if name in options},
    )


def _address_faults(scheme: str, url: str, rest: str) -> list[str]:
    if scheme in SENTINEL:
        return _sentinel_faults(rest)
    try:
        parts: SplitResult = urlsplit(url)
        _ = parts.port
    except ValueError:
        return ["is not a URL"]
    if not (parts.hostname or (scheme == "unix" and parts.path)):
        return ["names no host"]
    if scheme != "unix" and parts.path.strip("/") and not _is_number(parts.path.strip("/")):
        return ["its path is not the number of a database"]
    return []


def _sentinel_faults(rest: str) -> list[str]:
    authority, path, _ = _parts(rest)
    faults = []
    for each in authority.rpartition("@")[2].split(","):
        try:
            if not _host_port(each)[0]:
                faults.append("names no host")
        except ValueError:
            faults.append("one of its ports is not a port")
    service, _, db = path.partition("/")
    if not service:
        faults.append("names no service: …/SERVICE[/DB]")
    if db and not _is_number(db):
        faults.append("its path does not end with the number of a database")
    return list(dict.fromkeys(faults))


def _option_faults(scheme: str, rest: str) -> list[str]:
    options = dict(parse_qsl(_parts(rest)[2], keep_blank_values=True))
    allowed = _OPTIONS[scheme]
    faults = []
    if options.keys() - allowed:
        faults.append(f"its options may be {', '.join(sorted(allowed))}")
    faults += [
        f"{name} is not a file that can be read"
        for name in _FILES
        if name in options and name in allowed and not _is_readable(options[name])
    ]
    if "ssl_keyfile" in options and "ssl_certfile" not in options:
        faults.append("ssl_keyfile needs ssl_certfile")
    if "db" in options and not _is_number(options["db"]):
        faults.append("db is not a number")
    return faults


def _parts(rest: str) -> tuple[str, str, str]:
    """Authority, path and query of what follows `://`."""
    address, _, query = rest.partition("?")
    authority, _, path = address.partition("/")
    return authority, path.strip("/"), query


def _host_port(text: str) -> tuple[str, int]:
    """Raises ValueError where the port is none. An IPv6 address stands in brackets."""
    host, colon, port = text.rpartition(":")
    if not colon or port.endswith("]"):
        return text.strip("[]"), SENTINEL_PORT
    if not _is_number(port) or not 0 < int(port) < 65536:
        raise ValueError("not a port")
    return host.strip("[]"), int(port)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _is_readable(name: str) -> bool:
    try:
        with Path(name).open("rb"):
            return True
    except (OSError, ValueError):
        return False
