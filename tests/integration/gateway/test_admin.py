"""The operator's port, and TLS on the public one."""

import datetime
import ssl
from pathlib import Path

import aiohttp
import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from backplane.telemetry.health import HealthReport
from ringline.protocol import frames
from ringline.protocol.codec import MSGPACK
from signaling.settings import GatewaySettings
from tests.integration.gateway.conftest import StartNode
from tests.integration.gateway.stage import Ground, Node, Person


async def fetch(node: Node, path: str, method: str = "GET") -> tuple[int, str, bytes]:
    host, port = node.gateway.bound_addresses.admin
    async with node.http.request(method, f"http://{host}:{port}{path}") as response:
        return response.status, response.headers["Content-Type"], await response.read()


async def test_metrics_count_what_happened(node: Node, ann: Person, bob: Person) -> None:
    one = await node.connect(ann)
    await one.send(ann.write(bob))
    await one.expect(frames.Sent)
    status, content_type, page = await fetch(node, "/metrics")
    assert status == 200
    assert content_type.startswith("text/plain")
    lines = page.decode().splitlines()
    assert "ringline_connections_open 1.0" in lines
    assert 'ringline_frames_in_total{type="send"} 1.0' in lines
    assert not [line for line in lines if str(ann.address.account) in line]


async def test_health_says_who_is_not_well(node: Node) -> None:
    assert (await fetch(node, "/healthz"))[0] == 200
    assert (await fetch(node, "/readyz"))[0] == 200

    async def away() -> None:
        raise ConnectionError("redis://secret@somewhere")

    node.health.add("registry", away)
    status, _, body = await fetch(node, "/readyz")
    assert status == 503
    assert b"secret" not in body
    report = msgspec.json.decode(body, type=HealthReport)
    assert [probe.name for probe in report.probes if not probe.ok] == ["registry"]
    assert (await fetch(node, "/healthz"))[0] == 200, "a sick part is no reason to be killed"


async def test_a12_nothing_else_is_there_and_none_of_it_is_public(node: Node) -> None:
    assert node.gateway.bound_addresses.admin[0] == "127.0.0.1"
    assert (await fetch(node, "/v1/account"))[0] == 404
    assert (await fetch(node, "/metrics", "POST"))[0] == 405
    for path in ("/metrics", "/healthz", "/readyz"):
        assert (await node.request("GET", path)).status == 404


def certify(folder: Path, name: str) -> tuple[str, str]:
    """A certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    chain, private = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return str(chain), str(private)


async def test_tls_is_spoken_and_the_certificate_can_be_renewed(
    start_node: StartNode, ground: Ground, tmp_path: Path
) -> None:
    chain, private = certify(tmp_path, "first")
    settings = GatewaySettings(certificate_file=chain, private_key_file=private)
    node = await start_node(ground, settings)
    url = f"https://localhost:{node.port}"

    async def reached(trusted: str) -> int:
        context = ssl.create_default_context(cafile=trusted)
        async with (
            aiohttp.ClientSession() as http,
            http.get(url + "/v1/openapi.json", ssl=context) as response,
        ):
            return response.status

    old = tmp_path / "old.pem"
    old.write_text(Path(chain).read_text())
    assert await reached(str(old)) == 200
    context = ssl.create_default_context(cafile=str(old))
    async with aiohttp.ClientSession() as http:
        ws = await http.ws_connect(url + "/v1/socket", protocols=[MSGPACK.subprotocol], ssl=context)
        assert ws.protocol == MSGPACK.subprotocol
        await ws.close()
    certify(tmp_path, "second")
    node.gateway.reload_certificate()
    assert await reached(chain) == 200
    with pytest.raises(aiohttp.ClientConnectorCertificateError):
        await reached(str(old))


async def test_tls_before_1_2_is_refused(
    start_node: StartNode, ground: Ground, tmp_path: Path
) -> None:
    chain, private = certify(tmp_path, "first")
    settings = GatewaySettings(certificate_file=chain, private_key_file=private)
    node = await start_node(ground, settings)
    context = ssl.create_default_context(cafile=chain)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.ClientConnectorError):
            await http.get(f"https://localhost:{node.port}/v1/openapi.json", ssl=context)
