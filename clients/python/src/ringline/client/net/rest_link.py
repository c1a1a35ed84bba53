"""Sends over REST, while another process of this machine holds the device's connection.

Has the part of `Link` that `Sender` uses. Receipts then reach the other process; the shared store
shows them here.
"""

import asyncio
from typing import Final

from ringline.client.errors import Refused, RinglineError
from ringline.client.net.api import Api
from ringline.client.net.link import OnAnswer
from ringline.protocol.frames import Error, Send, Sent
from ringline.protocol.resources import NewMessage, SentMessage

IN_FLIGHT_MAX: Final = 1
"""Requests may overtake each other, messages must not."""


class RestLink:
    def __init__(self, api: Api) -> None:
        self._api = api
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def room(self) -> int:
        return IN_FLIGHT_MAX - len(self._tasks)

    def submit(self, frame: Send, on_answer: OnAnswer) -> None:
        task = asyncio.create_task(self._send(frame, on_answer))
        self._tasks.add(task)

    async def _send(self, frame: Send, on_answer: OnAnswer) -> None:
        fields = {name: getattr(frame, name) for name in NewMessage.__struct_fields__}
        answer: Sent | Error | None = None
        try:
            body = NewMessage(**fields)
            sent = await self._api.ask("POST", "/v1/messages", SentMessage, body=body, repeat=True)
            answer = Sent(ref=0, id=sent.id, sent_at=sent.sent_at)
        except Refused as error:
            answer = Error(ref=0, problem=error.problem)
        except RinglineError:
            await asyncio.sleep(1)
        finally:
            task = asyncio.current_task()
            assert task is not None
            self._tasks.discard(task)
        on_answer(answer)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
