"""An echo over WebSocket by Python's websockets: "listen" for one connection, or the port to
connect to. Standard output is one line of JSON: what was agreed on, came, and how it closed."""

import asyncio
import json
import sys

import websockets

LONG = "z" * 70_000


async def answer(conn, message):
    if message == "fragments":
        await conn.send(["one", "", "two"])
    elif message == "ping":
        await (await conn.ping(b"are you there"))
        await conn.send("pong")
    elif message == "close":
        await conn.close(4000, "as you wish")
    else:
        await conn.send(message)


async def listen():
    done = asyncio.get_running_loop().create_future()

    async def echo(conn):
        heard = []
        try:
            async for message in conn:
                heard.append(len(message))
                await answer(conn, message)
        except websockets.ConnectionClosed:
            pass  # closed with another code than 1000
        done.set_result([conn.subprotocol, heard, conn.close_code, conn.close_reason])

    async with websockets.serve(echo, "127.0.0.1", 0, subprotocols=["lab"]) as server:
        host, port = server.sockets[0].getsockname()
        print(f"listening on {host}:{port}", file=sys.stderr, flush=True)
        print(json.dumps(await done))


async def connect(port):
    # It offers permessage-deflate, which we decline.
    async with websockets.connect(f"ws://127.0.0.1:{port}/", subprotocols=["other", "lab"]) as conn:
        heard = []
        for message in ["", "Grüß Gott 😀", LONG, ["one", "", "two"]]:
            await conn.send(message)
            heard.append(await conn.recv())
        await conn.send(bytes(range(256)))
        heard.append(list(await conn.recv()))
        await conn.send("and what of a ping?")
        await (await conn.ping(b"are you there"))
        await conn.close(3001, "done")
    print(json.dumps([conn.subprotocol, heard[:2], len(heard[2]), heard[3:], conn.close_code]))


asyncio.run(listen() if sys.argv[1] == "listen" else connect(int(sys.argv[1])))
