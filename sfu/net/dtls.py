"""The passive end of one client's DTLS association (RFC 5764, RFC 8842), by aiortc.

aiortc's transport runs the handshake on a stand-in for its ICE transport, which takes the datagrams that
the media port has found to be this client's. The SRTP keys go to the plane; no media comes this way.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

import structlog

from sfu.aiortc_modules import rtcdtlstransport
from sfu.plane import SrtpKeys
from sfu.transport import Fingerprint

QUEUE_DATAGRAMS_MAX: Final = 16
"""Received and not yet worked on; the oldest goes."""
PROFILES: Final = (
    rtcdtlstransport.SRTP_AEAD_AES_128_GCM,
    rtcdtlstransport.SRTP_AES128_CM_SHA1_80,
)
"""In our order: the server's choice counts (RFC 5764 §4.1.1)."""
ALGORITHMS: Final = frozenset(rtcdtlstransport.X509_DIGEST_ALGORITHMS)

_log = structlog.get_logger()


class Certificate:
    """One for the time of the process."""

    def __init__(self) -> None:
        self.inner: Any = rtcdtlstransport.RTCCertificate.generateCertificate()
        own = next(each for each in self.inner.getFingerprints() if each.algorithm == "sha-256")
        self.fingerprint = Fingerprint("sha-256", own.value)


class _IceStandIn:
    """All that RTCDtlsTransport wants of its ICE transport."""

    role = "controlled"

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send_now = send
        self._waiting: deque[bytes] = deque(maxlen=QUEUE_DATAGRAMS_MAX)
        self._news = asyncio.Event()
        self._closed = False

    def put(self, datagram: bytes) -> bool:
        had_room = len(self._waiting) < QUEUE_DATAGRAMS_MAX
        self._waiting.append(datagram)
        self._news.set()
        return had_room

    def close(self) -> None:
        self._closed = True
        self._news.set()

    async def _recv(self) -> bytes:
        while not self._waiting:
            if self._closed:
                raise ConnectionError
            self._news.clear()
            await self._news.wait()
        return self._waiting.popleft()

    async def _send(self, data: bytes) -> None:
        self._send_now(data)


class _Transport(rtcdtlstransport.RTCDtlsTransport):  # type: ignore[misc] # aiortc comes untyped here
    """With keys for the plane instead of SRTP sessions of its own."""

    srtp_keys: SrtpKeys | None = None

    def _setup_srtp(self) -> None:
        chosen = self._ssl.get_selected_srtp_profile()
        profile = next((each for each in PROFILES if each.openssl_profile == chosen), None)
        if profile is None:
            self._set_state(rtcdtlstransport.State.FAILED)
            return
        # RFC 5764 §4.2.
        material = self._ssl.export_keying_material(
            b"EXTRACTOR-dtls_srtp", 2 * (profile.key_length + profile.salt_length)
        )
        self.srtp_keys = SrtpKeys(
            profile.openssl_profile.decode(),
            receive=profile.get_key_and_salt(material, 0),
            send=profile.get_key_and_salt(material, 1),
        )


class PassiveDtls:
    """`send` is called with every datagram for the client."""

    def __init__(
        self,
        certificate: Certificate,
        fingerprints: Sequence[Fingerprint],
        send: Callable[[bytes], None],
    ) -> None:
        self._ice = _IceStandIn(send)
        self._transport = _Transport(self._ice, [certificate.inner])
        self._transport._srtp_profiles = list(PROFILES)
        self._transport._set_role("server")
        self._parameters = rtcdtlstransport.RTCDtlsParameters(
            fingerprints=[
                rtcdtlstransport.RTCDtlsFingerprint(each.algorithm, each.value)
                for each in fingerprints
            ],
            role="client",
        )

    def received(self, datagram: bytes) -> bool:
        """False: an older one had to go for it."""
        return self._ice.put(datagram)

    async def handshake(self) -> SrtpKeys | None:
        """None: it failed, or the certificate is not the one that was signalled."""
        try:
            await self._transport.start(self._parameters)
        except Exception:
            # What aiortc does not expect of a peer ends that peer, now and not at the time limit.
            _log.exception("DTLS handshake broke")
            return None
        if self._transport.state != "connected":
            return None
        keys: SrtpKeys | None = self._transport.srtp_keys
        return keys

    async def ended(self) -> None:
        """Returns when the client has closed the association."""
        if self._transport._task is not None:
            with contextlib.suppress(Exception):
                await asyncio.shield(self._transport._task)

    async def stop(self) -> None:
        """With close_notify."""
        await self._transport.stop()
        self._ice.close()
