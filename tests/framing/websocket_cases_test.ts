import { assertEquals, assertInstanceOf } from "@std/assert";
import { WebSocketConn } from "../../lib/framing/websocket_conn.ts";
import { WebSocketFrameError, type WebSocketRole } from "../../lib/framing/websocket_message.ts";
import { type Duplex, readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { memoryPair } from "../../lib/stream/memory.ts";
import { CASES, heardIn, rawFrame, type WebSocketCase } from "./_websocket_cases.ts";

const MASK = Uint8Array.of(0x37, 0xfa, 0x21, 0x3d);
const NORMAL = { opcode: 8, payload: Uint8Array.of(3, 232) };

/** How many bytes are written at once. */
const CHOPS = [Infinity, 1, 997];

/** Says back whatever comes, until either side closes or the peer breaks the rules. */
async function echo(conn: Duplex, role: WebSocketRole): Promise<unknown> {
  const websocket = new WebSocketConn(conn, { role });
  try {
    for await (const message of websocket) await websocket.send(message);
    return undefined;
  } catch (error) {
    return error;
  }
}

async function chopped(conn: Duplex, bytes: Uint8Array, size: number): Promise<void> {
  for (let at = 0; at < bytes.length; at += size) {
    await writeAll(conn, bytes.subarray(at, at + size));
  }
}

async function check(each: WebSocketCase, role: WebSocketRole, chop: number): Promise<void> {
  const mask = role === "server" ? MASK : undefined;
  const frames = each.final ? each.frames : [...each.frames, NORMAL];
  const stream = Uint8Array.from(frames.flatMap((frame) => [...rawFrame(frame, mask)]));
  const [peer, ours] = memoryPair({ capacity: 1024 * 1024 });
  const echoed = echo(ours, role);
  const sent = chopped(peer, stream, chop).catch(() => {}); // it may have hung up
  const back = readToEnd(peer);
  await sent;
  await peer.closeWrite().catch(() => {});
  const heard = heardIn(await back, role === "client");
  assertEquals(heard, [...each.heard, `close ${each.close}`], each.what);
  const error = await echoed;
  if (error !== undefined) assertInstanceOf(error, WebSocketFrameError, each.what);
  peer[Symbol.dispose]();
}

for (const role of ["server", "client"] as const) {
  Deno.test(`WebSocketConn as a ${role} answers every case of the catalogue as RFC 6455 says`, async () => {
    for (const each of CASES) {
      const length = each.frames.reduce((sum, { payload }) => sum + payload.length, 0);
      for (const chop of CHOPS) {
        if (chop > 1 || length < 1000) await check(each, role, chop);
      }
    }
  });
}
