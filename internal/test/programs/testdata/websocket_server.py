"""Echoes what it gets, to as many clients as there are: ADDRESS PORT."""
import asyncio
import sys

import websockets


async def echo(ws, path=None):
    async for message in ws:
        await ws.send(message)


async def main():
    async with websockets.serve(echo, sys.argv[1], int(sys.argv[2]), ping_interval=None, compression=None):
        print("serving", flush=True)
        await asyncio.Future()


asyncio.run(main())
