"""TLS to a venue through the standard library's ssl: contexts, and connections that are read here.

The native loop watches the descriptor and says when there is something; `receive` then decrypts whole records into
the caller's buffer until the socket has no more, so that one call of Python serves many messages. What must stay
true: `receive` reads only while there is room for a whole record, so OpenSSL never holds back decrypted bytes that
no poll would tell of.
"""

import ssl
from contextlib import suppress

from feedhandler import secret
from feedhandler.config_source import Tls
from feedhandler.sources.connection import Connection
from feedhandler.sources.resolve import Address
from feedhandler.sources.tls_errors import explain

RECORD_BYTES_MAX = 16 * 1024
RECEIVE_BYTES = 16 * RECORD_BYTES_MAX
"""Of a buffer for `receive`: one read decrypts at most so much before it is decoded."""

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class TlsError(OSError):
    """TLS that failed; the message says in a sentence what an operator can do."""


def make_context(tls: Tls) -> ssl.SSLContext:
    """Return what connections of a source are made with. Reads its files and secrets now.

    Raises TlsError naming the key where a file is unusable, SecretError where the key's password cannot be had.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # the certificate and its host are checked: its defaults
    context.minimum_version, context.maximum_version = VERSIONS[tls.min_version], VERSIONS[tls.max_version]
    try:
        if tls.ca_file:
            context.load_verify_locations(cafile=tls.ca_file)
        else:
            context.load_default_certs()
    except (ssl.SSLError, OSError) as error:
        raise TlsError(f"tls.ca_file: {tls.ca_file} has no certificates ({_words(error)})") from None
    if tls.certificate_file:
        password = secret.read(tls, "key_password")
        try:
            # Never "": OpenSSL would ask for one on the terminal.
            context.load_cert_chain(tls.certificate_file, tls.key_file or None, lambda: password)
        except (ssl.SSLError, OSError, ValueError) as error:
            key = tls.key_file or tls.certificate_file
            what = f"{tls.certificate_file} and {key} are not a certificate and its key, or the password is wrong"
            raise TlsError(f"tls.certificate_file: {what} ({_words(error)})") from None
    return context


def _words(error: Exception) -> str:
    return str(getattr(error, "reason", "") or getattr(error, "strerror", "") or error)


class TlsConnection(Connection):
    """A connection that stands once the handshake is done and the venue's certificate is accepted."""

    foreign = True

    def __init__(self, address: Address, tls: Tls, context: ssl.SSLContext, server_name: str) -> None:
        """Begin to connect; `server_name` is sent as SNI, unless it is an address, and must be in the certificate."""
        super().__init__(address)
        self._tls = tls
        self._server_name = server_name
        self._context = context
        self._wrapped: ssl.SSLSocket | None = None
        self._ready = False
        self._broken: TlsError | None = None

    def opened(self) -> bool:
        """As Connection; raises TlsError where the handshake failed."""
        if not self._connected():
            return False
        if self._wrapped is None:
            self._wrapped = self._context.wrap_socket(
                self._socket, server_hostname=self._server_name, do_handshake_on_connect=False,
                suppress_ragged_eofs=False,
            )  # fmt: skip
            self._socket = self._wrapped
        try:
            self._wrapped.do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        except OSError as error:
            raise TlsError(explain(error, self._tls, self._server_name)) from None
        self._ready = True
        return True

    @property
    def description(self) -> str:
        """Version and cipher."""
        cipher = self._wrapped.cipher() if self._wrapped is not None and self._ready else None
        version = self._wrapped.version() if self._wrapped is not None else None
        return f"{version} {cipher[0]}" if cipher else "tls"

    def _write(self) -> int:
        assert self._wrapped is not None
        try:
            return self._wrapped.send(self._output)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return 0  # OpenSSL wants the same bytes again: they stay first in the output
        except OSError as error:
            raise TlsError(explain(error, self._tls, self._server_name, stood=True)) from None

    def receive(self, into: memoryview) -> int | None:
        """Decrypt what has come, as far as it fits; TlsError also for an end without close_notify."""
        assert self._wrapped is not None
        if self._broken is not None:
            raise self._broken
        got = 0
        try:
            while got + RECORD_BYTES_MAX <= len(into):
                count = self._wrapped.recv_into(into[got:])
                if count == 0:
                    break
                got += count
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return got or None
        except OSError as error:
            self._broken = TlsError(explain(error, self._tls, self._server_name, stood=True))
            if got == 0:  # else the next call says it, behind what was read
                raise self._broken from None
        return got

    def close(self) -> None:
        """Say that we end (close_notify), without waiting for an answer, and close."""
        if self._wrapped is not None and self._ready:
            with suppress(OSError, ValueError):
                self._wrapped.unwrap()
        self._socket.close()
