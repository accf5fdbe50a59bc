"""Certificates for tests, made by the openssl command: an authority of our own, and what it signs."""

import subprocess
from pathlib import Path
from typing import NamedTuple

NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")


class Signed(NamedTuple):
    """PEM files."""

    certificate: Path
    key: Path


def _openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class Authority:
    """One authority; `certificate` is what those who trust it have."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._folder = folder
        self._name = name
        self.certificate, self._key = folder / f"{name}.pem", folder / f"{name}.key"
        files = ("-keyout", self._key, "-out", self.certificate)
        _openssl("req", "-x509", *NEW_KEY, "-nodes", *files, "-days", 2, "-subj", f"/CN={name}")

    def sign(self, host: str, *, days: int = 2, password: str = "") -> Signed:
        """Return a certificate for a host name or an address; `days` below 0: expired."""
        base = f"{self._name}-{host}-{days}"
        request, extensions = self._folder / f"{base}.csr", self._folder / f"{base}.ext"
        signed = Signed(self._folder / f"{base}.pem", self._folder / f"{base}.key")
        kind = "IP" if host.replace(".", "").isdecimal() else "DNS"
        extensions.write_text(f"subjectAltName={kind}:{host}\n")
        lock = ("-passout", f"pass:{password}") if password else ("-nodes",)
        _openssl("req", "-new", *NEW_KEY, *lock, "-keyout", signed.key, "-out", request, "-subj", "/CN=test")
        issuer = ("-CA", self.certificate, "-CAkey", self._key, "-CAcreateserial")
        out = ("-days", days, "-extfile", extensions, "-out", signed.certificate)
        _openssl("x509", "-req", "-in", request, *issuer, *out)
        return signed
