"""Endpoints of webhooks: where they are, and how what goes there is signed."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from portaria.core.errors import ConfigurationError
from portaria.jobs import PermanentError
from portaria_workers.maintenance.endpoints import Endpoint, endpoint, read_secrets

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
URL = "https://example.com/hooks"


def test_the_example_of_standard_webhooks_is_signed_as_there() -> None:
    """Secret, id, moment, body and signature are those of its specification."""
    secret = base64.b64decode(SECRET.removeprefix("whsec_"))

    signature = Endpoint("default", URL, (secret,)).sign(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )

    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_each_secret_signs() -> None:
    """So that a receiver may change to the next one when it likes."""
    signature = Endpoint("default", URL, (b"a" * 24, b"b" * 24)).sign("m", 1, b"{}")

    first, second = signature.split(" ")
    assert first != second
    assert all(each.startswith("v1,") for each in (first, second))


def test_secrets_are_read_by_name(tmp_path: Path) -> None:
    """One or more a line; comments and empty lines are none."""
    other = "whsec_" + base64.b64encode(b"x" * 64).decode()
    path = tmp_path / "secrets"
    path.write_text(f"# ours\n\ndefault {SECRET}\nbilling {SECRET} {other} # rotating\n")

    found = read_secrets(path)

    assert {name: len(secrets) for name, secrets in found.items()} == {"default": 1, "billing": 2}
    assert found["billing"] == (*found["default"], b"x" * 64)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("default", 'line 1: "default" has no secret'),
        (f"a {SECRET}\na {SECRET}", 'line 2: "a" is there twice'),
        ("a whsec_c2hvcnQ=", 'line 1: expected "whsec_" and 24 to 64 bytes in Base64'),
        ("a whsec_?" + "A" * 40, "line 1: expected"),
        (f"a {SECRET[6:]}", "line 1: expected"),
    ],
)
def test_a_fault_names_its_line_and_no_secret(tmp_path: Path, text: str, words: str) -> None:
    """Whatever stands there."""
    path = tmp_path / "secrets"
    path.write_text(text)

    with pytest.raises(ConfigurationError) as refusal:
        read_secrets(path)

    assert words in refusal.value.message
    assert not any(word in refusal.value.message for word in text.split() if len(word) > 10)


def test_an_endpoint_is_one_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its secrets; the empty name is "default"."""
    path = tmp_path / "secrets"
    path.write_text(f"default {SECRET}")
    monkeypatch.setenv("PORTARIA_WEBHOOKS", f"default={URL} billing={URL}/b?a=b,c=d")

    with pytest.raises(ConfigurationError, match="PORTARIA_WEBHOOK_KEY_FILE is not set"):
        endpoint("")
    monkeypatch.setenv("PORTARIA_WEBHOOK_KEY_FILE", str(path))
    found = endpoint("")

    assert (found.name, found.url, len(found.secrets)) == ("default", URL, 1)
    assert "whsec" not in repr(found)
    with pytest.raises(ConfigurationError, match='has no secret of "billing"'):
        endpoint("billing")
    with pytest.raises(PermanentError) as unknown:
        endpoint("other")
    assert unknown.value.reason == "WEBHOOK_UNKNOWN"
