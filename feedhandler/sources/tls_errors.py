"""What went wrong with TLS, in one sentence that says what to do. OpenSSL's own words stand behind it."""

import ssl

from feedhandler.config_source import Tls

# X509_V_ERR_* of openssl/x509_vfy.h, which Python does not name.
NOT_YET_VALID, EXPIRED = 9, 10
UNTRUSTED = (2, 18, 19, 20, 21)  # no issuer known here, or signed by itself
OTHER_HOST = (62, 64)  # name, address

OUR_CERTIFICATE = (
    "SSLV3_ALERT_BAD_CERTIFICATE",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
    "SSLV3_ALERT_CERTIFICATE_REVOKED",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
    "TLSV1_ALERT_UNKNOWN_CA",
    "TLSV1_ALERT_ACCESS_DENIED",
)
VERSIONS = ("TLSV1_ALERT_PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "NO_PROTOCOLS_AVAILABLE", "VERSION_TOO_LOW")
NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")


def explain(error: OSError, tls: Tls, server_name: str, *, stood: bool = False) -> str:
    """Return what `error`, of a handshake or of a connection that `stood`, means for whoever configured `tls`."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{_certificate(error, tls, server_name)} (OpenSSL: {error.verify_message.rstrip('.')})"
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        if stood:
            return "the venue ended the connection without close_notify"
        return "the venue ended the handshake without a word; it may want a client certificate, or speak no TLS here"
    if isinstance(error, ssl.SSLError) and error.reason:
        return f"{_alert(error.reason, tls, server_name)} (OpenSSL: {error.reason})"
    return error.strerror or str(error)


def _certificate(error: ssl.SSLCertVerificationError, tls: Tls, server_name: str) -> str:
    code = error.verify_code
    if code == EXPIRED:
        return "the venue's certificate has expired; it or this host's clock has to be put right"
    if code == NOT_YET_VALID:
        return "the venue's certificate is not valid yet; it or this host's clock has to be put right"
    if code in OTHER_HOST:
        return (
            f"the venue's certificate is for another host than {server_name}; "
            "put right the host, or set tls.server_name to a name in the certificate"
        )
    if code in UNTRUSTED:
        known = tls.ca_file or "those of the system"
        return (
            f"the venue's certificate is from no authority that we trust ({known}); "
            "tls.ca_file must have the authority that signed it"
        )
    return "the venue's certificate is not accepted"


def _alert(reason: str, tls: Tls, server_name: str) -> str:
    ours = tls.certificate_file
    if reason == "SSLV3_ALERT_HANDSHAKE_FAILURE":
        maybe = f"it may not accept our certificate ({ours})" if ours else "it may want a client certificate"
        return f"the venue refused the handshake: no cipher in common, or {maybe}; see tls.certificate_file"
    if reason in OUR_CERTIFICATE:
        return f"the venue does not accept our certificate ({ours or 'none'}); see tls.certificate_file"
    words = {
        "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the venue wants a client certificate; see tls.certificate_file",
        "TLSV1_UNRECOGNIZED_NAME": f"the venue does not know the server name {server_name}; see tls.server_name",
        **dict.fromkeys(VERSIONS, f"the venue speaks no TLS version from {tls.min_version} to {tls.max_version}"),
        **dict.fromkeys(NO_TLS, "the venue does not speak TLS on this port"),
    }
    return words.get(reason, "TLS failed")
