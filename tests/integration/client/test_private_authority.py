"""A server whose certificate no machine knows by itself: https and wss with its file, and only so."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from loadtest.certificate import make_certificate
from ringline.client.client import Client
from ringline.client.errors import Unreachable
from ringline.client.net.trust import VARIABLE
from ringline.client.store_memory import MemoryStore
from signaling.settings import GatewaySettings
from tests.integration.client.conftest import number
from tests.integration.gateway.stage import TEST_CODE, Ground, Node


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return make_certificate(tmp_path).certificate


@pytest.fixture
async def server(tmp_path: Path, certificate: Path) -> AsyncIterator[str]:
    settings = msgspec.structs.replace(
        GatewaySettings(),
        certificate_file=str(certificate),
        private_key_file=str(tmp_path / "key.pem"),
    )
    node = await Node.start(Ground(), settings)
    yield f"https://127.0.0.1:{node.port}"
    await node.stop()


async def test_its_file_opens_both_ways(server: str, certificate: Path) -> None:
    async with await Client.open(MemoryStore(), server=server, ca_file=certificate) as client:
        await client.register(number(1), TEST_CODE)
        await client.ready(10)


async def test_without_it_nothing_is_said(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    async with await Client.open(MemoryStore(), server=server) as client:
        with pytest.raises(Unreachable):
            await client.register(number(1), TEST_CODE)
