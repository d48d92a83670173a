"""The suppression list, over SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, select

from portaria.core.errors import ConfigurationError
from portaria.database import open_database
from portaria.jobs import JobError, PermanentError
from portaria.jobs.eager import EagerJob
from portaria.settings import load_settings
from portaria_workers.mail.addresses import address_digest
from portaria_workers.mail.handlers import (
    allow_address,
    send_activation_email,
    send_bulk_email,
    send_email,
    send_notification,
    suppress_address,
)
from portaria_workers.mail.suppression import blocked, suppress
from portaria_workers.mail.tables import METADATA, SUPPRESSIONS
from portaria_workers.mail.unsubscribing import Unsubscribing
from portaria_workers.mail.v1.mail_pb2 import (
    AllowAddress,
    SendActivationEmail,
    SendBulkEmail,
    SendEmail,
    SendNotification,
    SuppressAddress,
)

from .conftest import RunningSandbox

ANA = "ana@example.com"
SINGLE: list[Callable[[], object]] = [
    lambda: send_email(
        SendEmail(to=ANA, template="welcome", variables={"name": "Ana"}), EagerJob().context()
    ),
    lambda: send_activation_email(
        SendActivationEmail(to="Ana@EXAMPLE.com", name="Ana", code="1", user_id="1"),
        EagerJob().context(),
    ),
]


def put(reason: int = 0, address: str = ANA, **job: str) -> bool:
    request = SuppressAddress(address=address, reason=reason)  # type: ignore[arg-type]
    return suppress_address(request, EagerJob(**job).context()).added  # type: ignore[arg-type]


def take(address: str = ANA) -> bool:
    return allow_address(AllowAddress(address=address), EagerJob().context()).removed


def test_a_suppressed_address_gets_no_mail_until_it_is_allowed(
    database: Engine, sandbox: RunningSandbox
) -> None:
    """However it is written; nothing is in doubt, no connection is opened."""
    assert put(SuppressAddress.REASON_BOUNCED)
    for send in SINGLE:
        with pytest.raises(PermanentError) as caught:
            send()
        assert caught.value.reason == "RECIPIENT_SUPPRESSED"
        assert "BOUNCED" in str(caught.value)
    assert sandbox.server.connections == 0

    assert take("ANA@example.com")
    for send in SINGLE:
        send()

    assert len(sandbox.mails()) == 2


def test_who_left_the_list_still_gets_single_mails(
    database: Engine, sandbox: RunningSandbox
) -> None:
    """A newsletter that one does not want is no reason to lose one's password."""
    put(SuppressAddress.REASON_UNSUBSCRIBED)

    SINGLE[0]()

    assert len(sandbox.mails()) == 1
    assert blocked([ANA], namespace="default") == {ANA: "UNSUBSCRIBED"}
    assert blocked([ANA], namespace="default", bulk=False) == {}


def test_both_are_idempotent(database: Engine) -> None:
    """Twice is once; several reasons are several, and all go at once."""
    assert [put(), put()] == [True, False]
    assert [put(SuppressAddress.REASON_COMPLAINED), put(SuppressAddress.REASON_MANUAL)] == [
        True, False,
    ]  # fmt: skip
    assert [take(), take()] == [True, False]
    assert blocked([ANA], namespace="default") == {}


def test_a_link_of_a_mail_suppresses_its_address(
    database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of that namespace alone; a wrong one does nothing."""
    monkeypatch.setenv("PORTARIA_UNSUBSCRIBE_URL", "https://portaria.example/u")
    unsubscribing = Unsubscribing.open(load_settings(), "default")
    assert unsubscribing is not None
    token = unsubscribing.url(ANA).rpartition("/")[2]

    added = suppress_address(SuppressAddress(token=token), EagerJob().context()).added

    assert added
    assert blocked([ANA, "rui@example.com"], namespace="default") == {ANA: "UNSUBSCRIBED"}
    assert blocked([ANA], namespace="other") == {}
    with pytest.raises(PermanentError) as caught:
        suppress_address(SuppressAddress(token=token[:-2]), EagerJob().context())
    assert caught.value.reason == "TOKEN"


def test_a_newsletter_is_left_by_the_link_in_it(
    database: Engine, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The header's and the body's are the same; the next one passes by who left."""
    monkeypatch.setenv("PORTARIA_UNSUBSCRIBE_URL", "https://portaria.example/u")
    mail = SendBulkEmail(
        template="newsletter",
        variables={"title": "t", "body": "b"},
        recipients=[{"address": ANA}, {"address": "rui@example.com"}],  # type: ignore[list-item]
    )

    send_bulk_email(mail, EagerJob().context())
    first = next(each for each in sandbox.mails() if each["To"] == ANA)
    url = str(first["List-Unsubscribe"]).strip("<>")
    token = url.removeprefix("https://portaria.example/u/")
    suppress_address(SuppressAddress(token=token), EagerJob().context())
    again = send_bulk_email(mail, EagerJob().context())

    text = first.get_body(preferencelist=("plain",))
    assert text is not None
    assert url in text.get_content()
    assert first["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert (again.sent, again.suppressed_count) == (1, 1)
    assert sorted(sandbox.delivered_to()) == [ANA, "rui@example.com", "rui@example.com"]


def test_many_are_looked_up_at_once(database: Engine) -> None:
    """More than a query takes; each as its caller wrote it."""
    everybody = [f"Person{number}@example.com" for number in range(1201)]
    now = datetime.now(UTC)
    for address in everybody[::400]:
        suppress(address_digest(address), "BOUNCED", namespace="default", now=now)

    found = blocked(everybody, namespace="default")

    assert found == dict.fromkeys(everybody[::400], "BOUNCED")


def test_the_list_names_nobody(database: Engine) -> None:
    """Digests only: a copy of the table is no list of addresses."""
    put()

    with database.begin() as connection:
        [row] = connection.execute(select(SUPPRESSIONS)).mappings()

    assert row["address"] == address_digest(ANA)
    assert "ana" not in str(dict(row))


def test_migrations_make_the_tables_that_the_code_knows(database: Engine) -> None:
    """Neither has what the other lacks."""
    with database.connect() as connection:
        ours = MigrationContext.configure(
            connection,
            opts={"include_name": lambda name, kind, _: kind != "table" or "mail" in name},
        )
        assert compare_metadata(ours, METADATA) == []


def test_an_alert_passes_by_who_is_suppressed(database: Engine, sandbox: RunningSandbox) -> None:
    """The others get it; where nobody is left, the job fails."""
    put(SuppressAddress.REASON_BOUNCED)
    alert = SendNotification(recipients=["ana@EXAMPLE.com", "rui@example.com"], title="t")

    result = send_notification(alert, EagerJob().context())

    assert (result.sent, [each.address for each in result.refused]) == (1, [ANA])
    assert sandbox.delivered_to() == ["rui@example.com"]
    with pytest.raises(PermanentError) as caught:
        send_notification(SendNotification(recipients=[ANA], title="t"), EagerJob().context())
    assert caught.value.reason == "RECIPIENT_REFUSED"


def test_mail_goes_out_where_no_database_was_set_up(sandbox: RunningSandbox) -> None:
    """Nobody can be on a list that does not exist; and no file is made by looking."""
    SINGLE[0]()

    assert len(sandbox.mails()) == 1
    assert not Path(open_database().url.database or "").exists()


def test_a_database_without_the_table_stops_mail_and_says_what_to_do(
    sandbox: RunningSandbox,
) -> None:
    """Who is on the list is not known then."""
    engine = open_database()
    with engine.begin():
        pass

    with pytest.raises(ConfigurationError, match="portaria db upgrade"):
        SINGLE[0]()
    with pytest.raises(ConfigurationError, match="portaria db upgrade"):
        put()

    assert sandbox.mails() == []


def test_a_database_that_is_away_is_waited_for(
    sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attempt fails, not the job."""
    monkeypatch.setenv("PORTARIA_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")

    with pytest.raises(JobError) as caught:
        SINGLE[0]()

    assert (caught.value.reason, isinstance(caught.value, PermanentError)) == (
        "DATABASE_UNAVAILABLE", False,
    )  # fmt: skip
    assert sandbox.mails() == []
