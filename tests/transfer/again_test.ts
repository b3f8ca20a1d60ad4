/** Transfers that break again and again, where chance has it, until they are through. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { memoryPair } from "../../lib/stream/memory.ts";
import { TransferError } from "../../lib/transfer/error.ts";
import { sendFile } from "../../lib/transfer/send.ts";
import { folderStore } from "../../lib/transfer/store.ts";
import { needs } from "../_needs.ts";
import { dying } from "./_dying.ts";
import { exchange, faults } from "./_exchange.ts";
import { bytesOf, FILES, Folder } from "./_files.ts";
import { memorySource } from "./_sources.ts";

/** More than a piece of a file, so that a death may fall between two of them. */
const BYTES = bytesOf(600_001);

const death = fc.record({
  who: fc.constantFrom("sender" as const, "receiver" as const),
  death: fc.constantFrom("fin" as const, "reset" as const),
  what: fc.constantFrom("reads" as const, "writes" as const),
  after: fc.oneof(fc.nat(100), fc.nat(BYTES.length), fc.constantFrom(262_144, 262_145, 524_288)),
});

type Death = typeof death extends fc.Arbitrary<infer Value> ? Value : never;

function connection({ who, what, after, death }: Death) {
  const [ours, theirs] = memoryPair();
  const fate = { death, [what]: after };
  return who === "sender"
    ? [dying(ours, fate), theirs] as const
    : [ours, dying(theirs, fate)] as const;
}

needs(
  FILES,
  "a transfer that dies again and again never looks whole, and gets through",
  async () => {
    await using folder = await Folder.make();
    const path = await folder.write("a", BYTES);
    await fc.assert(
      fc.asyncProperty(fc.array(death, { minLength: 1, maxLength: 6 }), async (deaths) => {
        await using inbox = await Folder.make();
        const store = folderStore(inbox.path);
        let kept = 0;
        for (const death of deaths) {
          const { received } = await exchange(path, store, { pair: connection(death) });
          const names = await inbox.names();
          if (names.includes("a")) {
            // Whole, though its sender may not have heard so.
            assertEquals(await inbox.read("a"), BYTES);
            kept = BYTES.length;
          } else {
            assert(received instanceof TransferError);
            // What one try has brought, the next one never loses.
            if (received.fault !== "nothing" && names.length > 0) {
              assert((await inbox.read(".a.part")).length >= kept, JSON.stringify(deaths));
              kept = (await inbox.read(".a.part")).length;
            }
            assertEquals(kept > 0, names.length > 0);
          }
        }
        const { sent, received } = await exchange(path, store);
        assert(!(sent instanceof TransferError), `${sent}`);
        assert(!(received instanceof TransferError), `${received}`);
        assertEquals([sent.resumed, received.resumed, received.verified], [kept, kept, true]);
        assertEquals(await inbox.names(), ["a"]);
        assertEquals(await inbox.read("a"), BYTES);
      }),
      { numRuns: 40 },
    );
  },
);

needs(
  FILES,
  "a source that changes between two tries, wherever, is sent from its start",
  async () => {
    await using folder = await Folder.make();
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 1000 }).chain((cut) =>
          fc.tuple(fc.constant(cut), fc.nat(cut - 1))
        ),
        async ([cut, changed]) => {
          await using inbox = await Folder.make();
          const store = folderStore(inbox.path);
          const bytes = bytesOf(2000);
          const path = await folder.write("a", bytes);
          // Header and FROM come before the bytes of the file.
          const writes = 33 + 8 + cut;
          const pair = connection({ who: "sender", what: "writes", after: writes, death: "fin" });
          await exchange(path, store, { pair });
          assertEquals((await inbox.read(".a.part")).length, cut);

          bytes[changed]! ^= 1;
          await folder.write("a", bytes);
          const { received } = await exchange(path, store);
          assert(!(received instanceof TransferError), `${received}`);
          assertEquals([received.resumed, received.verified], [0, true]);
          assertEquals(await inbox.read("a"), bytes);
        },
      ),
      { numRuns: 30 },
    );
  },
);

needs(FILES, "links in the folder lead no transfer out of it, nor to another file", async () => {
  await using folder = await Folder.make();
  await using outside = await Folder.make();
  await using inbox = await Folder.make();
  const secret = await outside.write("secret", bytesOf(10, 2));
  for (const name of ["a", "b", "c"]) await folder.write(name, bytesOf(100));
  await Deno.symlink(secret, inbox.at("a"));
  await Deno.symlink(secret, inbox.at(".b.part"));
  await Deno.symlink(outside.at("not-there"), inbox.at(".c.part"));
  for (const overwrite of [false, true]) {
    for (const name of ["a", "b", "c"]) {
      const exchanged = await exchange(folder.at(name), folderStore(inbox.path, { overwrite }));
      const [sent] = faults(exchanged);
      assert(sent !== "-" && sent.startsWith("told "), `${name}: ${sent}`);
    }
  }
  assertEquals(await outside.names(), ["secret"]);
  assertEquals(await outside.read("secret"), bytesOf(10, 2));
  assertEquals(await inbox.names(), [".b.part", ".c.part", "a"]);
});

needs(FILES, "names that lead elsewhere make nothing, wherever they lead", async () => {
  await using outside = await Folder.make();
  const inbox = outside.at("inbox");
  await Deno.mkdir(`${inbox}/sub`, { recursive: true });
  const names = [
    outside.at("x"),
    "../x",
    "sub/x",
    "sub/../../x",
    "..",
    ".",
    "sub/",
    "..\\x",
    "C:x",
    "a\0b",
    "a\nb",
    "a\r",
    "~/x ",
    ".x.part",
  ];
  for (const name of names) {
    const store = folderStore(inbox, { overwrite: true });
    const exchanged = await exchange(memorySource(name, bytesOf(10)), store);
    assertEquals(faults(exchanged), ["told name", "name"], JSON.stringify(name));
  }
  assertEquals(await outside.names(), ["inbox"]);
  assertEquals(await Array.fromAsync(Deno.readDir(inbox), ({ name }) => name), ["sub"]);
});

needs(
  {},
  "a name too long for a header is the sender's own fault, and it says so at once",
  async () => {
    const [ours, theirs] = memoryPair();
    using _theirs = theirs;
    const source = memorySource("é".repeat(120) + "e", bytesOf(10));
    const sending = sendFile(ours, source, { protocol: "extended" });
    await assertRejects(() => sending, RangeError, "must have 1 to 240 bytes: it has 241");
    ours[Symbol.dispose](); // nothing is left that listens
    assertEquals(await theirs.read(new Uint8Array(1)), null);
  },
);
