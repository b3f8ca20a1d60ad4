import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { TransferError } from "../../lib/transfer/error.ts";
import type { Incoming } from "../../lib/transfer/incoming.ts";
import { fileStore, folderStore } from "../../lib/transfer/store.ts";
import { needs } from "../_needs.ts";
import { bytesOf, FILES, Folder } from "./_files.ts";

const BYTES = bytesOf(10);

async function refused(incoming: Promise<Incoming>): Promise<string> {
  return (await assertRejects(() => incoming, TransferError)).fault;
}

/** Lets `bytes` come, from the first one on. */
async function fill(incoming: Incoming, bytes: Uint8Array): Promise<void> {
  await incoming.begin(0);
  await incoming.write(bytes);
}

needs(FILES, "a file bears its name only when it is finished", async () => {
  await using folder = await Folder.make();
  const store = folderStore(folder.path);
  {
    await using incoming = await store.open({ name: "a", size: 10 });
    await fill(incoming, BYTES);
    assertEquals(await folder.names(), [".a.part"]);
    await incoming.finish({});
    assertEquals(await folder.names(), ["a"]);
  }
  assertEquals(await folder.names(), ["a"]);
  assertEquals(await folder.read("a"), BYTES);
});

needs(
  FILES,
  "a file gets its name once it is on the disk, and then its folder gets there",
  async () => {
    await using folder = await Folder.make();
    await using incoming = await folderStore(folder.path).open({ name: "a", size: 10 });
    await fill(incoming, BYTES);
    const { sync } = Deno.FsFile.prototype;
    const synced: string[][] = [];
    Deno.FsFile.prototype.sync = async function () {
      synced.push(await folder.names());
      await sync.call(this);
    };
    using _real = { [Symbol.dispose]: () => void (Deno.FsFile.prototype.sync = sync) };
    await incoming.finish({});
    assertEquals(synced, [[".a.part"], ["a"]]);
  },
);

needs(FILES, "a part is left for the next transfer of that name, which is offered it", async () => {
  await using folder = await Folder.make();
  const store = folderStore(folder.path);
  {
    await using broken = await store.open({ name: "a", size: 10 });
    await fill(broken, BYTES.subarray(0, 7));
    assertEquals(broken.kept, 7);
  }
  await using incoming = await store.open({ name: "a", size: 10 });
  assertEquals(incoming.offered, 7);
  const offered = new Uint8Array(10);
  assertEquals(await incoming.read(offered), 7);
  assertEquals(offered.subarray(0, 7), BYTES.subarray(0, 7));
  await incoming.begin(7);
  await incoming.write(BYTES.subarray(7));
  await incoming.finish({});
  assertEquals(await folder.read("a"), BYTES);
});

needs(FILES, "begin(0) drops the part", async () => {
  await using folder = await Folder.make();
  await folder.write(".a.part", bytesOf(7, 2));
  await using incoming = await folderStore(folder.path).open({ name: "a", size: 3 });
  await fill(incoming, BYTES.subarray(0, 3));
  await incoming.finish({});
  assertEquals(await folder.read("a"), BYTES.subarray(0, 3));
});

needs(FILES, "a part longer than the file is not offered", async () => {
  await using folder = await Folder.make();
  await folder.write(".a.part", BYTES);
  await using incoming = await folderStore(folder.path).open({ name: "a", size: 9 });
  assertEquals(incoming.offered, 0);
});

needs(FILES, "a transfer without a byte leaves nothing, discard() neither", async () => {
  await using folder = await Folder.make();
  const store = folderStore(folder.path);
  {
    await using _incoming = await store.open({ name: "a", size: 10 });
  }
  {
    await using incoming = await store.open({ name: "a", size: 10 });
    await fill(incoming, BYTES);
    await incoming.discard();
    assertEquals(incoming.kept, 0);
  }
  assertEquals(await folder.names(), []);
});

needs(FILES, "two transfers of one name do not meet: the second is refused", async () => {
  await using folder = await Folder.make();
  const [store, another] = [folderStore(folder.path), folderStore(folder.path)];
  {
    await using first = await store.open({ name: "a", size: 10 });
    await fill(first, BYTES);
    assertEquals(await refused(store.open({ name: "a", size: 10 })), "busy");
    assertEquals(await refused(another.open({ name: "a", size: 10 })), "busy");
    assertEquals(first.kept, 10);
  }
  await using third = await another.open({ name: "a", size: 10 });
  assertEquals(third.offered, 10);
});

needs(FILES, "a part that becomes a file while it is opened is not written", async () => {
  await using folder = await Folder.make();
  await folder.write(".a.part", BYTES);
  const { tryLock } = Deno.FsFile.prototype;
  Deno.FsFile.prototype.tryLock = async function (exclusive) {
    await Deno.rename(folder.at(".a.part"), folder.at("a")); // its writer got there first
    return await tryLock.call(this, exclusive);
  };
  try {
    const store = fileStore(folder.at("a"));
    assertEquals(await refused(store.open({ size: 20 })), "busy");
  } finally {
    Deno.FsFile.prototype.tryLock = tryLock;
  }
  assertEquals(await folder.read("a"), BYTES);
});

needs(FILES, "a file that is there stays, unless the new one may overwrite it", async () => {
  await using folder = await Folder.make();
  await folder.write("a", bytesOf(5, 2));
  assertEquals(await refused(folderStore(folder.path).open({ name: "a", size: 10 })), "exists");
  assertEquals(await refused(folderStore(folder.path).open({ name: "a" })), "exists");
  assertEquals(await folder.names(), ["a"]);

  const store = folderStore(folder.path, { overwrite: true });
  await using incoming = await store.open({ name: "a", size: 10 });
  await fill(incoming, BYTES);
  assertEquals(await folder.read("a"), bytesOf(5, 2));
  await incoming.finish({});
  assertEquals(await folder.read("a"), BYTES);
  assertEquals(await folder.names(), ["a"]);
});

needs(FILES, "a file of the same size is offered, and stays when it is not the one", async () => {
  await using folder = await Folder.make();
  await folder.write("a", BYTES);
  await using incoming = await folderStore(folder.path).open({ name: "a", size: 10 });
  assertEquals(incoming.offered, 10);
  const error = await assertRejects(() => incoming.begin(0), TransferError);
  assertEquals(error.fault, "exists");
  assertEquals(await folder.read("a"), BYTES);
});

needs(FILES, "a file of the same size, accepted as the one, is only left alone", async () => {
  await using folder = await Folder.make();
  await folder.write("a", BYTES);
  const { mtime } = await Deno.stat(folder.at("a"));
  for (const overwrite of [false, true]) {
    await using incoming = await folderStore(folder.path, { overwrite }).open({
      name: "a",
      size: 10,
    });
    await incoming.begin(10);
    await incoming.finish({ mode: 0o600, mtime: 1000 });
  }
  assertEquals((await Deno.stat(folder.at("a"))).mtime, mtime);
  assertEquals(await folder.names(), ["a"]);
});

needs(FILES, "a file of the same size may be overwritten by another", async () => {
  await using folder = await Folder.make();
  await folder.write("a", bytesOf(10, 2));
  const store = folderStore(folder.path, { overwrite: true });
  await using incoming = await store.open({ name: "a", size: 10 });
  await fill(incoming, BYTES);
  await incoming.finish({});
  assertEquals(await folder.read("a"), BYTES);
});

needs(FILES, "a file that appears meanwhile is not replaced", async () => {
  await using folder = await Folder.make();
  await using incoming = await folderStore(folder.path).open({ name: "a", size: 10 });
  await fill(incoming, BYTES);
  await folder.write("a", bytesOf(3, 2));
  const error = await assertRejects(() => incoming.finish({}), TransferError);
  assertEquals([error.fault, incoming.kept], ["exists", 10]);
  assertEquals(await folder.read("a"), bytesOf(3, 2));
});

needs(FILES, "a part that was moved meanwhile gives its name to nobody else", async () => {
  await using folder = await Folder.make();
  await using outside = await Folder.make();
  await outside.write("secret", BYTES, 0o600);
  const replaced: Record<string, () => Promise<unknown>> = {
    gone: () => Promise.resolve(),
    other: () => folder.write(".other.part", bytesOf(10, 2)),
    link: () => Deno.symlink(outside.at("secret"), folder.at(".link.part")),
  };
  for (const [name, replace] of Object.entries(replaced)) {
    await using incoming = await folderStore(folder.path).open({ name, size: 10 });
    await fill(incoming, BYTES);
    await Deno.remove(folder.at(`.${name}.part`));
    await replace();
    const error = await assertRejects(() => incoming.finish({ mode: 0o644 }), TransferError);
    assertEquals([error.fault, incoming.kept], ["storage", 0]);
    assertStringIncludes(error.message, `Cannot store ".${name}.part" as somebody has moved it`);
  }
  assertEquals(await folder.names(), [".link.part", ".other.part"]);
  assertEquals(await folder.read(".other.part"), bytesOf(10, 2));
  assertEquals((await Deno.stat(outside.at("secret"))).mode! & 0o777, 0o600);
});

needs(FILES, "what is no file stays, also when files may be overwritten", async () => {
  await using folder = await Folder.make();
  await using outside = await Folder.make();
  await outside.write("secret", BYTES);
  await Deno.mkdir(folder.at("folder"));
  await Deno.symlink(outside.at("secret"), folder.at("link"));
  await Deno.symlink(outside.at("new"), folder.at("dangling"));
  const store = folderStore(folder.path, { overwrite: true });
  for (const name of ["folder", "link", "dangling"]) {
    assertEquals(await refused(store.open({ name, size: 10 })), "exists");
  }
  assertEquals(await outside.names(), ["secret"]);
  assertEquals(await folder.names(), ["dangling", "folder", "link"]);
});

needs(FILES, "a link in the place of a part is not followed", async () => {
  await using folder = await Folder.make();
  await using outside = await Folder.make();
  await outside.write("secret", BYTES);
  await Deno.symlink(outside.at("secret"), folder.at(".a.part"));
  await Deno.symlink(outside.at("new"), folder.at(".b.part"));
  const store = folderStore(folder.path, { overwrite: true });
  assertEquals(await refused(store.open({ name: "a", size: 10 })), "denied");
  assertEquals(await refused(store.open({ name: "b", size: 10 })), "denied");
  assertEquals(await outside.names(), ["secret"]);
  assertEquals(await outside.read("secret"), BYTES);
});

needs(
  FILES,
  "a part with a second name is not written, since that may be a finished file",
  async () => {
    await using folder = await Folder.make();
    await folder.write("a", BYTES);
    await Deno.link(folder.at("a"), folder.at(".a.part")); // as after a death inside publish()
    const store = folderStore(folder.path, { overwrite: true });
    await using incoming = await store.open({ name: "a", size: 4 });
    await fill(incoming, bytesOf(4, 2));
    assertEquals(await folder.read("a"), BYTES);
  },
);

needs(
  FILES,
  "a file gets the mode and the age that its sender said, without set-id bits",
  async () => {
    await using folder = await Folder.make();
    const store = folderStore(folder.path);
    for (const mode of [0o700, 0o400, 0o4711]) {
      const name = mode.toString(8);
      await using incoming = await store.open({ name, size: 10, mode });
      await fill(incoming, BYTES);
      await incoming.finish({ mode, mtime: 1_700_000_000_123 });
      const info = await Deno.stat(folder.at(name));
      assertEquals(info.mode! & 0o7777, mode & 0o700 | info.mode! & 0o077 & mode);
      assertEquals(info.mtime?.getTime(), 1_700_000_000_123);
    }
  },
);

needs(FILES, "no hostile name makes a file, in the folder or out of it", async () => {
  await using outside = await Folder.make();
  await Deno.mkdir(outside.at("in"));
  const store = folderStore(outside.at("in"), { overwrite: true });
  for (const name of ["../x", "..", "", "/x", "a/b", "..\\x", "a\0b", ".a.part", "CON", "x:y"]) {
    assertEquals(await refused(store.open({ name, size: 1 })), "name");
  }
  assertEquals(await refused(store.open({ size: 1 })), "name");
  assertEquals(await outside.names(), ["in"]);
  assertEquals(await Array.fromAsync(Deno.readDir(outside.at("in"))), []);
});

needs(FILES, "a folder that is not there, or is none, is told without its path", async () => {
  await using folder = await Folder.make();
  await folder.write("file", BYTES);
  for (const [path, fault] of [["gone", "storage"], ["file", "storage"]] as const) {
    const opening = folderStore(folder.at(path)).open({ name: "a", size: 1 });
    const error = await assertRejects(() => opening, TransferError);
    assertEquals(error.fault, fault);
    assert(!error.message.includes(folder.path), error.message);
  }
});

needs(FILES, "fileStore() has its own name for what comes", async () => {
  await using folder = await Folder.make();
  const store = fileStore(folder.at("out.bin"));
  await using incoming = await store.open({ name: "../../evil", size: 10 });
  await fill(incoming, BYTES);
  await incoming.finish({});
  assertEquals(incoming.path, folder.at("out.bin"));
  assertEquals(await folder.names(), ["out.bin"]);
});

Deno.test("fileStore() needs a path that ends in a name", () => {
  for (const path of ["", "a/", "..", "a/.", "."]) assertThrows(() => fileStore(path), TypeError);
});
