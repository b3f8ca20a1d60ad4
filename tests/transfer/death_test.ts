import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { memoryPair } from "../../lib/stream/memory.ts";
import { TransferError } from "../../lib/transfer/error.ts";
import { fileStore, folderStore } from "../../lib/transfer/store.ts";
import { needs } from "../_needs.ts";
import { type Death, dying, type Fate } from "./_dying.ts";
import { exchange } from "./_exchange.ts";
import { bytesOf, FILES, Folder } from "./_files.ts";

const BYTES = bytesOf(100);

/** Header, FROM, body and SUM of a file named "a"; an offer and a confirmation. */
const SENT = (28 + 1 + 4) + 8 + 100 + 32;
const ANSWERED = 41 + 41;

/** Every byte at which one end can die, in each direction. */
const FATES: readonly (readonly [who: "sender" | "receiver", what: string, fates: Fate[]])[] = [
  ["sender", "before it sends any byte", everywhere(SENT, (writes) => ({ writes }))],
  ["sender", "before it reads any byte", everywhere(ANSWERED, (reads) => ({ reads }))],
  ["receiver", "before it reads any byte", everywhere(SENT, (reads) => ({ reads }))],
  ["receiver", "before it sends any byte", everywhere(ANSWERED, (writes) => ({ writes }))],
];

function everywhere(bytes: number, fate: (at: number) => Omit<Fate, "death">): Fate[] {
  const deaths: Death[] = ["fin", "reset"];
  return deaths.flatMap((death) =>
    Array.from({ length: bytes }, (_, at) => ({ death, ...fate(at) }))
  );
}

for (const [who, what, fates] of FATES) {
  needs(FILES, `an extended transfer whose ${who} dies ${what} is resumed`, async () => {
    await using folder = await Folder.make();
    const path = await folder.write("a", BYTES);
    for (const fate of fates) {
      await using inbox = await Folder.make();
      const store = folderStore(inbox.path);
      const [ours, theirs] = memoryPair();
      const pair = who === "sender"
        ? [dying(ours, fate), theirs] as const
        : [ours, dying(theirs, fate)] as const;
      const { sent, received } = await exchange(path, store, { pair });

      const there = await inbox.names();
      const what = `${JSON.stringify(fate)}: ${there}`;
      const kept = received instanceof TransferError ? received.kept : 100;
      if (there.includes("a")) assertEquals(await inbox.read("a"), BYTES, what);
      else assert(sent instanceof TransferError && received instanceof TransferError, what);
      if (there.includes(".a.part")) {
        assertEquals(await inbox.read(".a.part"), BYTES.subarray(0, kept), what);
      }

      const again = await exchange(path, store);
      assert(!(again.sent instanceof TransferError), `${what}: ${again.sent}`);
      assert(!(again.received instanceof TransferError), `${what}: ${again.received}`);
      assert(again.sent.verified && again.received.verified, what);
      assertEquals([again.sent.resumed, again.received.resumed], [kept, kept], what);
      assertEquals(await inbox.names(), ["a"], what);
      assertEquals(await inbox.read("a"), BYTES, what);
    }
  });
}

for (const death of ["fin", "reset"] as const) {
  needs(FILES, `a plain transfer whose sender dies by ${death} leaves no file`, async () => {
    await using folder = await Folder.make();
    const path = await folder.write("a", BYTES);
    await using inbox = await Folder.make();
    const store = fileStore(inbox.at("b"));
    for (let writes = 0; writes < 108; writes++) {
      const [ours, theirs] = memoryPair();
      const pair = [dying(ours, { death, writes }), theirs] as const;
      const { sent, received } = await exchange(path, store, { pair, send: { protocol: "plain" } });
      assertInstanceOf(sent, TransferError);
      assertInstanceOf(received, TransferError);
      assertEquals(received.fault, writes === 0 && death === "fin" ? "nothing" : "broken");
      assertEquals(await inbox.names(), writes > 8 ? [".b.part"] : [], `${writes}`);
    }
    const { received } = await exchange(path, store, { send: { protocol: "extended" } });
    assert(!(received instanceof TransferError));
    assertEquals(received.resumed, 99);
  });
}

needs(FILES, "a half-close transfer whose sender dies by reset leaves no file", async () => {
  await using folder = await Folder.make();
  const path = await folder.write("a", BYTES);
  await using inbox = await Folder.make();
  const store = fileStore(inbox.at("b"));
  for (let writes = 0; writes < 100; writes++) {
    const [ours, theirs] = memoryPair();
    const pair = [dying(ours, { death: "reset", writes }), theirs] as const;
    const options = {
      pair,
      send: { protocol: "half-close" },
      receive: { halfClose: true },
    } as const;
    const { received } = await exchange(path, store, options);
    assertInstanceOf(received, TransferError);
    assertEquals(received.fault, "broken");
    assertEquals((await inbox.names()).includes("b"), false);
  }
});
