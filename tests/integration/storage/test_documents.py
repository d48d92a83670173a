"""The registry: rows and contents that belong together, whatever runs twice or breaks off."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete

from portaria.core.errors import ConfigurationError
from portaria.database import DatabaseUnavailable, open_database
from portaria.database.upgrading import upgrade
from portaria.jobs.errors import HoldLost, PermanentError
from portaria.settings import Settings, load_settings
from portaria.storage.document import Document, DocumentMissing, DocumentNotReady, Status
from portaria.storage.documents import Documents, open_documents
from portaria.storage.objects import ObjectStore, StorageUnavailable
from portaria.storage.opening import open_store
from portaria.storage.registry import Registry
from portaria.storage.tables import REGISTRY
from stack import Processes
from stack.postgres import PostgresServer

ID = "ab" * 16
NAMESPACE = "default"
LATER = timedelta(days=2)


def now() -> datetime:
    """Aware."""
    return datetime.now(UTC)


def reserve(documents: Documents, **changes: Any) -> Document:
    """As a job does in each of its runs."""
    given = {
        "namespace": NAMESPACE,
        "kind": "invoice",
        "filename": "fatura.pdf",
        "content_type": "application/pdf",
        "owner": "u-17",
        "document_id": ID,
        "job_id": "job-1",
    }
    return documents.reserve(**(given | changes))


def content(documents: Documents, document: Document) -> bytes:
    """All of it."""
    with documents.reading(document) as file:
        return file.read()


def keys(objects: ObjectStore) -> list[str]:
    """Of all contents, sorted; without the markers of registries."""
    found = (each.key for each in objects.find())
    return sorted(key for key in found if not key.startswith("_registries/"))


def test_a_document_from_its_reservation_to_its_end(
    documents: Documents, objects: ObjectStore, source: Path
) -> None:
    """The way of every document."""
    reserved = reserve(documents, keep=timedelta(days=30))
    assert (reserved.status, reserved.key, reserved.id) == (Status.PROCESSING, "", ID)
    assert reserved.expires == reserved.created + timedelta(days=30)
    with pytest.raises(DocumentNotReady), documents.reading(reserved):
        pass
    with pytest.raises(DocumentNotReady):
        documents.link(reserved)

    completed = documents.complete(reserved, source, pages=2, rows=7)

    assert completed == documents.get(ID, namespace=NAMESPACE)
    assert (completed.status, completed.size, completed.pages, completed.rows) == (
        Status.COMPLETED, 7, 2, 7,
    )  # fmt: skip
    assert completed.sha256.startswith("ed7002b439e9ac845f22357d822bac14")
    assert re.fullmatch(
        rf"default/\d{{4}}/\d{{2}}/{ID}-{completed.sha256}-[0-9a-f]{{8}}\.pdf", completed.key
    )
    assert content(documents, completed) == b"content"
    assert documents.link(completed).startswith("http")

    documents.delete(completed)

    assert keys(objects) == []
    with pytest.raises(DocumentMissing):
        documents.get(ID, namespace=NAMESPACE)
    with pytest.raises(DocumentMissing):
        documents.complete(completed, source)
    documents.delete(completed)


def test_a_put_is_complete_at_once(documents: Documents, source: Path) -> None:
    """With name and type as the file's name says, and a safe name where another is given."""
    first = documents.put(source, namespace=NAMESPACE)
    second = documents.put(
        source, namespace=NAMESPACE, filename="../dados.csv", owner="u-1", keep=timedelta(days=1)
    )

    assert (first.filename, first.content_type, first.kind) == (
        "source.txt", "text/plain", "upload",
    )  # fmt: skip
    assert (second.filename, second.content_type, second.owner) == ("dados.csv", "text/csv", "u-1")
    assert first.status is second.status is Status.COMPLETED
    assert documents.get(second.id, namespace=NAMESPACE) == second
    assert content(documents, second) == b"content"


def test_a_repeated_run_has_its_row_again_and_replaces_the_content(
    documents: Documents, objects: ObjectStore, source: Path
) -> None:
    """What the first run made can be read until the second is done; then it is gone."""
    first = documents.complete(reserve(documents), source)
    source.write_bytes(b"other")

    again = reserve(documents, filename="other.pdf")
    assert (again.key, again.status, again.created) == (first.key, first.status, first.created)
    assert content(documents, again) == b"content"
    second = documents.complete(again, source)

    assert content(documents, documents.get(ID, namespace=NAMESPACE)) == b"other"
    assert keys(objects) == [second.key]


def test_a_late_run_with_the_same_bytes_leaves_links_and_readers_alone(
    documents: Documents, objects: ObjectStore, source: Path
) -> None:
    """What it put is deleted, not what was there; what else it found is taken over."""
    reserved = reserve(documents)
    first = documents.complete(reserved, source, pages=1)

    second = documents.complete(reserved, source, pages=2)

    assert second.key == first.key
    assert (second.status, second.pages) == (Status.COMPLETED, 2)
    assert content(documents, first) == b"content"
    assert len(keys(objects)) == 1


def test_a_run_that_lost_its_job_while_it_put_changes_nothing(
    documents: Documents, objects: ObjectStore, source: Path, tmp_path: Path
) -> None:
    """Its content is there when it looks, and gone after."""
    reserved = reserve(documents)
    first = documents.complete(reserved, source)
    other = tmp_path / "other"
    other.write_bytes(b"other")

    def lost() -> None:
        assert len(keys(objects)) == 2
        raise HoldLost

    with pytest.raises(HoldLost):
        documents.complete(reserved, other, check=lost)

    assert documents.get(ID, namespace=NAMESPACE) == first
    assert keys(objects) == [first.key]


def test_a_run_after_a_failed_one_begins_anew(documents: Documents) -> None:
    """PROCESSING again; without the reason of the one before."""
    failed = documents.fail(reserve(documents), "CORRUPT")
    assert (failed.status, failed.reason) == (Status.FAILED, "CORRUPT")

    again = reserve(documents)

    assert (again.status, again.reason) == (Status.PROCESSING, "")


def test_an_id_of_somebody_else_is_refused(documents: Documents) -> None:
    """And his document stays as it is."""
    mine = reserve(documents)

    for changes in ({"namespace": "other"}, {"job_id": "job-2"}):
        with pytest.raises(PermanentError) as refused:
            reserve(documents, **changes)
        assert refused.value.reason == "DOCUMENT_EXISTS"

    assert documents.get(ID, namespace=NAMESPACE) == mine


def test_what_is_another_namespaces_is_not_there(documents: Documents, source: Path) -> None:
    """Not by its id, not in lists, not to be changed."""
    mine = documents.put(source, namespace=NAMESPACE, owner="u-1")
    foreign = Document(**{**_fields(mine), "namespace": "other"})

    changes: list[Callable[[], object]] = [
        lambda: documents.get(mine.id, namespace="other"),
        lambda: documents.complete(foreign, source),
        lambda: documents.fail(foreign, "X"),
        lambda: documents.note(foreign, content_type="a/b", pages=1, rows=1),
    ]
    for change in changes:
        with pytest.raises(DocumentMissing):
            change()
    documents.delete(foreign)

    assert list(documents.find(namespace="other")) == []
    span = {"since": now() - LATER, "until": now() + LATER}
    assert documents.owners(namespace="other", **span) == []
    assert documents.owners(namespace=NAMESPACE, **span) == ["u-1"]
    assert documents.owners(namespace=NAMESPACE, besides="upload", **span) == []
    assert documents.get(mine.id, namespace=NAMESPACE) == mine


def test_what_is_no_id_is_missing(documents: Documents) -> None:
    """Whatever a database would say of it."""
    for document_id in ("", "x", "A" * 32, "ab" * 16 + "\n", "\0" * 32, "%"):
        with pytest.raises(DocumentMissing):
            documents.get(document_id, namespace=NAMESPACE)


def test_what_no_database_takes_is_refused_for_good(documents: Documents) -> None:
    """With a reason."""
    for text in ("a\0b", "a\r\nb", "\ud800"):
        with pytest.raises(PermanentError) as refused:
            reserve(documents, owner=text)
        assert refused.value.reason == "TEXT_FORMAT"


def test_what_was_found_in_a_document_is_noted(documents: Documents, source: Path) -> None:
    """And mends one that had failed."""
    document = documents.fail(documents.put(source, namespace=NAMESPACE), "CORRUPT")

    noted = documents.note(document, content_type="application/pdf", pages=3, rows=0)

    assert (noted.status, noted.reason, noted.pages) == (Status.COMPLETED, "", 3)
    assert noted.content_type == "application/pdf"
    assert content(documents, noted) == b"content"


def test_documents_are_found_by_what_is_known_of_them(documents: Documents, source: Path) -> None:
    """The newest first, and while others are changed."""
    made = [documents.put(source, namespace=NAMESPACE, owner=f"u-{n % 2}") for n in range(5)]
    failed = documents.fail(made[3], "X")
    made.reverse()

    def found(**asked: Any) -> list[str]:
        return [each.id for each in documents.find(namespace=NAMESPACE, **asked)]

    ids = [each.id for each in made]
    assert found() == ids
    assert found(owner="u-1") == ids[1::2]
    assert found(owner="nobody") == found(owner="") == []
    assert found(status=Status.FAILED) == [failed.id]
    assert found(since=made[2].created) == ids[:3]
    assert found(until=made[2].created) == ids[3:]
    for each in documents.find(namespace=NAMESPACE):
        documents.delete(each)
    assert found() == []


def test_many_documents_are_read_page_by_page(
    documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None twice and none left out, also where many have the same moment."""
    monkeypatch.setattr("portaria.storage.registry._PAGE", 3)
    then = now()
    monkeypatch.setattr("portaria.storage.documents._now", lambda: then)
    ids = {reserve(documents, document_id="").id for _ in range(10)}

    found = [each.id for each in documents.find(namespace=NAMESPACE)]

    assert found == sorted(ids, reverse=True)


def test_what_has_expired_is_gone_before_it_is_deleted(
    documents: Documents, objects: ObjectStore, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For everybody; then it is deleted once, with its content, and others stay."""
    kept = documents.put(source, namespace=NAMESPACE, keep=timedelta(days=9))
    over = documents.put(source, namespace="other", owner="u-1", keep=timedelta(seconds=60))
    empty = reserve(documents, keep=timedelta(seconds=60))
    assert documents.delete_expired(now()) == 0
    then = now() + timedelta(minutes=2)
    monkeypatch.setattr("portaria.storage.documents._now", lambda: then)

    for document in (over, empty):
        with pytest.raises(DocumentMissing):
            documents.get(document.id, namespace=document.namespace)
    assert list(documents.find(namespace="other")) == []
    assert documents.owners(namespace="other", since=over.created, until=then) == []

    assert documents.delete_expired(then) == 2
    assert documents.delete_expired(then) == 0
    assert keys(objects) == [kept.key]


def test_a_link_is_no_longer_good_than_its_document(
    documents: Documents, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is asked for."""
    given: list[timedelta] = []

    def link(*_: object, good_for: timedelta, **__: object) -> str:
        given.append(good_for)
        return "link"

    monkeypatch.setattr(documents._store, "link", link)
    kept = documents.put(source, namespace=NAMESPACE)
    short = documents.put(source, namespace=NAMESPACE, keep=timedelta(minutes=5))

    documents.link(kept)
    documents.link(kept, timedelta(minutes=10))
    documents.link(short)

    assert given[:2] == [timedelta(days=1), timedelta(minutes=10)]
    assert timedelta(minutes=4) < given[2] <= timedelta(minutes=5)


def test_what_no_row_names_is_deleted_after_a_day(
    documents: Documents, objects: ObjectStore, source: Path
) -> None:
    """Of ours; what others keep there is left alone."""
    named = documents.put(source, namespace=NAMESPACE)
    unnamed = named.key.replace(named.id, "cd" * 16)
    half = f"{named.key[:-12]}00000000.txt"
    for key in (unnamed, half, "somebody/elses.txt"):
        objects.put(key, source, content_type="text/plain")

    assert documents.delete_left_behind(now()) == 0
    assert documents.delete_left_behind(now() + LATER) == 2

    assert keys(objects) == sorted([named.key, "somebody/elses.txt"])


def test_what_another_registry_may_name_is_left_alone(
    environ: dict[str, str],
    documents: Documents,
    objects: ObjectStore,
    source: Path,
    tmp_path: Path,
) -> None:
    """Two databases over one storage: neither deletes what the other has, nor what nobody has."""
    given = {
        "PORTARIA_STORAGE_URL": f"file://{tmp_path / 'data' / 'objects'}",
        **environ,
        "PORTARIA_DATABASE_URL": f"sqlite:///{tmp_path / 'other.db'}",
    }
    other_settings = load_settings(given)
    upgrade(open_database(other_settings), ["portaria"])
    other = open_documents(other_settings)
    mine = documents.put(source, namespace=NAMESPACE)
    assert other.other_registries() == [documents._registry.identity()]
    assert documents.other_registries() == []

    theirs = other.put(source, namespace=NAMESPACE)
    over = other.put(source, namespace=NAMESPACE, keep=timedelta(seconds=60))
    objects.put(mine.key.replace(mine.id, "cd" * 16), source, content_type="text/plain")

    for each in (documents, other):
        assert len(each.other_registries()) == 1
        assert each.delete_left_behind(now() + LATER) == 0
    assert len(keys(objects)) == 4
    assert other.delete_expired(now() + LATER) == 1
    assert over.key not in keys(objects)
    assert content(documents, mine) == content(other, theirs) == b"content"
    open_database(other_settings).dispose()


def test_a_registry_is_the_same_one_for_every_process(
    settings: Settings, documents: Documents, objects: ObjectStore, source: Path
) -> None:
    """Also where several ask at once for the first time; one marker says so in the storage."""
    engine = open_database(settings)
    with engine.begin() as connection:
        connection.execute(delete(REGISTRY))
    barrier = threading.Barrier(4)
    found: list[str] = []

    def ask() -> None:
        barrier.wait()
        found.append(Registry(engine).identity())

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 4
    assert len(set(found)) == 1
    for _ in range(2):
        documents.put(source, namespace=NAMESPACE)
    assert [each.key for each in objects.find("_registries/")] == [f"_registries/{found[0]}"]


def test_what_nobody_ends_is_failed_after_a_day(documents: Documents, source: Path) -> None:
    """Its run was killed for the last time; what was completed meanwhile is left alone."""
    begun = reserve(documents)
    done = documents.put(source, namespace=NAMESPACE)

    assert documents.fail_unfinished(now()) == 0
    assert documents.fail_unfinished(now() + LATER) == 1

    failed = documents.get(begun.id, namespace=NAMESPACE)
    assert (failed.status, failed.reason) == (Status.FAILED, "ABANDONED")
    assert documents.get(done.id, namespace=NAMESPACE) == done


def test_two_runs_at_once_leave_one_whole_document(
    settings: Settings, documents: Documents, objects: ObjectStore, tmp_path: Path
) -> None:
    """An old worker that lost its lease, and the new one: with other bytes, and with the same."""
    rounds = 8
    barrier = threading.Barrier(4)
    failures: list[BaseException] = []

    def run(number: int) -> None:
        source = tmp_path / f"source-{number}"
        source.write_bytes(b"same" if number % 2 else b"of %d" % number)
        try:
            for _ in range(rounds):
                barrier.wait(20)
                documents.complete(reserve(documents), source)
        except BaseException as error:
            failures.append(error)
            barrier.abort()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not failures
    final = documents.get(ID, namespace=NAMESPACE)
    assert content(documents, final) in {b"same", b"of 0", b"of 2"}
    assert len(content(documents, final)) == final.size
    assert keys(objects) == [final.key]


def test_what_is_replaced_late_is_not_what_another_run_has_put_since(
    documents: Documents, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between a row and the deletion of what it replaced, another run completes with just that."""
    other = tmp_path / "other"
    other.write_bytes(b"other")
    reserved = reserve(documents)
    documents.complete(reserved, source)
    drop = documents._drop

    def late(key: str) -> None:
        monkeypatch.setattr(documents, "_drop", drop)
        documents.complete(reserved, source)
        drop(key)

    monkeypatch.setattr(documents, "_drop", late)
    documents.complete(reserved, other)

    assert content(documents, documents.get(ID, namespace=NAMESPACE)) == b"content"


def test_kill_minus_nine_leaves_a_row_that_names_what_is_there(
    environ: dict[str, str],
    documents: Documents,
    objects: ObjectStore,
    processes: Processes,
    tmp_path: Path,
) -> None:
    """Between put and row, and at random moments; what it leaves behind is found."""
    script = Path(__file__).with_name("document_kills.py")
    process = processes.python("kills", script, tmp_path, "5", **environ)

    code = process.wait(40)

    assert code == 0, process.tail()
    final = documents.get(ID, namespace=NAMESPACE)
    assert len(keys(objects)) > 1
    assert documents.delete_left_behind(now() + LATER) > 0
    assert keys(objects) == [final.key]
    assert len(content(documents, final)) == final.size


def test_tables_that_are_missing_are_said(tmp_path: Path) -> None:
    """With the command that makes them."""
    settings = load_settings({"PORTARIA_DATA_DIR": str(tmp_path / "data")})

    with pytest.raises(ConfigurationError, match="lacks tables of storage: run `portaria db upg"):
        open_documents(settings)


def test_one_opening_serves_a_process(settings: Settings, documents: Documents) -> None:
    """The same engine, the same pool."""
    assert open_documents(settings) is documents


def test_a_storage_that_cannot_be_reached_is_said_without_its_secrets(
    s3: Any, source: Path
) -> None:
    """A bucket that is not there, and a server that is not there: a later attempt may find them."""
    away = s3.settings("bucket-away") | {"PORTARIA_S3_ENDPOINT": "http://127.0.0.1:9"}
    for given in (s3.settings("bucket-unheard"), away):
        store = open_store(load_settings(given))
        with pytest.raises(StorageUnavailable) as refused:
            store.put("a", source, content_type="text/plain")
        said = f"{refused.value} {refused.value.__cause__}"
        assert "bucket-" not in said
        assert s3.secret_file.read_text().strip() not in said


def test_a_database_that_went_away_is_said_and_comes_back(
    postgres: PostgresServer, tmp_path: Path, source: Path
) -> None:
    """A transient failure, in constant words; nothing is to be opened again."""
    given = {"PORTARIA_DATABASE_URL": postgres.create_database_setting()}
    settings = load_settings({**given, "PORTARIA_DATA_DIR": str(tmp_path / "data")})
    upgrade(open_database(settings), ["portaria"])
    documents = open_documents(settings)
    document = documents.put(source, namespace=NAMESPACE)

    postgres.kill()
    with pytest.raises(DatabaseUnavailable) as refused:
        documents.get(document.id, namespace=NAMESPACE)
    postgres.start()

    assert refused.value.reason == "DATABASE_UNAVAILABLE"
    assert refused.value.__cause__ is None
    assert not {"postgres", "SELECT", document.id} & set(re.split(r"\W", str(refused.value)))
    assert documents.get(document.id, namespace=NAMESPACE) == document
    open_database(settings).dispose()


def _fields(document: Document) -> dict[str, Any]:
    return {name: getattr(document, name) for name in document.__dataclass_fields__}
