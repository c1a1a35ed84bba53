"""The passive end against OpenSSL's own client, without a network."""

import asyncio
import struct
from typing import Any

import pytest
from aiortc import RTCCertificate
from aiortc.rtcdtlstransport import certificate_digest
from OpenSSL import SSL

from sfu.net.dtls import PROFILES, QUEUE_DATAGRAMS_MAX, Certificate, PassiveDtls
from sfu.plane import SrtpKeys
from sfu.transport import Fingerprint

GCM, SHA1 = b"SRTP_AEAD_AES_128_GCM", b"SRTP_AES128_CM_SHA1_80"
OURS = Certificate()
THEIRS = RTCCertificate.generateCertificate()
PRINTS = [Fingerprint(each.algorithm, each.value) for each in THEIRS.getFingerprints()]
DEADLINE_S = 10


class Client:
    """An active end that offers `profiles`."""

    def __init__(self, profiles: bytes, certificate: Any = THEIRS) -> None:
        context = SSL.Context(SSL.DTLS_METHOD)
        context.set_verify(SSL.VERIFY_NONE, lambda *_: True)
        if certificate is not None:
            context.use_certificate(certificate._cert)
            context.use_privatekey(certificate._key)
        if profiles:
            context.set_tlsext_use_srtp(profiles)
        self.connection = SSL.Connection(context)
        self.connection.set_connect_state()
        self.sent: list[bytes] = []

    def out(self) -> list[bytes]:
        """Record by record: datagrams of a size that any path takes."""
        try:
            data = self.connection.bio_read(65_536)
        except SSL.WantReadError:
            return []
        found = []
        while data:
            size = 13 + struct.unpack_from("!H", data, 11)[0]
            found.append(data[:size])
            data = data[size:]
        return found

    def step(self) -> None:
        try:
            self.connection.do_handshake()
        except SSL.Error:
            return  # wants more, or the server has sent an alert

    async def shake_hands(
        self, fingerprints: list[Fingerprint] = PRINTS
    ) -> tuple[PassiveDtls, SrtpKeys | None]:
        server = PassiveDtls(OURS, fingerprints, self._take)
        work = asyncio.ensure_future(server.handshake())
        async with asyncio.timeout(DEADLINE_S):
            while not work.done():
                self.step()
                for record in self.out():
                    server.received(record)
                await asyncio.sleep(0.001)
        self.step()
        return server, work.result()

    def _take(self, data: bytes) -> None:
        self.connection.bio_write(data)


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (SHA1 + b":" + GCM, GCM),
        (GCM + b":" + SHA1, GCM),
        (b"SRTP_AES128_CM_SHA1_32:" + SHA1, SHA1),
        (b"SRTP_AEAD_AES_256_GCM:" + GCM, GCM),
    ],
)
async def test_our_order_of_profiles_counts(offered: bytes, chosen: bytes) -> None:
    """S21: AES-GCM if the client has it, AES-CM with 80 bits else."""
    client = Client(offered)
    server, keys = await client.shake_hands()
    assert keys is not None
    assert keys.profile == chosen.decode()
    salt = 12 if chosen == GCM else 14
    material = client.connection.export_keying_material(b"EXTRACTOR-dtls_srtp", 2 * (16 + salt))
    # RFC 5764 §4.2: both keys, then both salts; the client's first.
    assert keys.receive == material[:16] + material[32 : 32 + salt]
    assert keys.send == material[16:32] + material[32 + salt :]
    await server.stop()


@pytest.mark.parametrize("offered", [b"SRTP_AES128_CM_SHA1_32", b"SRTP_AEAD_AES_256_GCM", b""])
async def test_no_profile_of_ours_is_no_association(offered: bytes) -> None:
    server, keys = await Client(offered).shake_hands()
    assert keys is None
    await server.stop()


async def test_every_fingerprint_that_we_know_must_match() -> None:
    """S7."""
    other = RTCCertificate.generateCertificate()
    wrong = Fingerprint("sha-256", certificate_digest(other._cert, "sha-256"))
    right = [each for each in PRINTS if each.algorithm != "sha-256"]
    assert right
    assert (await Client(GCM).shake_hands([wrong]))[1] is None
    assert (await Client(GCM).shake_hands([*right, wrong]))[1] is None
    assert (await Client(GCM).shake_hands(right))[1] is not None


async def test_sha_1_alone_proves_nothing() -> None:
    assert (await Client(GCM).shake_hands([Fingerprint("sha-1", "AB:CD")]))[1] is None


async def test_a_client_without_a_certificate_fails() -> None:
    assert (await Client(GCM, None).shake_hands())[1] is None


async def test_the_end_is_told_when_the_client_says_goodbye() -> None:
    client = Client(GCM)
    server, keys = await client.shake_hands()
    assert keys is not None
    client.connection.shutdown()
    for record in client.out():
        server.received(record)
    await asyncio.wait_for(server.ended(), DEADLINE_S)


async def test_our_end_says_goodbye() -> None:
    client = Client(GCM)
    server, keys = await client.shake_hands()
    assert keys is not None
    await server.stop()
    with pytest.raises(SSL.ZeroReturnError):
        client.connection.recv(100)


def test_the_queue_before_the_handshake_is_limited() -> None:
    server = PassiveDtls(OURS, PRINTS, lambda _: None)
    took = [server.received(bytes([22, n])) for n in range(QUEUE_DATAGRAMS_MAX + 2)]
    assert took == [True] * QUEUE_DATAGRAMS_MAX + [False] * 2
    assert server._ice._waiting[0] == bytes([22, 2])


def test_no_other_profiles_are_known() -> None:
    assert [each.openssl_profile for each in PROFILES] == [GCM, SHA1]
