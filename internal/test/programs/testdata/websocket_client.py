"""Keeps connections busy until a line comes on standard input: URL COUNT.

Each sends numbered messages of many sizes, a few ahead of the answers, and
wants each of them back in order; now and then it pings. In the end all are
closed in the orderly way, and totals are printed.
"""
import asyncio
import sys

import websockets

url, count = sys.argv[1], int(sys.argv[2])
ahead = 4  # messages under way
size = [10, 125, 126, 3000, 65535, 65536, 200000]  # each form of a frame's length
total = {"sent": 0, "received": 0, "pings": 0, "closed": 0}


def message(conn, n):
    data = f"{conn} {n} ".encode() * (size[n % len(size)] // 8 + 1)
    return data if n % 2 else data.decode()


async def receive(conn, ws, slots, sent):
    n = 0
    while (got := await sent.get()) is not None:
        assert got == n
        want = message(conn, n)
        if await ws.recv() != want:
            raise AssertionError(f"connection {conn}: message {n} came back otherwise")
        total["received"] += 1
        n += 1
        slots.release()


async def talk(conn, end, begun):
    slots, sent, n = asyncio.Semaphore(ahead), asyncio.Queue(), 0
    async with websockets.connect(url, ping_interval=None, compression=None) as ws:
        begun.release()
        receiver = asyncio.create_task(receive(conn, ws, slots, sent))
        while not end.is_set() and not receiver.done():
            await slots.acquire()
            await ws.send(message(conn, n))
            sent.put_nowait(n)
            total["sent"] += 1
            n += 1
            if n % 10 == 0:
                await asyncio.wait_for(await ws.ping(), 30)
                total["pings"] += 1
            await asyncio.sleep(0.005)
        sent.put_nowait(None)
        await asyncio.wait_for(receiver, 30)
        await ws.close(1000, "done")
        assert (ws.close_code, ws.close_reason) == (1000, "done"), (ws.close_code, ws.close_reason)
        total["closed"] += 1


async def main():
    end, begun = asyncio.Event(), asyncio.Semaphore(0)
    talks = [asyncio.create_task(talk(c, end, begun)) for c in range(count)]
    for _ in talks:
        await asyncio.wait_for(begun.acquire(), 30)
    print("talking", flush=True)
    asyncio.get_running_loop().add_reader(sys.stdin, end.set)
    await asyncio.gather(*talks)
    print("sent {sent} received {received} pings {pings} closed {closed}".format(**total), flush=True)


asyncio.run(main())
