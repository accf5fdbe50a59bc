"""Logons that are signed: named hooks that compute Logon fields once MsgSeqNum (34) and SendingTime (52) are known.

A profile names its hook (`session.logon_hook`). No sockets, no clock; secrets stay in the closures and are in no text
of any error.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from feedhandler.wire.fix_events import LogonHook
from feedhandler.wire.fix_message import Field

NONCE_BYTES = 32


class LogonError(ValueError):
    """Credentials that the hook cannot use, or a missing library. The message never shows a secret."""


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """What a hook signs with. `repr` never shows a secret."""

    sender: str
    target: str
    username: str = ""
    password: str = ""
    secret: str = ""

    def __repr__(self) -> str:
        """Name the parties, keep the secrets."""
        return f"Credentials({self.sender}->{self.target})"


def raw_data(value: bytes) -> list[Field]:
    """Return 95 and 96."""
    return [(95, b"%d" % len(value)), (96, value)]


def ed25519(who: Credentials) -> LogonHook:
    """Sign `A 49 56 34 52` (SOH between) with an Ed25519 key; 96 = base64. `secret` is the key as PEM (PKCS 8).

    Needs the extra `feedhandler[ed25519]`. Raises LogonError.
    """
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - an extra
        from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415
    except ImportError:
        raise LogonError('a logon signed with Ed25519 needs: pip install "feedhandler[ed25519]"') from None
    try:
        key = load_pem_private_key(who.secret.encode(), password=None)
    except (ValueError, TypeError):
        raise LogonError("the secret is no private key in PEM without a password") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise LogonError("the private key is not of Ed25519")

    def fields(seq: int, sending_time: str) -> list[Field]:
        payload = "\x01".join(("A", who.sender, who.target, str(seq), sending_time))
        return raw_data(base64.b64encode(key.sign(payload.encode())))

    return fields


def hmac_sha256(who: Credentials) -> LogonHook:
    """Sign `52 A 34 49 56 554` (SOH between) with HMAC-SHA256; 96 = base64. `secret` is the key in base64.

    Raises LogonError.
    """
    key = _from_base64(who.secret)

    def fields(seq: int, sending_time: str) -> list[Field]:
        payload = "\x01".join((sending_time, "A", str(seq), who.sender, who.target, who.password))
        return raw_data(base64.b64encode(hmac.digest(key, payload.encode(), "sha256")))

    return fields


def nonce_sha256(who: Credentials, nonce: Callable[[int], bytes] = secrets.token_bytes) -> LogonHook:
    """Send `<52 in ms>.<base64 nonce>` as 96 and base64(SHA256(96 + secret)) as 554.

    Raises LogonError where there is no secret.
    """
    if not who.secret:
        raise LogonError("there is no secret to sign with")

    def fields(_seq: int, sending_time: str) -> list[Field]:
        raw = b"%d.%s" % (_milliseconds(sending_time), base64.b64encode(nonce(NONCE_BYTES)))
        return [*raw_data(raw), (554, base64.b64encode(hashlib.sha256(raw + who.secret.encode()).digest()))]

    return fields


class Hook(NamedTuple):
    """One way to sign. `sends_password`: 554 is the configured password; otherwise the hook's own, or not there."""

    make: Callable[[Credentials], LogonHook]
    sends_password: bool


HOOKS = {
    "ed25519": Hook(ed25519, sends_password=False),
    "hmac_sha256": Hook(hmac_sha256, sends_password=True),
    "nonce_sha256": Hook(nonce_sha256, sends_password=False),
}
"""By the name that a profile uses."""


def make(name: str, who: Credentials, fixed: list[Field]) -> LogonHook | None:
    """Return the hook of this name behind the profile's fixed Logon fields; None where there is neither."""
    if not name:
        return (lambda _seq, _time: list(fixed)) if fixed else None
    hook = HOOKS[name].make(who)
    return lambda seq, sending_time: [*hook(seq, sending_time), *fixed]


def _from_base64(text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        key = b""
    if not key:
        raise LogonError("the secret is not base64")
    return key


def _milliseconds(sending_time: str) -> int:
    """Return a SendingTime of whole seconds or with decimals as milliseconds since 1970."""
    whole, _, decimals = sending_time.partition(".")
    seconds = datetime.strptime(whole, "%Y%m%d-%H:%M:%S").replace(tzinfo=UTC)
    return int(seconds.timestamp()) * 1000 + int(decimals.ljust(3, "0")[:3])
