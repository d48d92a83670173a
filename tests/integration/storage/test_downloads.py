"""`portaria downloads`: what a signed link gives, and that nothing else is given."""

from __future__ import annotations

import http.client
import os
import socket
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from portaria.core.seal import KeyRing, load_key_ring
from portaria.settings import Settings, load_settings
from portaria.storage.links import Grant, sign
from portaria.storage.local import LocalStore
from portaria.storage.opening import local_store
from portaria.up.health import answers_http
from portaria.up.ports import free_port
from stack import Process, Processes

SHA256 = "ab" * 32
KEY = f"default/2026/11/{'cd' * 16}-{SHA256}-01234567.pdf"
BODY = bytes(range(256)) * 4000
NAME = "Relatório nº 1.pdf"
TYPE = "application/pdf"
WRONG = b"This link is not valid, or no longer.\n"


@dataclass(frozen=True)
class Server:
    """A running one."""

    process: Process
    address: str
    settings: Settings
    store: LocalStore

    def link(self, good_for: timedelta = timedelta(hours=1), key: str = KEY) -> str:
        """The path of a link."""
        link = self.store.link(key, filename=NAME, content_type=TYPE, good_for=good_for)
        return urlsplit(link).path

    def ask(
        self, path: str, method: str = "GET", **headers: str
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Status, headers and body."""
        connection = http.client.HTTPConnection(self.address, timeout=10)
        try:
            connection.putrequest(method, path, skip_host="Host" in headers)
            for name, value in headers.items():
                connection.putheader(name.replace("_", "-"), value)
            connection.endheaders()
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all tests, with one object."""
    folder = tmp_path_factory.mktemp("downloads")
    address = f"127.0.0.1:{free_port()}"
    env = {"PORTARIA_DATA_DIR": str(folder / "data"), "PORTARIA_DOWNLOADS_LISTEN": address}
    settings = load_settings(env)
    store = local_store(settings)
    source = folder / "source"
    source.write_bytes(BODY)
    store.put(KEY, source, content_type=TYPE)
    started = Processes(folder, {**os.environ, **env})
    process = started.portaria("downloads", "downloads")
    process.wait_until(lambda: answers_http(address))
    yield Server(process, address, settings, store)
    started.stop()


def test_a_link_gives_the_document_to_be_saved(server: Server) -> None:
    """Under its name, with its hash, and with no right to do anything in a browser."""
    status, headers, body = server.ask(server.link())

    assert (status, body) == (200, BODY)
    assert {name.lower(): value for name, value in headers.items() if name != "date"} == {
        "accept-ranges": "bytes",
        "cache-control": "private",
        "content-disposition": 'attachment; filename="Relatorio no 1.pdf"; '
        "filename*=UTF-8''Relat%C3%B3rio%20n%C2%BA%201.pdf",
        "content-length": str(len(BODY)),
        "content-security-policy": "default-src 'none'; sandbox",
        "content-type": TYPE,
        "cross-origin-resource-policy": "same-origin",
        "etag": f'"{SHA256}"',
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
    }


def test_a_look_gives_the_same_headers_and_no_body(server: Server) -> None:
    """HEAD, as download managers begin."""
    link = server.link()

    status, headers, body = server.ask(link, "HEAD")

    assert (status, body) == (200, b"")
    assert dict(headers) == dict(server.ask(link)[1]) | {"date": headers["date"]}


@pytest.mark.parametrize(
    ("asked", "begin", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=5-9", 5, 10),
        ("bytes=1000000-", 1_000_000, 1_024_000),
        ("bytes=-10", 1_023_990, 1_024_000),
        ("bytes=-9999999", 0, 1_024_000),
        ("bytes=1023999-9999999", 1_023_999, 1_024_000),
    ],
)
def test_a_part_is_given(server: Server, asked: str, begin: int, end: int) -> None:
    """So that a broken download goes on where it was."""
    status, headers, body = server.ask(server.link(), Range=asked)

    whole = end - begin == len(BODY)
    assert status == (200 if whole else 206)
    assert body == BODY[begin:end]
    assert headers["Content-Range"] == (None if whole else f"bytes {begin}-{end - 1}/1024000")


@pytest.mark.parametrize(
    "asked",
    ["bytes=0-1,5-9", "bytes=9-5", "bytes=-", "lines=1-2", "bytes=a-b", "bytes=" + "9" * 40 + "-"],
)
def test_a_part_that_is_not_understood_is_the_whole(server: Server, asked: str) -> None:
    """Also where there are several, which nobody needs."""
    assert server.ask(server.link(), Range=asked)[::2] == (200, BODY)


@pytest.mark.parametrize("asked", ["bytes=1024000-", "bytes=5000000-6000000", "bytes=-0"])
def test_a_part_that_there_is_not_is_refused(server: Server, asked: str) -> None:
    """With the size."""
    status, headers, _ = server.ask(server.link(), Range=asked)

    assert (status, headers["Content-Range"]) == (416, "bytes */1024000")


def test_what_a_caller_has_is_not_sent_again(server: Server) -> None:
    """By its hash; and a part of another content is no part of this one."""
    link = server.link()

    assert server.ask(link, If_None_Match=f'"x", W/"{SHA256}"')[::2] == (304, b"")
    assert server.ask(link, If_None_Match='"x"')[0] == 200
    assert server.ask(link, Range="bytes=0-0", If_Range=f'"{SHA256}"')[0] == 206
    assert server.ask(link, Range="bytes=0-0", If_Range='"other"')[0] == 200


def test_what_is_no_link_of_ours_is_refused_in_the_same_words(server: Server) -> None:
    """Tampered, expired, of a foreign key, for a foreign purpose, or no link at all."""
    token = server.link().removeprefix("/")
    ring = load_key_ring(server.settings.key_file)
    ended = Grant(KEY, NAME, TYPE, datetime.now(UTC) - timedelta(seconds=1))
    going = Grant(KEY, NAME, TYPE, datetime.now(UTC) + timedelta(hours=1))
    # What another key signed does not go with the key's number of ours.
    foreign = sign(KeyRing([b"x" * 32]), going)
    links = [
        token[:-1] + ("A" if token[-1] != "A" else "B"),
        token[:100] + ("A" if token[100] != "A" else "B") + token[101:],
        token[:7] + foreign[7:],
        token + "=",
        token + "%00",
        sign(ring, ended),
        foreign,
        "x",
        "favicon.ico",
        "..%2f..%2fetc%2fpasswd",
        KEY,
        "A" * 10_000,
    ]
    answers = {server.ask(f"/{link}")[::2] for link in links}

    assert answers == {(403, WRONG)}


def test_a_link_to_what_is_gone_or_never_was_an_object_finds_nothing(
    server: Server, tmp_path: Path
) -> None:
    """Deleted, a directory, or a symbolic link out of the storage."""
    source = tmp_path / "source"
    source.write_bytes(b"x")
    gone = "default/2026/11/gone.pdf"
    server.store.put(gone, source, content_type=TYPE)
    links = [server.link(key=gone), server.link(key="default/2026"), server.link(key="linked")]
    (server.store.root / "linked").symlink_to("/etc/passwd")
    assert server.ask(links[0])[::2] == (200, b"x")
    server.store.delete(gone)

    answers = {server.ask(link)[::2] for link in links}

    assert answers == {(404, b"There is nothing here.\n")}


def test_nothing_else_is_served(server: Server) -> None:
    """No list, no other method; and every answer has the headers that keep browsers quiet."""
    link = server.link()
    refused = [server.ask("/"), server.ask("/?x=1"), server.ask("/a/b/")]
    others = [server.ask(link, method) for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE")]

    assert {status for status, *_ in refused} == {404}
    assert {status for status, *_ in others} == {405}
    for _, headers, body in refused + others:
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert len(body) < 50


def test_the_host_and_what_stands_before_do_not_matter(server: Server) -> None:
    """Behind a proxy that adds or keeps a prefix; neither is part of what was signed."""
    link = server.link()

    assert server.ask(link, Host="evil.example")[0] == 200
    assert server.ask(f"/downloads{link}", X_Forwarded_For="1.2.3.4")[0] == 200
    assert server.ask(f"{link}?utm_source=mail")[0] == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        b"GET /" + b"a" * 70_000,
    ],
)
def test_what_is_no_request_gets_no_trace(server: Server, sent: bytes) -> None:
    """And the server serves on."""
    host, port = server.address.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        said = b""
        while chunk := connection.recv(4096):
            said += chunk

    assert b"Traceback" not in said
    assert server.ask(server.link())[0] == 200


def test_the_log_has_no_links(server: Server) -> None:
    """Whoever has one may fetch the document."""
    link = server.link()
    server.ask(link)
    server.ask(link[:-3])

    output = server.process.output()

    assert "downloads listening" in output
    assert link[1:40] not in output
    assert "Traceback" not in output


def test_downloads_end_in_order(processes: Processes, tmp_path: Path) -> None:
    """SIGTERM lets a download finish; a second server at the port says so and ends with 2."""
    address = f"127.0.0.1:{free_port()}"
    env = {"PORTARIA_DATA_DIR": str(tmp_path), "PORTARIA_DOWNLOADS_LISTEN": address}
    first = processes.portaria("downloads", "downloads", **env)
    first.wait_until(lambda: answers_http(address))
    store = local_store(load_settings(env))
    big = tmp_path / "big"
    big.write_bytes(bytes(20_000_000))
    store.put(KEY, big, content_type=TYPE)
    link = store.link(KEY, filename=NAME, content_type=TYPE, good_for=timedelta(hours=1))

    second = processes.portaria("second", "downloads", **env)
    assert second.wait(15) == 2
    assert f"PORTARIA_DOWNLOADS_LISTEN: cannot listen on {address}" in second.output()

    with urllib.request.urlopen(link, timeout=10) as answer:
        begun = answer.read(1000)
        first.terminate()
        rest = answer.read()
    assert len(begun) + len(rest) == 20_000_000
    assert first.wait(15) == 0


def test_a_file_that_is_cut_off_ends_its_download(processes: Processes, tmp_path: Path) -> None:
    """In the middle, so that nobody takes it for whole; the server serves on."""
    address = f"127.0.0.1:{free_port()}"
    env = {"PORTARIA_DATA_DIR": str(tmp_path), "PORTARIA_DOWNLOADS_LISTEN": address}
    server = processes.portaria("downloads", "downloads", **env)
    server.wait_until(lambda: answers_http(address))
    store = local_store(load_settings(env))
    big = tmp_path / "big"
    big.write_bytes(bytes(20_000_000))
    store.put(KEY, big, content_type=TYPE)
    link = store.link(KEY, filename=NAME, content_type=TYPE, good_for=timedelta(hours=1))

    with urllib.request.urlopen(link, timeout=10) as answer:
        answer.read(1000)
        os.truncate(store.root / KEY, 1000)
        with pytest.raises(http.client.IncompleteRead):
            answer.read()

    with urllib.request.urlopen(link, timeout=10) as answer:
        assert len(answer.read()) == 1000


def test_documents_in_s3_are_not_served_here(processes: Processes) -> None:
    """Their links go there."""
    process = processes.portaria("downloads", "downloads", PORTARIA_STORAGE_URL="s3://bucket")

    assert process.wait(15) == 2
    assert "nothing to serve here" in process.output()
