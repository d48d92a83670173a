"""Seals: what Redis holds is only believed where its HMAC says that we wrote it.

    byte 0       format, 1
    bytes 1-4    which key of the ring
    bytes 5-36   HMAC-SHA256 over purpose and body
    the rest     body

A purpose is "domain/mail" for envelopes and "namespace/default" for results: each has its own key,
derived from the ring's, so that the key of one domain's workers seals nothing of another's.
"""

import hashlib
import hmac
import os
from pathlib import Path

from portaria.core.errors import ConfigurationError

_FORMAT = 1
_HEAD = 37


class SealBroken(Exception):
    """The bytes were not written by a holder of our key, or were changed since."""


class KeyRing:
    """Master keys, the newest first. New seals use the newest; any opens."""

    def __init__(self, masters: list[bytes]) -> None:
        if not masters:
            raise ConfigurationError("the key ring is empty")
        self._masters = {hashlib.sha256(master).digest()[:4]: master for master in masters}
        self._newest = hashlib.sha256(masters[0]).digest()[:4]
        self._derived: dict[tuple[bytes, str], hmac.HMAC] = {}

    def seal(self, purpose: str, body: bytes) -> bytes:
        """Body with its seal before it."""
        mac = self._mac(self._newest, purpose, body)
        return bytes((_FORMAT,)) + self._newest + mac + body

    def unseal(self, purpose: str, sealed: bytes) -> bytes:
        """The body. Raises SealBroken."""
        if len(sealed) < _HEAD or sealed[0] != _FORMAT:
            raise SealBroken("not a sealed value")
        key_id, mac, body = sealed[1:5], sealed[5:_HEAD], sealed[_HEAD:]
        if key_id not in self._masters:
            raise SealBroken("sealed with a key that is not in the ring")
        if not hmac.compare_digest(mac, self._mac(key_id, purpose, body)):
            raise SealBroken("the seal does not match")
        return body

    def _mac(self, key_id: bytes, purpose: str, body: bytes) -> bytes:
        keyed = self._derived.get((key_id, purpose))
        if keyed is None:
            label = b"portaria/1/" + purpose.encode()
            key = hmac.digest(self._masters[key_id], label, "sha256")
            keyed = self._derived[key_id, purpose] = hmac.new(key, digestmod="sha256")
        # The key is worked in once: that is half the time of a MAC, and each submit needs one.
        mac = keyed.copy()
        mac.update(body)
        return mac.digest()


def load_key_ring(path: Path) -> KeyRing:
    """Reads a ring: one key a line, 64 hex digits, newest first; # starts a comment.

    Makes the file with one random key where there is none, readable by its owner only. Raises
    ConfigurationError where it cannot be made or read, or holds anything else.
    """
    try:
        if not path.exists():
            _create(path)
        # Any byte is a character here: what is no key is found below.
        text = path.read_text("latin-1")
    except OSError as error:
        raise ConfigurationError(f"the key ring {path}: {error.strerror}") from None
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    try:
        masters = [bytes.fromhex(line) for line in lines if line]
    except ValueError:
        raise ConfigurationError(f"{path}: a key is 64 hex digits") from None
    if any(len(master) != 32 for master in masters):
        raise ConfigurationError(f"{path}: a key is 64 hex digits")
    if not masters:
        raise ConfigurationError(f"{path}: holds no key")
    return KeyRing(masters)


def _create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not named by the process: in a container that is always the same number, and a crash here
    # would be in the way of every later start.
    draft = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(os.urandom(32).hex() + "\n")
        file.flush()
        os.fsync(file.fileno())  # jobs sealed with a key that a power cut takes would be lost
    try:
        # Several processes may start at once: the first link wins, all read the same key.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
