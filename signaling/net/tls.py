"""TLS from certificate files."""

import ssl

from signaling.settings import GatewaySettings


def open_tls(settings: GatewaySettings) -> ssl.SSLContext | None:
    """None without a certificate. TLS 1.2 or newer (RFC 9325 §3.1.1). Raises OSError."""
    if not settings.certificate_file:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    load_certificate(context, settings)
    return context


def load_certificate(context: ssl.SSLContext, settings: GatewaySettings) -> None:
    """Also while it is in use: handshakes from now on show the new chain. Raises OSError."""
    context.load_cert_chain(settings.certificate_file, settings.private_key_file)
