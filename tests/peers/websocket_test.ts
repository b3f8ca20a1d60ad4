/** Our WebSocket, with a peer that was written in another language: Python's websockets. */

import { assertEquals } from "@std/assert";
import { dial } from "../../lib/client/dial.ts";
import { connectWebSocket, upgradeWebSocket } from "../../lib/framing/open_websocket.ts";
import type { WebSocketClosing } from "../../lib/framing/websocket.ts";
import { serveTcp } from "../../lib/server/server.ts";
import { needs } from "../_needs.ts";
import { startProgram } from "../_script.ts";

/** The system's own, which knows the packages of the system. */
const PYTHON = "/usr/bin/python3";
const WEBSOCKETS = { run: [PYTHON], python: "websockets" } as const;

const peer = (arg: string) => startProgram(PYTHON, ["tests/peers/websocket.py", arg]);

needs(WEBSOCKETS, "upgradeWebSocket() serves Python's websockets", async () => {
  const closed = Promise.withResolvers<WebSocketClosing | undefined>();
  await using server = serveTcp({}, async (conn) => {
    const websocket = await upgradeWebSocket(conn, { protocols: ["lab"] });
    for await (const message of websocket) await websocket.send(message);
    closed.resolve(websocket.closing);
  });
  await using client = peer(`${server.addr.port}`);
  const bytes = Array.from({ length: 256 }, (_, i) => i);
  assertEquals(
    JSON.parse(await client.output()),
    ["lab", ["", "Grüß Gott 😀"], 70_000, ["onetwo", bytes], 3001],
  );
  assertEquals(await closed.promise, { code: 3001, reason: "done" });
});

needs(
  WEBSOCKETS,
  "connectWebSocket() talks to Python's websockets, and either closes",
  async () => {
    for (const closes of ["we", "they"]) {
      await using server = peer("listen");
      const { hostname, port } = await server.addr();
      const conn = await dial({ hostname, port });
      const client = await connectWebSocket(conn, { host: "lab", protocols: ["lab"] });
      assertEquals(client.protocol, "lab");
      for (const message of ["", "Grüß Gott 😀", "x".repeat(70_000), Uint8Array.of(0, 255)]) {
        await client.send(message);
        assertEquals(await client.receive(), message);
      }
      for (const [asked, answer] of [["fragments", "onetwo"], ["ping", "pong"]] as const) {
        await client.send(asked);
        assertEquals(await client.receive(), answer);
      }
      const heard = [0, 11, 70_000, 2, 9, 4];
      if (closes === "we") {
        assertEquals(await client.close({ code: 3002, reason: "é" }), { code: 3002, reason: "é" });
        assertEquals(JSON.parse(await server.output()), ["lab", heard, 3002, "é"]);
      } else {
        await client.send("close");
        assertEquals(await client.receive(), null);
        assertEquals(client.closing, { code: 4000, reason: "as you wish" });
        const [, , code] = JSON.parse(await server.output());
        assertEquals(code, 4000);
      }
    }
  },
);
