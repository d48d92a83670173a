"""Settings: read once, all faults together, no value of a secret in any of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from portaria.core.errors import ConfigurationError
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
    ],
)
def test_each_fault_says_what_was_expected(name: str, value: str, words: str) -> None:
    """In one line, with the variable's name."""
    (line,) = refusal(**{name: value}).splitlines()[1:]

    assert line.startswith(f"PORTARIA_{name}: ")
    assert words in line


@pytest.mark.parametrize("name", ["REDIS_URL", "SMTP_URL"])
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
