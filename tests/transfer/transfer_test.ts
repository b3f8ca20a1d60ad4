import { assert, assertEquals, assertInstanceOf, assertMatch, assertRejects } from "@std/assert";
import { dial } from "../../lib/client/dial.ts";
import { serveTcp } from "../../lib/server/server.ts";
import { type Duplex, readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { type MemoryConn, memoryPair } from "../../lib/stream/memory.ts";
import { storageError, TransferError } from "../../lib/transfer/error.ts";
import { hex, sha256 } from "../../lib/transfer/hash.ts";
import type { Progress, Protocol } from "../../lib/transfer/progress.ts";
import { receiveFile } from "../../lib/transfer/receive.ts";
import { sendFile } from "../../lib/transfer/send.ts";
import { openSource } from "../../lib/transfer/source.ts";
import { fileStore, folderStore } from "../../lib/transfer/store.ts";
import { encodeNumber } from "../../lib/transfer/wire.ts";
import { seededWorld } from "../../lib/world.ts";
import { needs } from "../_needs.ts";
import { exchange, faults } from "./_exchange.ts";
import { bytesOf, FILES, Folder } from "./_files.ts";
import { corrupting, failingStore, memorySource, worldWhere } from "./_sources.ts";

const BYTES = bytesOf(100);

const PROTOCOLS: readonly Protocol[] = ["plain", "half-close", "extended"];

/** More than the two buffers of either end and the pair between them. */
const LONG = 3 * 256 * 1024 + 1;

function digestOf(bytes: Uint8Array): string {
  const hash = sha256();
  hash.update(bytes);
  return hex(hash.digest());
}

for (const protocol of PROTOCOLS) {
  const options = { send: { protocol }, receive: { halfClose: protocol === "half-close" } };

  needs(FILES, `a file of any size arrives: ${protocol}`, async () => {
    await using folder = await Folder.make();
    await using inbox = await Folder.make();
    for (const size of [0, 1, 65536, 256 * 1024, LONG]) {
      const bytes = bytesOf(size);
      const path = await folder.write("a", bytes);
      const { sent, received } = await exchange(path, fileStore(inbox.at(`${size}`)), options);
      assert(!(sent instanceof Error), String(sent));
      assert(!(received instanceof Error), String(received));
      assertEquals(await inbox.read(`${size}`), bytes);
      const about = { protocol, size, resumed: 0, sha256: digestOf(bytes) };
      assertEquals(received, {
        ...about,
        path: inbox.at(`${size}`),
        verified: protocol === "extended",
        told: true,
      });
      const answer = protocol === "half-close" ? `OK ${size} bytes, SHA-256 ${about.sha256}` : "";
      assertEquals(sent, { ...about, name: "a", verified: protocol !== "plain", answer });
    }
  });

  needs(
    FILES,
    `a file that shrinks or grows while it is sent is no file: ${protocol}`,
    async () => {
      await using folder = await Folder.make();
      for (const length of [LONG - 1000, LONG + 1000]) {
        await using inbox = await Folder.make();
        const path = await folder.write("a", bytesOf(LONG));
        const onProgress = () => Deno.truncateSync(path, length);
        const exchanged = await exchange(path, fileStore(inbox.at("b")), {
          ...options,
          send: { protocol, onProgress },
        });
        assertEquals(faults(exchanged), ["changed", "broken"]);
        assertEquals(await inbox.names(), [".b.part"]);
      }
    },
  );

  needs(FILES, `a full disk is told to both ends, and what came is kept: ${protocol}`, async () => {
    await using inbox = await Folder.make();
    const full = Object.assign(new Error("No space left on device"), { code: "ENOSPC" });
    const store = failingStore(fileStore(inbox.at("b")), 5000, storageError("Cannot store", full));
    const exchanged = await exchange(memorySource("a", bytesOf(LONG)), store, options);
    assertEquals(faults(exchanged), ["told full", "full"]);
    const { sent, received } = exchanged as { sent: TransferError; received: TransferError };
    assertMatch(received.message, /as there is no room for it: ENOSPC$/);
    assertEquals([sent.message, received.kept], [received.message, 5000]);
    assertEquals(await inbox.read(".b.part"), bytesOf(LONG).subarray(0, 5000));
  });

  needs(FILES, `what the disk forbids is told to both ends: ${protocol}`, async () => {
    await using inbox = await Folder.make();
    for (const error of [new Deno.errors.PermissionDenied(), new Deno.errors.NotCapable()]) {
      const denied = storageError("Cannot store", error);
      const store = failingStore(fileStore(inbox.at("b")), 0, denied);
      const exchanged = await exchange(memorySource("a", bytesOf(LONG)), store, options);
      assertEquals(faults(exchanged), ["told denied", "denied"]);
    }
    assertEquals(await inbox.names(), []);
  });

  needs(
    FILES,
    `a receiver that is called off tells the sender, and keeps a part: ${protocol}`,
    async () => {
      await using inbox = await Folder.make();
      const caller = new AbortController();
      const onProgress = ({ done }: Progress) => done > 0 && caller.abort();
      const exchanged = await exchange(memorySource("a", bytesOf(LONG)), fileStore(inbox.at("b")), {
        send: { protocol },
        receive: { ...options.receive, onProgress, signal: caller.signal },
      });
      assertEquals(faults(exchanged), ["told aborted", "aborted"]);
      assertEquals(await inbox.names(), [".b.part"]);
    },
  );

  needs(FILES, `a sender that is called off leaves a part: ${protocol}`, async () => {
    await using inbox = await Folder.make();
    const caller = new AbortController();
    const onProgress = ({ done }: Progress) => done > 0 && caller.abort();
    const exchanged = await exchange(memorySource("a", bytesOf(LONG)), fileStore(inbox.at("b")), {
      send: { protocol, onProgress, signal: caller.signal },
      receive: options.receive,
    });
    assertEquals(faults(exchanged), ["aborted", "broken"]);
    assertEquals(await inbox.names(), [".b.part"]);
  });

  Deno.test(`a sender waits no longer than its timeout: ${protocol}`, async () => {
    const [ours, theirs] = memoryPair({ capacity: 1000 });
    using _theirs = theirs;
    const world = seededWorld(1);
    const bytes = bytesOf(LONG);
    const sending = sendFile(ours, memorySource("a", bytes), { protocol, timeout: 100, world });
    const sent = sending.catch((error) => error);
    await world.advance(99);
    assertEquals(world.sleepers, 1);
    // It may have to hash what it has of the file before it makes an offer.
    await world.advance(1 + (protocol === "extended" ? LONG / 20_000 : 0));
    assertEquals((await sent).fault, "timeout");
    ours[Symbol.dispose]();
  });
}

needs(FILES, "a receiver that hears nothing more tells the sender, and keeps a part", async () => {
  await using inbox = await Folder.make();
  const [ours, theirs] = memoryPair();
  using _theirs = theirs;
  const world = seededWorld(1);
  const third = Promise.withResolvers<void>();
  const onProgress = ({ done }: Progress) => done === 3 && third.resolve();
  const options = { timeout: 100, world, onProgress };
  const receiving = receiveFile(ours, fileStore(inbox.at("b")), options).catch((error) => error);
  await writeAll(theirs, encodeNumber(10));
  await writeAll(theirs, BYTES.subarray(0, 3));
  await third.promise;
  await world.advance(100);
  const received = await receiving;
  ours[Symbol.dispose]();
  assertEquals([received.fault, received.kept], ["timeout", 3]);
  assertMatch(await textOf(theirs), /^ERROR timeout: .* as 100 ms are over\n$/);
});

Deno.test("a receiver gives a peer that says nothing no more than its timeout", async () => {
  const [ours, theirs] = memoryPair();
  using _theirs = theirs;
  const world = seededWorld(1);
  const receiving = receiveFile(ours, fileStore("unused"), { timeout: 100, world });
  const received = receiving.catch((error) => error);
  await world.advance(100);
  assertEquals((await received).fault, "timeout");
  ours[Symbol.dispose]();
});

Deno.test("a peer that leaves without a word is told from a transfer", async () => {
  const [ours, theirs] = memoryPair();
  using _ours = ours;
  theirs[Symbol.dispose]();
  const error = await assertRejects(() => receiveFile(ours, fileStore("unused")), TransferError);
  assertEquals(error.fault, "nothing");
});

needs(FILES, "plain is the chapter's: the size in 8 bytes, the bytes, FIN", async () => {
  const [ours, theirs] = memoryPair();
  using _ours = ours;
  using _theirs = theirs;
  const sending = sendFile(ours, memorySource("a", BYTES));
  assertEquals(await readToEnd(theirs), Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 100, ...BYTES));
  await theirs.closeWrite();
  assertEquals((await sending).verified, false);
});

Deno.test("half-close is the chapter's: the bytes, FIN; any text confirms", async () => {
  const [ours, theirs] = memoryPair();
  using _ours = ours;
  using _theirs = theirs;
  const sending = sendFile(ours, memorySource("a", BYTES), { protocol: "half-close" });
  assertEquals(await readToEnd(theirs), BYTES);
  await say(theirs, "Fichier re\u00e7u\x1b[2J\r\n");
  const { answer, verified } = await sending;
  assertEquals([answer, verified], ["Fichier re\u00e7u [2J", false]);
});

const ANSWERS: readonly (readonly [answer: string, fault: string, told: boolean])[] = [
  ["", "unconfirmed", false],
  ["ERROR full: no room", "full", true],
  ["ERROR what else", "storage", true],
  [`OK 100 bytes, SHA-256 ${"0".repeat(64)}`, "mismatch", false],
  ["x".repeat(1025), "protocol", false],
];

for (const [answer, fault, told] of ANSWERS) {
  Deno.test(`half-close fails when the answer is ${JSON.stringify(answer.slice(0, 30))}`, async () => {
    const [ours, theirs] = memoryPair();
    using _ours = ours;
    using _theirs = theirs;
    const sending = sendFile(ours, memorySource("a", BYTES), { protocol: "half-close" });
    const failed = assertRejects(() => sending, TransferError);
    await readToEnd(theirs);
    await say(theirs, answer).catch(() => {});
    const error = await failed;
    assertEquals([error.fault, error.told], [fault, told]);
  });
}

needs(FILES, "a plain sender need not say FIN, and may go at once", async () => {
  await using inbox = await Folder.make();
  for (const end of ["keeps open", "resets"]) {
    const [ours, theirs] = memoryPair();
    using _ours = ours;
    using _theirs = theirs;
    // The grace is over at once, no other wait ever is.
    const world = worldWhere((ms) => ms === 1000);
    const onProgress = ({ done }: Progress) => done === 100 && end === "resets" && theirs.reset();
    const options = { world, timeout: 2000, onProgress };
    const receiving = receiveFile(ours, fileStore(inbox.at(end)), options);
    await writeAll(theirs, Uint8Array.of(...encodeNumber(100), ...BYTES));
    assertEquals((await receiving).size, 100);
    assertEquals(await inbox.read(end), BYTES);
  }
});

needs(FILES, "more than was announced is no plain file", async () => {
  await using inbox = await Folder.make();
  const [ours, theirs] = memoryPair();
  using _ours = ours;
  using _theirs = theirs;
  const receiving = receiveFile(ours, fileStore(inbox.at("b")));
  const failed = assertRejects(() => receiving, TransferError, "more than 99 bytes came");
  await writeAll(theirs, Uint8Array.of(...encodeNumber(99), ...BYTES));
  assertEquals((await failed).fault, "mismatch");
  assertMatch(await textOf(theirs), /^ERROR mismatch: /);
  assertEquals(await inbox.names(), []);
});

needs(FILES, "what is no transfer is answered in words, and leaves nothing", async () => {
  await using inbox = await Folder.make();
  const [ours, theirs] = memoryPair();
  using _ours = ours;
  using _theirs = theirs;
  const receiving = receiveFile(ours, fileStore(inbox.at("b")));
  const failed = assertRejects(() => receiving, TransferError, "is it --half-close?");
  await writeAll(theirs, new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"));
  assertEquals((await failed).fault, "protocol");
  assertMatch(await textOf(theirs), /^ERROR protocol: /);
  assertEquals(await inbox.names(), []);
});

needs(FILES, "an extended transfer brings name, mode and age", async () => {
  await using folder = await Folder.make();
  await using inbox = await Folder.make();
  const path = await folder.write("été 1.txt", BYTES, 0o700);
  await Deno.utime(path, 1_600_000_000, 1_600_000_000.5);
  await exchange(path, folderStore(inbox.path));
  const { mode, mtime } = await Deno.stat(inbox.at("été 1.txt"));
  assertEquals([mode! & 0o777, mtime?.getTime()], [0o700, 1_600_000_000_500]);
});

needs(FILES, "a part of something else is not gone on from: it starts over", async () => {
  await using folder = await Folder.make();
  await using inbox = await Folder.make();
  const path = await folder.write("a", BYTES);
  for (const part of [bytesOf(50, 2), bytesOf(100, 2), bytesOf(200, 2)]) {
    await inbox.write(".a.part", part);
    const { sent, received } = await exchange(path, folderStore(inbox.path, { overwrite: true }));
    assert(!(sent instanceof Error) && !(received instanceof Error));
    assertEquals([sent.resumed, received.resumed], [0, 0]);
    assertEquals(await inbox.read("a"), BYTES);
    assertEquals(await inbox.names(), ["a"]);
    await Deno.remove(inbox.at("a"));
  }
});

needs(FILES, "only what is missing is sent again", async () => {
  await using folder = await Folder.make();
  await using inbox = await Folder.make();
  const bytes = bytesOf(LONG);
  const path = await folder.write("a", bytes);
  await inbox.write(".a.part", bytes.subarray(0, LONG - 7));
  const [ours, theirs] = memoryPair();
  let written = 0;
  const counted = {
    ...bound(ours),
    write: async (p: Uint8Array) => {
      const n = await ours.write(p);
      written += n;
      return n;
    },
  };
  const { received } = await exchange(path, folderStore(inbox.path), { pair: [counted, theirs] });
  assert(!(received instanceof Error));
  assertEquals(received.resumed, LONG - 7);
  assertEquals(written, 33 + 8 + 7 + 32);
  assertEquals(await inbox.read("a"), bytes);
});

needs(FILES, "a file that is there is told to both ends, unless it is the same", async () => {
  await using folder = await Folder.make();
  await using inbox = await Folder.make();
  const path = await folder.write("a", BYTES);
  for (const other of [bytesOf(100, 2), bytesOf(3)]) {
    await inbox.write("a", other);
    const exchanged = await exchange(path, folderStore(inbox.path));
    assertEquals(faults(exchanged), ["told exists", "exists"]);
    assertEquals(await inbox.read("a"), other);
  }
  await inbox.write("a", BYTES);
  assertEquals(faults(await exchange(path, folderStore(inbox.path))), ["-", "-"]);
  assertEquals(await inbox.names(), ["a"]);
});

needs(FILES, "a byte changed on the way, wherever, makes no file", async () => {
  await using inbox = await Folder.make();
  const total = 33 + 8 + 100 + 32;
  for (let at = 0; at < total; at++) {
    if (at === 9) continue; // the length of the name: it would wait for a longer one
    const [ours, theirs] = memoryPair();
    const exchanged = await exchange(memorySource("a", BYTES), folderStore(inbox.path), {
      pair: [corrupting(ours, at), theirs],
    });
    const [sender, receiver] = faults(exchanged);
    const fault = at < 41 ? "protocol" : "mismatch";
    assertEquals([at, receiver], [at, fault]);
    // Without its first byte the magic is none, and the answer is text.
    assertEquals([at, sender], [at, at === 0 ? "protocol" : `told ${fault}`]);
    assertEquals(await inbox.names(), []);
  }
});

needs(FILES, "a byte changed on the way back is never taken for a confirmation", async () => {
  for (let at = 0; at < 82; at++) {
    await using inbox = await Folder.make();
    await inbox.write(".a.part", BYTES.subarray(0, 60));
    const [ours, theirs] = memoryPair();
    const { sent } = await exchange(memorySource("a", BYTES), folderStore(inbox.path), {
      pair: [ours, corrupting(theirs, at)],
    });
    // A garbled proof is none: all is sent again, and then it is right.
    if (at >= 9 && at < 41) assert(!(sent instanceof Error) && sent.resumed === 0);
    else assertInstanceOf(sent, TransferError);
  }
});

needs(
  FILES,
  "of two senders of one name at once, the second is told so, and harms nothing",
  async () => {
    await using inbox = await Folder.make();
    const store = folderStore(inbox.path, { overwrite: true });
    const gate = Promise.withResolvers<void>();
    const arrived = Promise.withResolvers<void>();
    const slow = memorySource("a", bytesOf(LONG), (at) => at > 0 ? gate.promise : undefined);
    const onProgress = ({ done }: Progress) => done > 0 && arrived.resolve();
    const first = exchange(slow, store, { receive: { onProgress } });
    await arrived.promise;
    const second = await exchange(memorySource("a", bytesOf(LONG, 2)), store);
    gate.resolve();
    assertEquals(faults(second), ["told busy", "busy"]);
    assertEquals(faults(await first), ["-", "-"]);
    assertEquals(await inbox.read("a"), bytesOf(LONG));
    assertEquals(await inbox.names(), ["a"]);
  },
);

needs(FILES, "many files come in at once through one server, over real sockets", async () => {
  await using inbox = await Folder.make();
  const store = folderStore(inbox.path);
  await using server = serveTcp({}, async (conn) => void await receiveFile(conn, store));
  const seeds = [1, 2, 3, 4, 5, 6, 7, 8];
  await Promise.all(seeds.map(async (seed) => {
    using conn = await dial(server.addr);
    const source = memorySource(`${seed}`, bytesOf(LONG, seed));
    assert((await sendFile(conn, source, { protocol: "extended" })).verified);
  }));
  for (const seed of seeds) assertEquals(await inbox.read(`${seed}`), bytesOf(LONG, seed));
});

needs(FILES, "a server that drains calls a transfer off, and both ends know", async () => {
  await using inbox = await Folder.make();
  const store = folderStore(inbox.path);
  const began = Promise.withResolvers<void>();
  const onProgress = ({ done }: Progress) => done > 0 && began.resolve();
  let received: TransferError | undefined;
  await using server = serveTcp({}, async (conn, { signal }) => {
    received = await receiveFile(conn, store, { signal, onProgress }).catch((error) => error);
  });
  using conn = await dial(server.addr);
  const never = Promise.withResolvers<void>();
  const source = memorySource("a", bytesOf(LONG), (at) => at > 0 ? never.promise : undefined);
  const sending = sendFile(conn, source, { protocol: "extended" }).catch((error) => error);
  await began.promise;
  const draining = server.shutdown();
  never.resolve();
  const sent = await sending;
  conn[Symbol.dispose]();
  await draining;
  assertEquals([sent.fault, sent.told, received?.fault], ["aborted", true, "aborted"]);
  assertEquals(await inbox.names(), [".a.part"]);
});

needs(FILES, "openSource() sends files only", async () => {
  await using folder = await Folder.make();
  const error = await assertRejects(() => openSource(folder.path), TransferError, "must be a file");
  assertEquals(error.fault, "storage");
  await assertRejects(() => openSource(folder.at("none")), TransferError, "as it is not there");
});

async function say(to: MemoryConn, text: string): Promise<void> {
  await writeAll(to, new TextEncoder().encode(text));
  await to.closeWrite();
}

async function textOf(from: MemoryConn): Promise<string> {
  return new TextDecoder().decode(await readToEnd(from));
}

/** The methods of `conn`, to be replaced one by one. */
function bound(conn: MemoryConn): Duplex {
  return {
    read: (p) => conn.read(p),
    write: (p) => conn.write(p),
    closeWrite: () => conn.closeWrite(),
    [Symbol.dispose]: () => conn[Symbol.dispose](),
  };
}
