"""Secrets: where a password or a token comes from, and how none of them gets out again.

A secret has three keys in the configuration, at most one of them set: `<name>_env` names a variable of the
environment, `<name>_file` a file, `<name>_credential` a systemd credential (a file in `$CREDENTIALS_DIRECTORY`). A
value that was read here is never logged: `redact` masks it in every line (feedhandler/logs.py).
"""

import json
import os
from pathlib import Path
from typing import Any, Final

KINDS: Final = ("env", "file", "credential")
MASK: Final = "***"
MASKED_CHARS_MIN: Final = 4  # shorter ones would mask innocent text; nobody should have such a password
FILE_BYTES_MAX: Final = 1 << 20
CREDENTIALS_DIRECTORY: Final = "CREDENTIALS_DIRECTORY"

_known: dict[str, None] = {}  # every form in which a secret of this process may appear, longest first


class SecretError(ValueError):
    """A secret that is configured and cannot be had. The message has no value in it."""

    def __init__(self, key: str, got: str, expected: str) -> None:
        super().__init__(f"{key}: got {got}, expected {expected}")
        self.key, self.got, self.expected = key, got, expected


def read(owner: Any, name: str) -> str:
    """Return the secret `name` of a table of the configuration; "" where none of its keys is set.

    Read anew at each call, so that a file may change. Raises SecretError naming the key.
    """
    for kind in KINDS:
        key = f"{name}_{kind}"
        if place := getattr(owner, key):
            value = _READ[kind](key, place)
            remember(value)
            return value
    return ""


def configured(owner: Any, name: str) -> list[str]:
    """Return which of the keys of secret `name` are set."""
    return [f"{name}_{kind}" for kind in KINDS if getattr(owner, f"{name}_{kind}")]


def _from_environment(key: str, variable: str) -> str:
    value = os.environ.get(variable, "")
    if not value:
        raise SecretError(key, f'"{variable}", which is not set', "a variable of the environment")
    return value


def _from_file(key: str, path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise SecretError(key, f"{path} ({error.strerror})", "a file with the secret that we may read") from None
    try:
        value = data.decode().rstrip("\r\n")  # an editor's newline is no part of the secret
    except UnicodeDecodeError:
        raise SecretError(key, f"{path}, which is not UTF-8", "a file with the secret as text") from None
    if not value or len(data) > FILE_BYTES_MAX:
        got = f"{path}, which is {'longer' if value else 'empty'}"
        raise SecretError(key, got, f"a file with the secret, at most {FILE_BYTES_MAX} bytes")
    return value


def _from_credential(key: str, name: str) -> str:
    folder = os.environ.get(CREDENTIALS_DIRECTORY, "")
    if not folder:
        got = f'"{name}", and ${CREDENTIALS_DIRECTORY} is not set'
        raise SecretError(key, got, "a service with LoadCredential= for it")
    return _from_file(key, os.path.join(folder, name))  # noqa: PTH118 - str in, str out


_READ = {"env": _from_environment, "file": _from_file, "credential": _from_credential}


def remember(value: str) -> None:
    """Mask this value from now on, as it is and as JSON and `repr` write it; of several lines, each by itself too."""
    for text in {value, *value.splitlines()}:
        forms = (text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], repr(text)[1:-1])
        known = (form for form in (*forms, repr(text.encode())[2:-1]) if len(form) >= MASKED_CHARS_MIN)
        _known.update(dict.fromkeys(known))
    ordered = sorted(_known, key=len, reverse=True)
    _known.clear()
    _known.update(dict.fromkeys(ordered))


def redact(text: str) -> str:
    """Return a text without the secrets of this process."""
    for form in _known:
        if form in text:
            text = text.replace(form, MASK)
    return text


def processor(_logger: Any, _method: str, line: Any) -> Any:
    """Stand last in structlog's chain: what is rendered leaves without secrets."""
    return redact(line) if isinstance(line, str) else line
