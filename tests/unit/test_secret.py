"""Secrets: three places to come from, and no way out."""

import io
import json
from types import SimpleNamespace

import pytest

from feedhandler import logs, secret


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch):
    monkeypatch.setattr(secret, "_known", {})


def owner(**keys):
    return SimpleNamespace(**{"password_env": "", "password_file": "", "password_credential": ""} | keys)


def test_nothing_configured_is_nothing():
    assert secret.read(owner(), "password") == ""
    assert secret.configured(owner(), "password") == []


def test_each_place(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET", "from the environment")
    (tmp_path / "name").write_text("from a file\r\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert secret.read(owner(password_env="SECRET"), "password") == "from the environment"
    assert secret.read(owner(password_file=str(tmp_path / "name")), "password") == "from a file"
    assert secret.read(owner(password_credential="name"), "password") == "from a file"
    assert secret.configured(owner(password_credential="name"), "password") == ["password_credential"]


def test_a_file_is_read_anew_each_time(tmp_path):
    path = tmp_path / "s"
    for text in ("first", "second"):
        path.write_text(text)
        assert secret.read(owner(password_file=str(path)), "password") == text


def test_what_cannot_be_had_names_its_key_and_place(tmp_path, monkeypatch):
    monkeypatch.delenv("SECRET", raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    empty, binary = tmp_path / "empty", tmp_path / "binary"
    empty.write_text("\n")
    binary.write_bytes(b"\xff\xfe")
    cases = {
        'password_env: got "SECRET", which is not set, expected a variable of the environment': {
            "password_env": "SECRET"
        },
        f"password_file: got {tmp_path}/no (No such file or directory), expected a file with the secret that we may "
        "read": {"password_file": str(tmp_path / "no")},
        f"password_file: got {empty}, which is empty, expected a file with the secret, at most 1048576 bytes": {
            "password_file": str(empty)
        },
        f"password_file: got {binary}, which is not UTF-8, expected a file with the secret as text": {
            "password_file": str(binary)
        },
        'password_credential: got "x", and $CREDENTIALS_DIRECTORY is not set, expected a service with LoadCredential= '
        "for it": {"password_credential": "x"},
    }
    for says, keys in cases.items():
        with pytest.raises(secret.SecretError) as caught:
            secret.read(owner(**keys), "password")
        assert str(caught.value) == says


@pytest.mark.parametrize("value", ["hunter22", 'qu"ote\\d', "naïveté", "line one of key\nline two of key"])
def test_no_form_of_a_secret_is_logged(value, monkeypatch):
    err = io.StringIO()
    monkeypatch.setattr("sys.stderr", err)
    log = logs.configure("test")
    monkeypatch.setenv("SECRET", value)
    secret.read(owner(password_env="SECRET"), "password")
    log.info("said", text=f"<{value}>", raw=value.encode(), nested={"deep": [value]})
    try:
        password = value
        raise ValueError(f"bad {password}")  # noqa: TRY301
    except ValueError:
        log.exception("crashed")
    written = err.getvalue()
    for form in (value, json.dumps(value)[1:-1], repr(value.encode())[2:-1], *value.splitlines()):
        assert form not in written
    assert "<***>" in written or "<***\\n***>" in written


def test_a_secret_within_a_longer_one_uncovers_nothing():
    secret.remember("pass")
    secret.remember("password1")
    assert secret.redact("password1 and pass") == "*** and ***"


def test_a_few_letters_are_not_masked_everywhere():
    secret.remember("abc")
    assert secret.redact("abc") == "abc"
