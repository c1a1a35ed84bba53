"""The certificate that the gateway shows: how long it is good, and for whom."""

import asyncio
import datetime
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509

from ringlined.trial.program import StepFailed

HANDSHAKE_DEADLINE_S: Final = 5.0
WARN_DAYS: Final = 14


@dataclass(frozen=True, slots=True)
class Shown:
    """`ca_file`: what to trust it by; None: this machine trusts it by itself."""

    days_left: float
    ca_file: Path | None


async def look(server: str, certificate_file: str) -> Shown:
    """Raises StepFailed with what to do."""
    host, port = urlsplit(server).hostname or "", urlsplit(server).port or 443
    shown = x509.load_der_x509_certificate(await _fetch(host, port))
    now = datetime.datetime.now(datetime.UTC)
    until = shown.not_valid_after_utc
    if until <= now:
        raise StepFailed(
            f"the certificate of {host} expired on {until:%Y-%m-%d %H:%M} UTC",
            "Renew it, then send SIGHUP to the gateway: it reads the files again.",
        )
    if shown.not_valid_before_utc > now:
        raise StepFailed(
            f"the certificate of {host} is good only from {shown.not_valid_before_utc:%Y-%m-%d} on",
            "Is this machine's clock right?",
        )
    return Shown(
        days_left=round((until - now).total_seconds() / 86_400, 1),
        ca_file=await _trust(host, port, certificate_file),
    )


async def _fetch(host: str, port: int) -> bytes:
    """Whatever is shown, believed or not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return await _shake(host, port, context)


async def _trust(host: str, port: int, certificate_file: str) -> Path | None:
    """By this machine's own authorities, else by the very file that the gateway was given."""
    try:
        await _shake(host, port, ssl.create_default_context())
    except ssl.SSLCertVerificationError as error:
        refusal = error
    else:
        return None
    if certificate_file and Path(certificate_file).is_file():
        try:
            await _shake(host, port, ssl.create_default_context(cafile=certificate_file))
        except ssl.SSLError as error:
            raise StepFailed(
                f"the certificate is not good for {host}: {_reason(error)}",
                "Name the server as its certificate does: --server https://NAME.",
            ) from None
        return Path(certificate_file)
    raise StepFailed(
        f"the certificate of {host} is not trusted here: {_reason(refusal)}",
        "Serve the whole chain, or name the server as the certificate does (--server https://NAME).",
    )


async def _shake(host: str, port: int, context: ssl.SSLContext) -> bytes:
    """The certificate in DER. Raises SSLCertVerificationError, StepFailed."""
    try:
        async with asyncio.timeout(HANDSHAKE_DEADLINE_S):
            _, writer = await asyncio.open_connection(host, port, ssl=context)
    except ssl.SSLCertVerificationError:
        raise
    except (OSError, TimeoutError) as error:
        raise StepFailed(f"no TLS with {host}:{port}: {error or 'no answer'}") from None
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    assert isinstance(shown, bytes)
    return shown


def _reason(error: ssl.SSLError) -> str:
    return getattr(error, "verify_message", "") or str(error.reason)
