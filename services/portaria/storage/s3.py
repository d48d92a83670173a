"""Objects in S3, or in what speaks its protocol."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import S3Store as Bucket

from portaria.core.errors import ConfigurationError
from portaria.settings import Settings
from portaria.storage.names import attachment
from portaria.storage.objects import (
    ObjectInfo,
    ObjectMissing,
    StorageUnavailable,
    check_key,
    is_key,
)

_IN_MEMORY = 4 * 1024 * 1024
_CHUNK = 1024 * 1024
# What S3 allows; but a link ends with the credentials that signed it, and those of roles change
# every few hours.
_LONGEST_LINK = timedelta(days=7)
_LONGEST_LINK_OF_A_ROLE = timedelta(hours=1)
_TOKENS = ("AWS_SESSION_TOKEN", "AWS_TOKEN")


class S3Objects:
    """Keeps objects in a bucket, below a prefix."""

    def __init__(self, bucket: Bucket, *, longest_link: timedelta) -> None:
        self._bucket = bucket
        self.longest_link = longest_link

    def put(self, key: str, source: Path, *, content_type: str, filename: str = "") -> None:
        """Keeps a file; type and name are written to the object, since presigned links of obstore
        cannot say them."""
        about = {"Content-Type": content_type, "Content-Disposition": attachment(filename)}
        with open(source, "rb") as file, _told():
            obstore.put(self._bucket, check_key(key), file, attributes=cast("Any", about))

    @contextmanager
    def reading(self, key: str) -> Iterator[BinaryIO]:
        """A copy, in memory where it is small: what fails while it is fetched fails here."""
        with SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
            with _told():
                for chunk in obstore.get(self._bucket, check_key(key)).stream(_CHUNK):
                    file.write(chunk)
            file.seek(0)
            yield cast("BinaryIO", file)

    def info(self, key: str) -> ObjectInfo:
        """Raises ObjectMissing."""
        with _told():
            found = obstore.head(self._bucket, check_key(key))
        return ObjectInfo(key, found["size"], found["last_modified"])

    def delete(self, key: str) -> None:
        """Deletes it where it is there."""
        with suppress(ObjectMissing), _told():
            obstore.delete(self._bucket, check_key(key))

    def find(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Asked for by thousands; what is not ours is passed over."""
        # The library takes whole parts of a key only.
        above = prefix.rpartition("/")[0]
        if above and not is_key(above):
            return
        with _told():
            for page in obstore.list(self._bucket, above or None):
                for found in page:
                    key = found["path"]
                    if key.startswith(prefix) and is_key(key):
                        yield ObjectInfo(key, found["size"], found["last_modified"])

    def delete_unfinished(self, before: datetime) -> int:
        """Nothing: parts of broken-off uploads are the business of the bucket's lifecycle rule
        (AbortIncompleteMultipartUpload)."""
        return 0

    def link(self, key: str, *, filename: str, content_type: str, good_for: timedelta) -> str:
        """A presigned URL; name and type are those that were given at the put."""
        time = min(max(good_for, timedelta(seconds=1)), self.longest_link)
        with _told():
            return obstore.sign(self._bucket, "GET", check_key(key), time)


def open_s3(settings: Settings) -> S3Objects:
    """The bucket that the settings name. Raises ConfigurationError."""
    parts = urlsplit(settings.storage_url)
    given: dict[str, Any] = {}
    if settings.s3_endpoint:
        given["endpoint"] = settings.s3_endpoint
    if settings.s3_region:
        given["region"] = settings.s3_region
    if settings.s3_access_key_id:
        given["access_key_id"] = settings.s3_access_key_id
        given["secret_access_key"] = _secret(settings.s3_secret_key_file)
    try:
        bucket = Bucket(
            parts.netloc,
            prefix=parts.path.strip("/") or None,
            client_options={
                "allow_http": settings.s3_endpoint.startswith("http://"),
                "connect_timeout": "5s",
                "timeout": "60s",
            },
            retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=20)},
            **given,
        )
    except BaseError:
        raise ConfigurationError(
            "PORTARIA_STORAGE_URL: the settings of S3 cannot be used together"
        ) from None
    lasting = _has_lasting_key(settings)
    return S3Objects(bucket, longest_link=_LONGEST_LINK if lasting else _LONGEST_LINK_OF_A_ROLE)


def _has_lasting_key(settings: Settings) -> bool:
    """Whether what signs links is a key that stays, and no role's."""
    key = settings.s3_access_key_id or os.environ.get("AWS_ACCESS_KEY_ID")
    return bool(key) and not any(map(os.environ.get, _TOKENS))


def _secret(file: Path | None) -> str:
    if file is None:
        raise ConfigurationError("PORTARIA_S3_ACCESS_KEY_ID needs PORTARIA_S3_SECRET_KEY_FILE")
    try:
        secret = file.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError("PORTARIA_S3_SECRET_KEY_FILE: cannot be read") from None
    if not secret or len(secret.split()) != 1:
        raise ConfigurationError("PORTARIA_S3_SECRET_KEY_FILE: expected the secret alone")
    return secret


@contextmanager
def _told() -> Iterator[None]:
    """ObjectMissing, and StorageUnavailable for the rest, without the words of the library: they
    name the bucket and the request."""
    try:
        yield
    except (FileNotFoundError, NotFoundError) as error:
        if "NoSuchBucket" not in str(error):
            raise ObjectMissing from None
        raise StorageUnavailable(
            "the storage cannot be used now: there is no such bucket"
        ) from None
    except (BaseError, OSError) as error:
        cause = type(error).__name__.removesuffix("Error")
        raise StorageUnavailable(f"the storage cannot be used now ({cause})") from None
