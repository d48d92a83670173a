"""Settings: read once, all faults together, no value of a secret in any of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from portaria.core.errors import ConfigurationError
from portaria.jobs import throttle
from portaria.settings import Settings, load_settings

SECRET = "s3cret-w0rd"


def refusal(**values: str) -> str:
    """What a start with these variables says."""
    with pytest.raises(ConfigurationError) as error:
        load_settings({f"PORTARIA_{name}": value for name, value in values.items()})
    return error.value.message


def test_nothing_set_is_a_system_on_this_machine() -> None:
    """Every setting works when absent."""
    settings = load_settings({})

    assert settings == Settings()
    assert settings.redis_url == "redis://127.0.0.1:6379/0"
    assert settings.jobs == ("portaria_workers",)
    assert (settings.schedules, settings.release) == (None, "")
    assert settings.key_file == Path(".portaria/signing.key")


def test_what_is_set_is_used() -> None:
    """Each in its type."""
    settings = load_settings(
        {
            "PORTARIA_JOBS": " portaria_workers , acme_jobs.lab,",
            "PORTARIA_SCHEDULES": "our.schedules, their_list",
            "PORTARIA_RELEASE": "2026.11.1",
            "PORTARIA_DATA_DIR": "/var/lib/portaria",
            "PORTARIA_GRACE_SECONDS": "1.5",
            "PORTARIA_MAX_JOBS_PER_CHILD": "7",
            "PORTARIA_REFLECTION": "false",
            "PORTARIA_LISTEN": "[::1]:0",
            "PORTARIA_ADDRESS": "unix:/run/door.sock",
            "PORTARIA_LINK_BASE": "https://example.com/",
        }
    )

    assert settings.jobs == ("portaria_workers", "acme_jobs.lab")
    assert (settings.schedules, settings.release) == (("our.schedules", "their_list"), "2026.11.1")
    assert settings.key_file == Path("/var/lib/portaria/signing.key")
    assert (settings.grace_seconds, settings.max_jobs_per_child) == (1.5, 7)
    assert settings.reflection is False
    assert (settings.listen, settings.address) == ("[::1]:0", "unix:/run/door.sock")
    assert settings.link_base == "https://example.com"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STORAGE_URL", "file:///var/lib/portaria/a%20b"),
        ("STORAGE_URL", "s3://our-bucket.eu"),
        ("STORAGE_URL", "s3://our-bucket/of/portaria"),
        ("S3_ENDPOINT", "http://127.0.0.1:9000"),
        ("S3_ENDPOINT", "https://s3.example"),
        ("DATABASE_URL", "sqlite:///portaria.db"),
        ("DATABASE_URL", "sqlite:////var/lib/portaria/portaria.db"),
        ("DATABASE_URL", "postgresql://ana:x@db.example:5432/portaria?sslmode=verify-full"),
        ("DATABASE_URL", "postgresql://ana@/portaria?host=/run/postgresql"),
        ("DOWNLOADS_LISTEN", "[::1]:0"),
        ("DOWNLOADS_BASE", "https://example.com/downloads"),
    ],
)
def test_where_things_are_kept_is_said_as_a_url(name: str, value: str) -> None:
    """With a slash at its end or without."""
    field = name.lower()

    settings = load_settings({f"PORTARIA_{name}": value})

    assert getattr(settings, field) == value
    if name in ("STORAGE_URL", "S3_ENDPOINT", "DOWNLOADS_BASE"):
        assert getattr(load_settings({f"PORTARIA_{name}": f"{value}/"}), field) == value


def test_no_list_of_schedules_is_not_the_usual_ones() -> None:
    """Empty is none, unset is those of the packages."""
    assert load_settings({"PORTARIA_SCHEDULES": ""}).schedules == ()


def test_the_key_ring_may_lie_elsewhere() -> None:
    """A mounted secret."""
    settings = load_settings({"PORTARIA_SIGNING_KEY_FILE": "/run/secrets/ring"})

    assert settings.key_file == Path("/run/secrets/ring")


def test_an_empty_tls_file_is_none() -> None:
    """As compose files write what is not set."""
    names = ("CERT", "KEY", "CLIENT_CA", "CA", "CLIENT_CERT", "CLIENT_KEY")

    settings = load_settings({f"PORTARIA_TLS_{name}_FILE": "" for name in names})

    assert settings == Settings()


def test_an_empty_url_is_none() -> None:
    """As compose files write what is not set."""
    names = ("STORAGE_URL", "S3_ENDPOINT", "DATABASE_URL", "DOWNLOADS_BASE", "UNSUBSCRIBE_URL")

    assert load_settings({f"PORTARIA_{name}": "" for name in names}) == Settings()


def test_every_rate_that_may_be_set_can_be_kept() -> None:
    """What the settings take, `ctx.throttle` takes, too."""
    rates = [load_settings({"PORTARIA_SMTP_RATE": text}).smtp_rate for text in ("0.001", "100000")]

    assert rates == [throttle.SLOWEST, 100_000]
    assert rates[1] <= throttle.FASTEST


def test_variables_of_others_are_left_alone() -> None:
    """Only our prefix counts."""
    assert load_settings({"HOME": "/root", "RQ_REDIS_URL": "nonsense", "PORT": "x"}) == Settings()


def test_a_variable_that_does_not_exist_is_a_typing_error() -> None:
    """With the nearest that does; its value is not shown."""
    message = refusal(REDIS_ULR=SECRET, ENTIRELY_DIFFERENT="x")

    assert "PORTARIA_REDIS_ULR: no such setting; did you mean PORTARIA_REDIS_URL?" in message
    assert "PORTARIA_ENTIRELY_DIFFERENT: no such setting" in message
    assert SECRET not in message


def test_all_faults_are_said_together() -> None:
    """One start, one list, a line each."""
    message = refusal(
        REDIS_URL="http://x", LISTEN="nowhere", JOBS="no-package", LOG_LEVEL="loud",
        GRACE_SECONDS="-1", MAX_JOBS_PER_CHILD="0", NAMESPACE="Default", TYPO="1",
    )  # fmt: skip

    lines = message.splitlines()
    named = {line.partition(":")[0].removeprefix("PORTARIA_") for line in lines[1:]}
    assert lines[0] == "the settings cannot be used:"
    assert named == {
        "REDIS_URL", "LISTEN", "JOBS", "LOG_LEVEL", "GRACE_SECONDS", "MAX_JOBS_PER_CHILD",
        "NAMESPACE", "TYPO",
    }  # fmt: skip
    assert len(lines) == 9


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("REDIS_URL", "localhost:6379", "expected a URL with redis://, rediss://, redis+sentinel"),
        ("REDIS_URL", "redis://", "names no host"),
        ("REDIS_URL", "redis://x:port/0", "is not a URL"),
        ("REDIS_URL", "unix://", "names no host"),
        ("SMTP_URL", "http://x", "expected a URL with smtp://, smtp+starttls://, smtps://"),
        ("LINK_BASE", "javascript:alert(1)", "expected a URL with http://, https://"),
        ("LISTEN", "50051", "expected HOST:PORT"),
        ("LISTEN", "host:", "expected HOST:PORT"),
        ("LISTEN", ":50051", "expected HOST:PORT"),
        ("LISTEN", "host:65536", "expected HOST:PORT"),
        ("ADDRESS", "host:1e3", "expected HOST:PORT"),
        ("JOBS", "", "names no package"),
        ("JOBS", " , ", "names no package"),
        ("JOBS", "a b", '"a b" is not the name of a Python package'),
        ("JOBS", "acme..jobs", "is not the name of a Python package"),
        ("SCHEDULES", "our list", '"our list" is not the name of a Python package'),
        ("NAMESPACE", "", "must match pattern"),
        ("LOG_FORMAT", "xml", "must be 'auto', 'pretty' or 'json'"),
        ("GRACE_SECONDS", "soon", "must be a valid number"),
        ("GRACE_SECONDS", "nan", "less than or equal to 3600"),
        ("GRACE_SECONDS", "inf", "less than or equal to 3600"),
        ("REDIS_REPLICAS", "-1", "greater than or equal to 0"),
        ("REDIS_REPLICAS", "some", "must be a valid integer"),
        ("MAX_JOBS_PER_CHILD", "1.5", "must be a valid integer"),
        ("REFLECTION", "perhaps", "must be a valid boolean"),
        ("MAIL_FROM", "", "at least 3 characters"),
        ("STORAGE_URL", "/var/lib/objects", "expected file:///DIRECTORY or s3://BUCKET/PREFIX"),
        ("STORAGE_URL", "file://host/objects", "expected file:///DIRECTORY"),
        ("STORAGE_URL", "file:///", "expected file:///DIRECTORY"),
        ("STORAGE_URL", "file:///a/../b", "expected file:///DIRECTORY"),
        ("STORAGE_URL", "file:///a?b", "expected file:///DIRECTORY"),
        ("STORAGE_URL", "s3://", "expected file:///DIRECTORY or s3://BUCKET/PREFIX"),
        ("STORAGE_URL", "s3://Bucket", "expected file:///DIRECTORY or s3://BUCKET/PREFIX"),
        ("STORAGE_URL", "s3://a", "expected file:///DIRECTORY or s3://BUCKET/PREFIX"),
        ("STORAGE_URL", "s3://bucket/../x", "expected file:///DIRECTORY or s3://BUCKET/PREFIX"),
        ("STORAGE_URL", "s3://bucket/a b", "a prefix has letters, digits and . _ -"),
        ("STORAGE_URL", "s3://bucket//a", "a prefix has letters, digits and . _ -"),
        ("STORAGE_URL", "https://bucket.example", "expected file:///DIRECTORY"),
        ("S3_ENDPOINT", "s3.example:9000", "expected a URL with http://, https://"),
        ("S3_ENDPOINT", "http://s3.example", "expected https://, but for this machine"),
        ("DATABASE_URL", "portaria.db", "expected postgresql://USER:PASSWORD@HOST/NAME"),
        ("DATABASE_URL", "mysql://h/x", "or sqlite:///FILE"),
        ("DATABASE_URL", "postgres://h/x", "expected postgresql://"),
        ("DATABASE_URL", "postgresql://h", "expected postgresql://USER:PASSWORD@HOST/NAME"),
        ("DATABASE_URL", "postgresql:///x", "names no host"),
        ("DATABASE_URL", "postgresql://h:port/x", "is not a URL"),
        ("DATABASE_URL", "sqlite://", "or sqlite:///FILE"),
        ("DATABASE_URL", "sqlite:///", "or sqlite:///FILE"),
        ("DATABASE_URL", "sqlite:///:memory:", "or sqlite:///FILE"),
        ("DATABASE_URL", "sqlite:///data/", "or sqlite:///FILE"),
        ("DATABASE_URL", "sqlite:///a.db?mode=memory", "or sqlite:///FILE"),
        ("DATABASE_URL", "sqlite://host/a.db", "or sqlite:///FILE"),
        ("DOWNLOADS_LISTEN", "50080", "expected HOST:PORT"),
        ("DOWNLOADS_LISTEN", "unix:/run/x", "expected HOST:PORT"),
        ("DOWNLOADS_BASE", "example.com", "expected a URL with http://, https://"),
        ("DOWNLOADS_BASE", "javascript:alert(1)", "expected a URL with http://, https://"),
        ("LINK_SECONDS", "59", "greater than or equal to 60"),
        ("LINK_SECONDS", "604801", "less than or equal to 604800"),
        ("UNSUBSCRIBE_URL", "mailto:a@b.c", "expected a URL with http://, https://"),
        ("UNSUBSCRIBE_URL", "https://exemplo.pt/saída", "expected a URL in ASCII, without query"),
        ("UNSUBSCRIBE_URL", "https://bücher.example/u", "expected a URL in ASCII"),
        ("UNSUBSCRIBE_URL", "https://a.example/u?list=1", "without query and fragment"),
        ("UNSUBSCRIBE_URL", "https://a.example/u?", "without query and fragment"),
        ("UNSUBSCRIBE_URL", "https://a.example/#u", "without query and fragment"),
        ("UNSUBSCRIBE_URL", "https://a.example/\nBcc: b@c.example", "expected a URL in ASCII"),
        ("UNSUBSCRIBE_URL", "https://a.example/>, <mailto:b@c.example", "expected a URL in ASCII"),
        ("SMTP_RATE", "0.0009", "expected 0 for no limit, or at least 0.001"),
        ("SMTP_RATE", "-1", "greater than or equal to 0"),
        ("SMTP_RATE", "nan", "less than or equal to 100000"),
        ("DKIM_SELECTOR", "", "must match pattern"),
        ("DKIM_SELECTOR", "a b", "must match pattern"),
        ("DKIM_SELECTOR", "-a", "must match pattern"),
    ],
)
def test_each_fault_says_what_was_expected(name: str, value: str, words: str) -> None:
    """In one line, with the variable's name."""
    (line,) = refusal(**{name: value}).splitlines()[1:]

    assert line.startswith(f"PORTARIA_{name}: ")
    assert words in line


@pytest.mark.parametrize(
    "name",
    ["REDIS_URL", "SMTP_URL", "STORAGE_URL", "S3_ENDPOINT", "DATABASE_URL", "DOWNLOADS_BASE"],
)
@pytest.mark.parametrize(
    "url",
    [
        f"ftp://user:{SECRET}@host",
        f"{SECRET}",
        f"redis://:{SECRET}@",
        f"smtp://:{SECRET}@host:port",
        f"redis://:[{SECRET}@host",
        f"redis://user:{SECRET}",
    ],
)
def test_no_fault_shows_a_password(name: str, url: str) -> None:
    """Wherever in a broken URL it stands."""
    assert SECRET not in refusal(**{name: url})


def test_settings_do_not_change() -> None:
    """What was read at start holds."""
    with pytest.raises(ValueError, match="frozen"):
        load_settings({}).log_level = "debug"


def test_webhooks_are_names_and_urls() -> None:
    """Separated by blanks; plain HTTP to this machine only."""
    urls = (
        "a=https://example.com/x?y=1,2 b=http://127.0.0.1:8080/ c=http://[::1]/ d=http://localhost"
    )

    settings = load_settings({"PORTARIA_WEBHOOKS": f" {urls}\n"})

    assert " ".join("=".join(pair) for pair in settings.webhooks) == urls


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("https://example.com", "expected NAME=URL"),
        ("a=", "expected NAME=URL"),
        ("A=https://example.com", "expected NAME=URL"),
        ("a=https://example.com a=https://example.org", 'names "a" twice'),
        ("a=ftp://example.com", '"a": expected a URL with http://, https://'),
        ("a=https://", '"a": names no host'),
        ("a=http://example.com", '"a": expected https://, but for this machine'),
        ("a=http://10.0.0.1", '"a": expected https://, but for this machine'),
        (f"a=https://ana:{SECRET}@example.com", '"a": expected a URL without user'),
        ("a=https://example.com/#x", '"a": expected a URL without user and fragment'),
    ],
)
def test_a_webhook_that_cannot_be_is_said(value: str, words: str) -> None:
    """Without what may be a secret."""
    said = refusal(WEBHOOKS=value)

    assert f"PORTARIA_WEBHOOKS: {words}" in said
    assert SECRET not in said
