"""A client that trusts the file reaches a server that shows it, and no other client does."""

import ssl
from pathlib import Path

import pytest
from aiohttp import ClientConnectorCertificateError, web
from aiohttp.test_utils import TestServer

from loadtest.certificate import make_certificate
from loadtest.wire import open_http


async def hello(_: web.Request) -> web.Response:
    return web.Response(text="hello")


async def test_only_who_trusts_it_connects(tmp_path: Path) -> None:
    tls = make_certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tls.certificate, tls.key)
    app = web.Application()
    app.router.add_get("/", hello)
    server = TestServer(app, host="127.0.0.1", scheme="https")
    await server.start_server(ssl=context)
    try:
        url = f"https://127.0.0.1:{server.port}/"
        trust = ssl.create_default_context(cafile=tls.certificate)
        async with open_http(trust) as http, http.get(url) as answer:
            assert await answer.text() == "hello"
        async with open_http() as http:
            with pytest.raises(ClientConnectorCertificateError):
                await http.get(url)
    finally:
        await server.close()
