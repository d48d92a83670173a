"""The sandbox as a process: what it prints, keeps, and how it stops."""

from __future__ import annotations

import signal
import smtplib
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from portaria.jobs.eager import EagerJob
from portaria_workers.mail import smtp
from portaria_workers.mail.handlers import send_bulk_email
from portaria_workers.mail.v1.mail_pb2 import SendBulkEmail
from stack.eventually import eventually

COMMAND = (sys.executable, "-m", "portaria_workers.mail.sandbox")


@contextmanager
def running(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            stream.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_is_and_stops_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    """One line, a ready file with the URL, mails as files, exit 0 in the middle of a dialogue."""
    folder, ready = tmp_path / "mails", tmp_path / "ready"
    with running("--listen", "127.0.0.1:0", "--dir", folder, "--ready-file", ready) as process:
        eventually(ready.exists)
        url = ready.read_text().strip()
        host, port = url.removeprefix("smtp://").split(":")
        with smtplib.SMTP(host, int(port), "test") as client:
            client.sendmail(
                "a@b.example",
                ["Ana/../x@c.example", "rui@c.example"],
                "Subject: Oi\r\n\r\nTudo bem?",
            )
            process.send_signal(number)
            output, errors = process.communicate(timeout=10)

    assert (process.returncode, errors) == (0, "")
    assert output == f"SMTP sandbox at {url}, mails go to {folder}\n"
    assert sorted(path.name.partition("-")[2] for path in folder.iterdir()) == [
        "000001-Ana_.._x@c.example.eml",
        "000002-rui@c.example.eml",
    ]
    [second] = folder.glob("*-000002-*")
    assert second.read_bytes() == (
        b"Return-Path: <a@b.example>\r\nDelivered-To: rui@c.example\r\n"
        b"Subject: Oi\r\n\r\nTudo bem?\r\n"
    )


def test_a_taken_port_is_told_in_a_line(tmp_path: Path) -> None:
    """No trace, exit 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = subprocess.run(
            [*COMMAND, "--listen", address, "--dir", tmp_path],
            capture_output=True, text=True, timeout=30,
        )  # fmt: skip

    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: cannot serve at {address}: ")
    assert done.stderr.count("\n") == 1


def test_replies_can_be_late(tmp_path: Path) -> None:
    """The mail is there before the reply is."""
    folder, ready = tmp_path / "mails", tmp_path / "ready"
    with running(
        "--listen", "127.0.0.1:0", "--dir", folder, "--ready-file", ready, "--delay", "0.2"
    ) as process:
        eventually(ready.exists)
        port = int(ready.read_text().rpartition(":")[2])
        with smtplib.SMTP("127.0.0.1", port, "test") as client:
            begun = time.monotonic()
            client.sendmail("a@b.example", ["slow+100ms@c.example"], "Subject: x\r\n\r\n")
            took = time.monotonic() - begun
        process.terminate()

    assert took >= 0.3
    assert len(list(folder.glob("*.eml"))) == 1


def test_a_thousand_recipients(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> None:
    """The largest bulk mail, over one connection; how long it took is reported, not judged."""
    folder, ready = tmp_path / "mails", tmp_path / "ready"
    recipients = [
        SendBulkEmail.Recipient(
            address=f"a{number}@example.com", variables={"name": f"Ana {number}"}
        )
        for number in range(1000)
    ]
    mail = SendBulkEmail(template="welcome", recipients=recipients)
    with running("--listen", "127.0.0.1:0", "--dir", folder, "--ready-file", ready) as process:
        eventually(ready.exists)
        monkeypatch.setenv("PORTARIA_SMTP_URL", ready.read_text().strip())
        wall, cpu = time.monotonic(), time.process_time()
        result = send_bulk_email(mail, EagerJob().context())
        wall, cpu = time.monotonic() - wall, time.process_time() - cpu
        smtp.close_idle()
        process.terminate()

    record_property("milliseconds_per_mail", round(wall, 3))
    print(f"1,000 mails: {wall:.2f} s, of it {cpu:.2f} s CPU in this process")
    assert result.sent == 1000
    assert len({path.name.partition("-a")[2] for path in folder.glob("*.eml")}) == 1000
