import { assert, assertEquals, assertMatch } from "@std/assert";
import { formatAddr, type TcpAddr } from "../../lib/addr.ts";
import { dial } from "../../lib/client/dial.ts";
import { serveTcp, type TcpServer } from "../../lib/server/server.ts";
import { chunks, writeAll } from "../../lib/stream/conn.ts";
import { needs } from "../_needs.ts";
import { firstLineFlags, start, type Started, startProgram } from "../_script.ts";
import { bytesOf, Folder } from "../transfer/_files.ts";

const SCRIPTS = { run: ["deno"], read: true, write: true } as const;
const PYTHON = { ...SCRIPTS, run: ["deno", "python3"] } as const;

/** The sender and the receiver of the chapter, which a port and a path are given. */
const CHAPTER = `
import os, socket, sys

def send_file(sock, file_path):
    file_size = os.path.getsize(file_path)
    sock.sendall(file_size.to_bytes(8, byteorder='big'))
    with open(file_path, 'rb') as f:
        sent = 0
        while sent < file_size:
            chunk = f.read(4096)
            if not chunk:
                break
            sock.sendall(chunk)
            sent += len(chunk)

def send_file_with_shutdown(sock, file_path):
    with open(file_path, 'rb') as f:
        while True:
            chunk = f.read(4096)
            if not chunk:
                break
            sock.sendall(chunk)
    sock.shutdown(socket.SHUT_WR)
    response = sock.recv(1024)
    print(f"Confirmation : {response}")
    sock.close()

def recv_exact(sock, n):
    data = b''
    while len(data) < n:
        chunk = sock.recv(min(4096, n - len(data)))
        if not chunk:
            raise ConnectionError("Connexion fermée")
        data += chunk
    return data

def recv_file(sock, file_path):
    size = int.from_bytes(recv_exact(sock, 8), byteorder='big')
    with open(file_path, 'wb') as f:
        f.write(recv_exact(sock, size))

def recv_until_shutdown(sock, file_path):
    with open(file_path, 'wb') as f:
        while True:
            chunk = sock.recv(4096)
            if not chunk:
                break
            f.write(chunk)
    sock.sendall("Fichier reçu".encode('utf-8'))

what, port, file_path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
if what.startswith('send'):
    sock = socket.create_connection(('127.0.0.1', port))
else:
    server = socket.create_server(('127.0.0.1', port))
    print('listening on 127.0.0.1:%d' % server.getsockname()[1], file=sys.stderr, flush=True)
    sock, _ = server.accept()
globals()[what](sock, file_path)
sock.close()
`;

const BYTES = bytesOf(100_001);

function chapter(what: string, port: number, path: string): Started {
  return startProgram("python3", ["-c", CHAPTER, what, String(port), path]);
}

function receiveInto(folder: Folder, ...args: string[]): Promise<Started> {
  return start("receive", ["--port", "0", "--dir", folder.path, ...args]);
}

async function portOf(script: Started): Promise<number> {
  return (await script.addr()).port;
}

needs(PYTHON, "receive takes a file from the chapter's send_file()", async () => {
  await using folder = await Folder.make();
  const path = await folder.write("a", BYTES);
  await using receive = await start("receive", ["--port", "0", "--output", folder.at("b")]);
  await using python = chapter("send_file", await portOf(receive), path);
  await python.output();
  assertMatch(await receive.output(), new RegExp(`^[0-9a-f]{64}  ${folder.at("b")}\n$`));
  assertEquals(await folder.read("b"), BYTES);
});

needs(PYTHON, "receive confirms to the chapter's send_file_with_shutdown()", async () => {
  await using folder = await Folder.make();
  const path = await folder.write("a", BYTES);
  const args = ["--port", "0", "--half-close", "--output", folder.at("b")];
  await using receive = await start("receive", args);
  await using python = chapter("send_file_with_shutdown", await portOf(receive), path);
  assertMatch(await python.output(), /^Confirmation : b'OK 100001 bytes, SHA-256 [0-9a-f]{64}\\n'/);
  await receive.output();
  assertEquals(await folder.read("b"), BYTES);
});

needs(PYTHON, "send reaches a receiver that reads as the chapter writes", async () => {
  await using folder = await Folder.make();
  const path = await folder.write("a", BYTES);
  await using python = chapter("recv_file", 0, folder.at("b"));
  await using send = await start("send", [path, `127.0.0.1:${await portOf(python)}`]);
  await send.output();
  await python.output();
  assertEquals(await folder.read("b"), BYTES);
});

needs(PYTHON, "send --half-close prints what a receiver of the chapter confirms", async () => {
  await using folder = await Folder.make();
  const path = await folder.write("a", BYTES);
  await using python = chapter("recv_until_shutdown", 0, folder.at("b"));
  const addr = `127.0.0.1:${await portOf(python)}`;
  await using send = await start("send", [path, addr, "--half-close"]);
  const { code, stderr } = await send.ended();
  assertEquals(code, 0, stderr);
  assertMatch(stderr, /got 100 kB: "Fichier reçu"/);
  await python.output();
  assertEquals(await folder.read("b"), BYTES);
});

needs(
  SCRIPTS,
  "send and receive say nothing of progress in a pipe, and print the hash",
  async () => {
    await using folder = await Folder.make();
    await using inbox = await Folder.make();
    const path = await folder.write("a", BYTES);
    await using receive = await receiveInto(inbox, "--once");
    await using send = await start("send", [path, await addrOf(receive), "--extended"]);
    const [sent, received] = [await send.ended(), await receive.ended()];
    assertEquals([sent.code, received.code], [0, 0]);
    for (const { stderr } of [sent, received]) assert(!stderr.includes("%"), stderr);
    const hash = /^[0-9a-f]{64}/.exec(new TextDecoder().decode(sent.stdout))?.[0];
    assertEquals(new TextDecoder().decode(sent.stdout), `${hash}  a\n`);
    assertEquals(new TextDecoder().decode(received.stdout), `${hash}  ${inbox.at("a")}\n`);
  },
);

for (const script of ["send", "receive"]) {
  needs(
    { ...SCRIPTS, run: ["deno", "script"] },
    `${script} shows a bar with rate and remaining time on a terminal`,
    async () => {
      await using folder = await Folder.make();
      await using inbox = await Folder.make();
      const path = await folder.write("a", bytesOf(2_000_000));
      await using receive = script === "receive"
        ? await inTerminal("receive", ["--port", "0", "--dir", inbox.path, "--once"])
        : await receiveInto(inbox, "--once");
      const port = script === "receive"
        ? Number((await receive.printed(/listening on 127\.0\.0\.1:(\d+)/))[1])
        : await portOf(receive);
      const args = [path, `127.0.0.1:${port}`, "--extended"];
      await using send = script === "send"
        ? await inTerminal("send", args)
        : await start("send", args);
      const told = script === "send" ? send : receive;
      await told.printed(/"a" [=-]{24} \d+ % of 2\.00 MB, [\d.]+ [kMG]?B\/s, [\w: ]+ left/);
      await send.output();
      await receive.output();
    },
  );
}

/** Bytes to let through before one end is killed: in the header, in the body, before the SUM. */
const MOMENTS = [0, 7, 20, 5_000_000, 8_000_000 + 32 + 8];

for (const victim of ["sender", "receiver"] as const) {
  needs(SCRIPTS, `killing the ${victim} leaves no file, and the next send resumes`, async () => {
    await using folder = await Folder.make();
    const bytes = bytesOf(8_000_000);
    const path = await folder.write("a", bytes);
    for (const moment of MOMENTS) {
      await using inbox = await Folder.make();
      {
        await using receive = await receiveInto(inbox);
        await using gate = gateBefore(await receive.addr(), moment);
        await using send = await start("send", [path, formatAddr(gate.addr), "--extended"]);
        await gate.reached;
        (victim === "sender" ? send : receive).kill("SIGKILL");
        if (victim === "receiver") await receive.ended();
        gate.open();
        await send.ended();
        if (victim === "sender") await receive.logged(/closed by/);
        assert(!(await inbox.names()).includes("a"), `${moment}: ${await inbox.names()}`);
      }
      await using receive = await receiveInto(inbox, "--once");
      await using send = await start("send", [path, await addrOf(receive), "--extended"]);
      const [sent, received] = [await send.ended(), await receive.ended()];
      assertEquals([moment, sent.code, received.code], [moment, 0, 0]);
      assertMatch(received.stderr, /verified/);
      // What a killed receiver had read and not yet written, nobody knows.
      if (victim === "sender" && moment > 1000) assertMatch(sent.stderr, /MB that it had/);
      assertEquals(await inbox.read("a"), bytes);
      assertEquals(await inbox.names(), ["a"]);
    }
  });
}

needs(SCRIPTS, "Ctrl-C at the receiver tells both ends, and keeps a part", async () => {
  await using folder = await Folder.make();
  await using inbox = await Folder.make();
  const path = await folder.write("a", bytesOf(8_000_000));
  await using receive = await receiveInto(inbox);
  await using gate = gateBefore(await receive.addr(), 5_000_000);
  await using send = await start("send", [path, formatAddr(gate.addr), "--extended"]);
  await gate.reached;
  receive.kill("SIGINT");
  await receive.logged(/called off.* MB are kept as a part/);
  gate.open();
  const [sent, received] = [await send.ended(), await receive.ended()];
  assertMatch(sent.stderr, /^send: 127.* says: Cannot go on as the transfer was called off\n$/m);
  assertEquals([sent.code, received.code], [1, 0]);
  assertEquals(await inbox.names(), [".a.part"]);
});

needs(
  SCRIPTS,
  "Ctrl-C at the sender says how to go on, and the receiver keeps a part",
  async () => {
    await using folder = await Folder.make();
    await using inbox = await Folder.make();
    const path = await folder.write("a", bytesOf(8_000_000));
    await using receive = await receiveInto(inbox, "--once");
    await using gate = gateBefore(await receive.addr(), 5_000_000);
    await using send = await start("send", [path, formatAddr(gate.addr), "--extended"]);
    await gate.reached;
    send.kill("SIGINT");
    const sent = await send.ended();
    gate.open();
    assertMatch(sent.stderr, /the next try goes on from here/);
    const received = await receive.ended();
    assertMatch(received.stderr, /ended after \d+ of 8000000 bytes; [\d.]+ MB are kept as a part/);
    assertEquals([sent.code, received.code], [130, 1]);
    assertEquals(await inbox.names(), [".a.part"]);
  },
);

needs(
  { ...SCRIPTS, run: ["deno", "prlimit"] },
  "a disk that takes no more is told at both ends, in one line, with exit code 1",
  async () => {
    await using folder = await Folder.make();
    const path = await folder.write("a", bytesOf(1_000_000));
    await using receive = await start("receive", ["--port", "0", "--output", folder.at("b")]);
    const addr = await addrOf(receive);
    // Only now, since Deno fills caches as it starts. The signal that comes with it must not kill.
    await using limit = startProgram("prlimit", ["--pid", `${receive.pid}`, "--fsize=262144"]);
    await limit.output();
    await using send = await start("send", [path, addr, "--extended"]);
    const [sent, received] = [await send.ended(), await receive.ended()];
    assertMatch(
      sent.stderr,
      /^send: \S+ says: Cannot store "b" as the system failed: File too large \(os error 27\)\n$/,
    );
    assertMatch(received.stderr, /Cannot store "b" as the system failed: File too large/);
    assertEquals([sent.code, received.code], [1, 1]);
    assertEquals(await folder.names(), [".b.part", "a"]);
  },
);

needs(PYTHON, "2 GiB go through with flat memory at both ends", async () => {
  await using folder = await Folder.make();
  await using inbox = await Folder.make();
  const path = await folder.write("a", new Uint8Array(0));
  await Deno.truncate(path, 2 ** 31); // sparse: it takes no room
  await using receive = await measured("receive", ["--port", "0", "--dir", inbox.path, "--once"]);
  await using send = await measured("send", [path, await addrOf(receive), "--extended"]);
  for (const { code, stderr } of [await send.ended(), await receive.ended()]) {
    assertEquals(code, 0, stderr);
    // Deno alone takes about 60 MB.
    const peak = Number(/peak (\d+) KiB/.exec(stderr)?.[1]);
    assert(peak < 128 * 1024, stderr);
  }
  assertEquals((await Deno.stat(inbox.at("a"))).size, 2 ** 31);
});

for (
  const [script, args, why] of [
    ["receive", [], "either --output FILE or --dir DIR must be given"],
    ["receive", ["--output", "a", "--dir", "b"], "only one of --output and --dir"],
    ["receive", ["--dir", ".", "--half-close"], "--half-close needs --output FILE"],
    ["send", ["a", ":1", "--extended", "--half-close"], "only one of --extended and --half-close"],
    ["send", ["a", ":1", "--name", "b"], "--name is only sent with --extended"],
    ["send", ["a"], "HOST:PORT is missing"],
  ] as const
) {
  needs(SCRIPTS, `${script} ${args.join(" ")} is a wrong command line`, async () => {
    await using process = await start(script, args);
    const { code, stderr } = await process.ended();
    assertEquals(code, 2);
    assert(stderr.includes(why), stderr);
    assertEquals(stderr.split("\n").length, 2);
  });
}

for (
  const [script, args, why] of [
    ["receive", ["--dir", "cmd/nothing"], "cmd/nothing is not there"],
    ["receive", ["--dir", "deno.json"], "deno.json must be a folder"],
    ["receive", ["--output", "cmd"], "cmd must be a file"],
    ["receive", ["--output", "."], ". must be a file"],
    ["send", ["nothing", "127.0.0.1:1"], 'Cannot send "nothing" as it is not there\n'],
    ["send", ["cmd", "127.0.0.1:1"], 'Cannot send "cmd" as it must be a file'],
    ["send", ["deno.json", "127.0.0.1:1"], "127.0.0.1:1"],
    [
      "send",
      ["deno.json", "127.0.0.1:1", "--extended", "--name", "n".repeat(241)],
      'as its name must have at most 240 bytes: current value is "nnn',
    ],
  ] as const
) {
  needs(SCRIPTS, `${script} ${args.join(" ").slice(0, 60)} fails in one line`, async () => {
    await using process = await start(script, args);
    const { code, stderr } = await process.ended();
    assertEquals(code, 1);
    assert(stderr.includes(why), stderr);
    assertEquals(stderr.split("\n").length, 2);
  });
}

async function addrOf(script: Started): Promise<string> {
  return formatAddr(await script.addr());
}

/** Starts a script where it takes its output for a terminal. */
async function inTerminal(name: string, args: readonly string[]): Promise<Started> {
  const flags = await firstLineFlags(`cmd/${name}.ts`);
  const words = [Deno.execPath(), "run", "--quiet", ...flags, `cmd/${name}.ts`, ...args];
  const command = words.map((word) => `'${word}'`).join(" ");
  return startProgram("script", ["-qec", command, "/dev/null"]);
}

/** Starts a script that says at its end how much memory it took at most. */
async function measured(name: string, args: readonly string[]): Promise<Started> {
  const flags = await firstLineFlags(`cmd/${name}.ts`);
  return startProgram("python3", [
    "-c",
    `
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(f"peak {peak} KiB", file=sys.stderr)
sys.exit(code)
`,
    ...[Deno.execPath(), "run", "--quiet", ...flags, `cmd/${name}.ts`, ...args],
  ]);
}

/** A way to `addr` that lets so many bytes through, and then none until it is opened. */
interface Gate extends AsyncDisposable {
  readonly addr: TcpAddr;
  /** All that may go through has gone. */
  readonly reached: Promise<void>;
  /** Ends the connection on both sides. */
  open(): void;
}

function gateBefore(addr: { hostname: string; port: number }, bytes: number): Gate {
  const reached = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<void>();
  const server: TcpServer = serveTcp({}, async (sender) => {
    using receiver = await dial(addr);
    const back = (async () => {
      for await (const chunk of chunks(receiver)) await writeAll(sender, chunk);
    })().catch(() => {});
    let left = bytes;
    while (left > 0) {
      const buffer = new Uint8Array(Math.min(left, 65536));
      const n = await sender.read(buffer);
      if (n === null) break;
      await writeAll(receiver, buffer.subarray(0, n));
      left -= n;
    }
    reached.resolve();
    await opened.promise;
    receiver[Symbol.dispose]();
    await back;
  });
  return {
    addr: server.addr,
    reached: reached.promise,
    open: opened.resolve,
    [Symbol.asyncDispose]: () => {
      opened.resolve();
      return server[Symbol.asyncDispose]();
    },
  };
}
