"""What the answer of a gateway to the handshake means."""

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from ringline.client.errors import Unreachable
from ringline.client.net.group_socket import NodeGone, open_group_socket


@pytest.mark.parametrize(("status", "kind"), [(404, NodeGone), (503, Unreachable)])
async def test_no_such_node_is_told_from_one_that_is_away(
    status: int, kind: type[Unreachable]
) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status)

    app = web.Application()
    app.router.add_get("/v1/sfu/node-1", answer)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        with pytest.raises(Unreachable) as refused:
            await open_group_socket(
                session, str(server.make_url("/")).rstrip("/"), "/v1/sfu/node-1"
            )
    assert type(refused.value) is kind
