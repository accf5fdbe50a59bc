"""Rings in event loops: awaiting, cancelling, iterating, other tasks meanwhile, on asyncio and uvloop."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop

from feedhandler.errors import LostError
from feedhandler.ring import MergedReader, Reader
from tests.support.rings import GUARD_S, Ring

Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Run a coroutine on either loop; a test that hangs fails."""
    loops = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}

    def run(work: Coroutine[Any, Any, Any]) -> Any:
        with asyncio.Runner(loop_factory=loops[request.param]) as runner:
            return runner.run(asyncio.wait_for(work, GUARD_S))

    return run


@pytest.fixture
def ring(tmp_path: Path) -> Ring:
    return Ring(tmp_path)


async def waits(task: "asyncio.Task[Any]") -> None:
    """Let the loop run until the task has nothing left but to wait for the descriptor."""
    while getattr(task.get_coro().cr_await, "__name__", "") != "_readable":
        assert not task.done()
        await asyncio.sleep(0)


def prices(batch: Any) -> list[float]:
    return batch.records["price"].tolist()


def test_what_is_there_is_read_at_once(run: Run, ring: Ring) -> None:
    async def work() -> None:
        reader = Reader(ring.folder, "r")
        ring.publish(1.0)
        assert prices(await reader.read_async()) == [1.0]

    run(work())


def test_a_waiting_task_is_woken_and_others_run_meanwhile(run: Run, ring: Ring) -> None:
    async def work() -> None:
        reader = Reader(ring.folder, "r")
        task = asyncio.create_task(reader.read_async())
        for price in range(50):
            await waits(task)
            ring.publish(float(price))
            assert prices(await task) == [price]
            task = asyncio.create_task(reader.read_async())
        task.cancel()

    run(work())


def test_a_cancelled_read_takes_no_record_with_it(run: Run, ring: Ring) -> None:
    async def work() -> None:
        reader = Reader(ring.folder, "r")
        for price in range(50):
            task = asyncio.create_task(reader.read_async())
            for _ in range(price % 4):
                await asyncio.sleep(0)
            ring.publish(float(price))
            for _ in range(price % 3):
                await asyncio.sleep(0)
            cancelled = task.cancel()
            if cancelled:
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert prices(reader.read()) == [price]
            else:
                assert prices(await task) == [price]
        assert not asyncio.get_running_loop().remove_reader(reader.fileno()), "nothing stays registered"

    run(work())


def test_a_timeout_of_the_callers_leaves_the_reader_whole(run: Run, ring: Ring) -> None:
    async def work() -> None:
        reader = Reader(ring.folder, "r")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await reader.read_async()
        ring.publish(1.0)
        assert prices(await reader.read_async()) == [1.0]

    run(work())


def test_iterating_gives_every_record_and_a_loss_does_not_end_it(run: Run, ring: Ring) -> None:
    async def work() -> None:
        reader = Reader(ring.folder, "r")
        ring.lap()
        batches = reader.batches(timeout=0.05)
        with pytest.raises(LostError) as loss:
            await anext(batches)
        read = 0
        async for batch in batches:
            read += len(batch.records)
        assert read + loss.value.lost == ring.writer.published

    run(work())


def test_a_busy_ring_starves_no_other_task(run: Run, ring: Ring) -> None:
    async def work() -> None:
        reader = Reader(ring.folder, "r")
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(other())
        ring.publish(0.0)
        seen = 0
        async for _ in reader:
            ring.publish(0.0)  # there is always something
            seen += 1
            if seen == 100:
                break
        task.cancel()
        assert turns >= 100

    run(work())


def test_a_second_task_is_refused(run: Run, ring: Ring) -> None:
    async def work() -> None:
        reader = Reader(ring.folder, "r")
        task = asyncio.create_task(reader.read_async())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="another task"):
            await reader.read_async()
        ring.publish(1.0)
        assert prices(await task) == [1.0]

    run(work())


def test_a_restart_wakes_and_is_followed(run: Run, ring: Ring) -> None:
    async def work() -> None:
        reader = Reader(ring.folder, "r")
        task = asyncio.create_task(reader.read_async())
        await waits(task)
        epoch = ring.restart()
        ring.publish(2.0)
        assert prices(await task) == [2.0]
        assert reader.epoch == epoch

    run(work())


def test_several_rings_are_awaited_at_once(run: Run, tmp_path: Path) -> None:
    rings = [Ring(tmp_path, name) for name in ("a", "b", "c")]

    async def work() -> None:
        reader = MergedReader(tmp_path, ["a", "b", "c"], bound_s=0.0)
        for turn in range(30):
            task = asyncio.create_task(reader.read_async())
            await waits(task)
            rings[turn % 3].publish(float(turn))
            batch = await task
            assert (prices(batch), batch.rings.tolist()) == ([turn], [turn % 3])

    run(work())
