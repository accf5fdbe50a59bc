"""Batches of a ring reader one after the other, for `await`, `async for` and `for`: no executor, no task of its own."""

# ruff: noqa: A002 - `max` says it best

import asyncio
from typing import Any, Generic, Protocol, TypeVar


class AnyBatch(Protocol):
    """Batch or MergedBatch."""

    @property
    def records(self) -> Any:
        """The records, an array."""

    @property
    def lost(self) -> int:
        """How many were lost before them."""


B = TypeVar("B", bound=AnyBatch)
B_co = TypeVar("B_co", bound=AnyBatch, covariant=True)


class AsyncReader(Protocol[B_co]):
    """What Reader and MergedReader are to this module. `_awaited`: a task waits for it."""

    _awaited: bool

    def read(self, out: Any = None, max: int | None = None, timeout: float | None = 0.0) -> B_co:
        """Return the next batch; an empty one after `timeout` seconds without."""
        ...

    def fileno(self) -> int:
        """Return a descriptor that is readable while there is something to read."""
        ...


async def read_async(self: AsyncReader[B], out: Any = None, max: int | None = None) -> B:
    """Return the next batch that is not empty, as `read` does, while the event loop runs. To time out, cancel it.

    Each call gives the loop one turn first, so a busy ring starves no other task. Nothing is read before it is
    returned: a cancelled call takes no record with it. Costs a turn of the loop where there is something to read, else
    a descriptor's registration and two wakes of threads. Raises as `read` does; RuntimeError where another task waits
    for the same reader, NotImplementedError on a loop without add_reader.
    """
    if self._awaited:
        raise RuntimeError("another task waits for this reader; give each task its own")
    self._awaited = True
    try:
        await asyncio.sleep(0)
        while not is_news(batch := self.read(out, max)):
            await _readable(self.fileno())
        return batch
    finally:
        self._awaited = False


def is_news(batch: AnyBatch) -> bool:
    """Whether a batch has records or a loss."""
    return len(batch.records) > 0 or batch.lost > 0


async def _readable(fd: int) -> None:
    loop = asyncio.get_running_loop()
    woken: asyncio.Future[None] = loop.create_future()
    loop.add_reader(fd, _wake, woken)
    try:
        await woken
    finally:
        loop.remove_reader(fd)


def _wake(woken: "asyncio.Future[None]") -> None:
    if not woken.done():
        woken.set_result(None)


class Batches(Generic[B]):
    """Iterates over a reader's batches, plainly or asynchronously. An exception of a read does not end it."""

    def __init__(self, reader: AsyncReader[B], most: int | None, timeout: float | None) -> None:
        self._reader = reader
        self._most = most
        self._timeout = timeout

    def __iter__(self) -> "Batches[B]":
        return self

    def __next__(self) -> B:
        batch = self._reader.read(None, self._most, self._timeout)
        if not is_news(batch):
            raise StopIteration
        return batch

    def __aiter__(self) -> "Batches[B]":
        return self

    async def __anext__(self) -> B:
        if self._timeout is None:
            return await read_async(self._reader, None, self._most)
        try:
            async with asyncio.timeout(self._timeout):
                return await read_async(self._reader, None, self._most)
        except TimeoutError:
            raise StopAsyncIteration from None
