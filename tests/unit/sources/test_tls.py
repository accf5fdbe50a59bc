"""TLS connections against OpenSSL-backed acceptors: versions, SNI, certificates, and what an operator reads."""

import contextlib
import socket
import threading
import time

import pytest

from feedhandler.config_source import Endpoint, Tls
from feedhandler.secret import SecretError
from feedhandler.sources import tls as tls_module
from feedhandler.sources.resolve import Resolver
from feedhandler.sources.tls import RECEIVE_BYTES, TlsConnection, TlsError, make_context
from tests.support.certificates import Authority
from tests.support.tls_server import TlsServer

VENUE = "venue.example"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def venue(authority):
    return authority.sign(VENUE)


def connect(port, tls, name=VENUE):
    (address,) = Resolver().addresses(Endpoint("127.0.0.1", port), 0)
    return TlsConnection(address, tls, make_context(tls), name)


def until(condition, timeout_s=10.0):
    deadline = time.monotonic() + timeout_s
    while (value := condition()) is None or value is False:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    return value


def opened(port, tls, name=VENUE):
    connection = connect(port, tls, name)
    until(connection.opened)
    return connection


def refusal(port, tls, name=VENUE):
    """Return what an operator reads: of the handshake, or of the first read where TLS 1.3 says it there."""
    connection, buffer = connect(port, tls, name), memoryview(bytearray(RECEIVE_BYTES))
    with contextlib.closing(connection), pytest.raises(TlsError) as caught:
        until(lambda: connection.opened() and connection.receive(buffer))
    return str(caught.value)


def echo(connection):
    while data := connection.recv(65536):
        connection.sendall(data)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_both_versions_carry_bytes_both_ways_and_the_venue_sees_the_name(authority, venue, version):
    payload = bytes(range(256)) * 4096  # a megabyte: many records, more than a buffer
    with TlsServer(venue, echo, only=version) as server:
        connection = opened(server.port, Tls(ca_file=str(authority.certificate)))
        assert connection.description.startswith(f"TLSv{version} ")
        got, buffer = bytearray(), memoryview(bytearray(RECEIVE_BYTES))
        connection.send(payload)
        deadline = time.monotonic() + 20
        while len(got) < len(payload) and time.monotonic() < deadline:
            connection.send(b"")  # what the socket did not take at once
            got += buffer[: connection.receive(buffer) or 0]
        connection.close()
    assert bytes(got) == payload
    assert [(one.server_name, one.version, one.error) for one in server.seen] == [(VENUE, f"TLSv{version}", "")]


def test_a_read_takes_many_messages_and_leaves_none_behind_in_openssl(authority, venue):
    sent = threading.Event()

    def burst(connection):
        for _ in range(100):
            connection.sendall(b"x" * 100)
        sent.set()
        with contextlib.suppress(OSError):
            connection.recv(1)

    with TlsServer(venue, burst) as server:
        connection = opened(server.port, Tls(ca_file=str(authority.certificate)))
        assert sent.wait(10)
        time.sleep(0.05)  # all of it is in our socket
        assert connection.receive(memoryview(bytearray(RECEIVE_BYTES))) == 10_000
        assert connection.receive(memoryview(bytearray(RECEIVE_BYTES))) is None
        connection.close()


def test_close_notify_is_told_from_an_end_without_a_word(authority, venue):
    def polite(connection):
        connection.sendall(b"last")
        connection.unwrap()

    def rude(connection):
        connection.sendall(b"last")
        socket.socket(fileno=connection.detach()).close()

    tls = Tls(ca_file=str(authority.certificate))
    for serve, said in ((polite, 0), (rude, "the venue ended the connection without close_notify")):
        with TlsServer(venue, serve) as server:
            connection, buffer = opened(server.port, tls), memoryview(bytearray(RECEIVE_BYTES))
            assert until(lambda c=connection, b=buffer: c.receive(b)) == 4
            try:
                answer = until(lambda c=connection, b=buffer: c.receive(b))
            except TlsError as error:
                answer = str(error)
            connection.close()
        assert answer == said


def test_we_end_with_close_notify(authority, venue):
    ends = []

    def serve(connection):
        connection.suppress_ragged_eofs = False
        ends.append(connection.recv(10))

    with TlsServer(venue, serve) as server:
        opened(server.port, Tls(ca_file=str(authority.certificate))).close()
    assert ends == [b""]  # a ragged end would have raised


def test_an_authority_that_we_do_not_trust(venue, tmp_path):
    other = Authority(tmp_path, "other")
    with TlsServer(venue, echo) as server:
        assert refusal(server.port, Tls(ca_file=str(other.certificate))) == (
            f"the venue's certificate is from no authority that we trust ({other.certificate}); tls.ca_file must have "
            "the authority that signed it (OpenSSL: unable to get local issuer certificate)"
        )
        assert refusal(server.port, Tls()).startswith(
            "the venue's certificate is from no authority that we trust (those of the system)"
        )


def test_a_certificate_for_another_host(authority, venue):
    with TlsServer(venue, echo) as server:
        tls = Tls(ca_file=str(authority.certificate))
        assert refusal(server.port, tls, "other.example").startswith(
            "the venue's certificate is for another host than other.example; put right the host, or set "
            "tls.server_name to a name in the certificate (OpenSSL: "
        )
        assert refusal(server.port, tls, "127.0.0.1").startswith("the venue's certificate is for another host than 127")
    assert [one.server_name for one in server.seen] == ["other.example", None]  # an address is no SNI


def test_a_certificate_that_has_expired(authority):
    with TlsServer(authority.sign(VENUE, days=-1), echo) as server:
        assert refusal(server.port, Tls(ca_file=str(authority.certificate))) == (
            "the venue's certificate has expired; it or this host's clock has to be put right "
            "(OpenSSL: certificate has expired)"
        )


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_venue_that_wants_a_client_certificate(authority, venue, version):
    ca = str(authority.certificate)
    client = authority.sign("client.example", password="open sesame")
    with TlsServer(venue, echo, clients=ca, only=version) as server:
        said = refusal(server.port, Tls(ca_file=ca))
        assert "want" in said
        assert "client certificate" in said
        assert "tls.certificate_file" in said
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("KEY_PASSWORD", "open sesame")
            ours = Tls(
                ca_file=ca, certificate_file=str(client.certificate), key_file=str(client.key),
                key_password_env="KEY_PASSWORD",
            )  # fmt: skip
            connection = opened(server.port, ours)
        connection.send(b"ping")
        buffer = memoryview(bytearray(RECEIVE_BYTES))
        assert until(lambda: connection.receive(buffer)) == 4
        connection.close()
    assert server.seen[-1].peer == "test"


def test_a_client_certificate_that_the_venue_does_not_know(authority, venue, tmp_path):
    stranger = Authority(tmp_path, "stranger").sign("client.example")
    tls = Tls(
        ca_file=str(authority.certificate), certificate_file=str(stranger.certificate), key_file=str(stranger.key)
    )
    with TlsServer(venue, echo, clients=str(authority.certificate)) as server:
        said = refusal(server.port, tls)
    assert said.startswith(f"the venue does not accept our certificate ({stranger.certificate})")


def test_no_version_in_common(authority, venue):
    with TlsServer(venue, echo, only="1.2") as server:
        said = refusal(server.port, Tls(ca_file=str(authority.certificate), min_version="1.3"))
    assert said.startswith("the venue speaks no TLS version from 1.3 to 1.3 (OpenSSL: ")


def test_a_port_without_tls(authority):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            plain, _ = listener.accept()
            with plain, contextlib.suppress(ConnectionError):
                plain.recv(1024)
                plain.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                plain.recv(1024)

        thread = threading.Thread(target=serve)
        thread.start()
        said = refusal(listener.getsockname()[1], Tls(ca_file=str(authority.certificate)))
        thread.join(10)
    assert said.startswith("the venue does not speak TLS on this port (OpenSSL: ")


def test_a_handshake_that_nobody_answers_does_not_block(authority):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connection = connect(listener.getsockname()[1], Tls(ca_file=str(authority.certificate)))
        before = time.monotonic()
        assert not any(connection.opened() for _ in range(20))
        assert time.monotonic() - before < 5  # a blocking handshake would wait for ever
        connection.close()


def test_unusable_files_are_named(authority, venue, tmp_path, monkeypatch):
    ca = str(authority.certificate)
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    with pytest.raises(TlsError, match=r"^tls.ca_file: .*empty.pem has no certificates"):
        make_context(Tls(ca_file=str(empty)))
    with pytest.raises(TlsError, match=r"^tls.certificate_file: .* are not a certificate and its key"):
        make_context(Tls(ca_file=ca, certificate_file=str(venue.certificate), key_file=ca))
    locked = authority.sign("locked.example", password="right one")
    monkeypatch.setenv("KEY_PASSWORD", "wrong one")
    ours = Tls(certificate_file=str(locked.certificate), key_file=str(locked.key), key_password_env="KEY_PASSWORD")
    with pytest.raises(TlsError, match="or the password is wrong") as caught:
        make_context(ours)
    assert "wrong one" not in str(caught.value)
    monkeypatch.delenv("KEY_PASSWORD")
    with pytest.raises(SecretError, match='key_password_env: got "KEY_PASSWORD", which is not set'):
        make_context(ours)


def test_verification_cannot_be_turned_off():
    context = make_context(Tls())
    assert context.check_hostname
    assert context.verify_mode == tls_module.ssl.CERT_REQUIRED
