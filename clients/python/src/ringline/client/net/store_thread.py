"""The store behind one thread: its methods block (a disk), the event loop must not."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ringline.client.store import Store

T = TypeVar("T")


class StoreThread:
    """Calls run one after the other, in the order in which they were made."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ringline-store")
        self.closed = False

    async def run(self, work: Callable[[Store], T]) -> T:
        """Whatever `work` raises; ProfileDamaged when the disk fails. What has begun is finished,
        also when the caller is cancelled."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, self.store)

    async def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        await self.run(lambda store: store.close())
        self._thread.shutdown(wait=False)
