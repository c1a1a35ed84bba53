import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from loadtest.certificate import make_certificate
from ringlined.doctor.certificate import look
from ringlined.trial.program import StepFailed


@asynccontextmanager
async def serving(directory: Path, age: timedelta = timedelta(hours=1)) -> AsyncIterator[int]:
    tls = make_certificate(directory, age, timedelta(days=30))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.certificate, tls.key)

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_a_private_certificate_is_trusted_by_its_own_file(tmp_path: Path) -> None:
    file = tmp_path / "certificate.pem"
    async with serving(tmp_path) as port:
        shown = await look(f"https://127.0.0.1:{port}", str(file))
    assert shown.ca_file == file
    assert 29 < shown.days_left <= 30


async def test_an_expired_one_is_named_whatever_is_trusted(tmp_path: Path) -> None:
    async with serving(tmp_path, timedelta(days=31)) as port:
        with pytest.raises(StepFailed, match="expired on") as caught:
            await look(f"https://127.0.0.1:{port}", str(tmp_path / "certificate.pem"))
    assert "SIGHUP" in caught.value.advice


async def test_one_of_tomorrow_is_named(tmp_path: Path) -> None:
    async with serving(tmp_path, timedelta(days=-1)) as port:
        with pytest.raises(StepFailed, match="good only from"):
            await look(f"https://127.0.0.1:{port}", "")


async def test_a_private_one_without_its_file_is_not_trusted(tmp_path: Path) -> None:
    async with serving(tmp_path) as port:
        with pytest.raises(StepFailed, match="not trusted here: self-signed"):
            await look(f"https://127.0.0.1:{port}", "")


async def test_another_name_is_told(tmp_path: Path) -> None:
    async with serving(tmp_path) as port:
        with pytest.raises(StepFailed, match="not good for localhost") as caught:
            await look(f"https://localhost:{port}", str(tmp_path / "certificate.pem"))
    assert "--server" in caught.value.advice


async def test_nobody_there_is_told() -> None:
    with pytest.raises(StepFailed, match="no TLS with"):
        await look("https://127.0.0.1:1", "")
