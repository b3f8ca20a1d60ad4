/**
 * Each row of the table of errors is provoked on the kernel where loopback allows, so
 * that a change of Deno's shows; the others are as they were recorded, and say how.
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { connect as nodeConnect } from "node:net";
import { tcpAddr } from "../lib/addr.ts";
import { dial } from "../lib/client/dial.ts";
import { explain, type ExplainContext, explainLine, type Explanation } from "../lib/errors.ts";
import { type Row, ROWS } from "../lib/errors_table.ts";
import { FrameError } from "../lib/framing/decoder.ts";
import { WebSocketClosedError } from "../lib/framing/websocket.ts";
import { WebSocketHandshakeError } from "../lib/framing/websocket_handshake.ts";
import { TransferError } from "../lib/transfer/error.ts";
import { listenTls } from "../lib/server/listen_tls.ts";
import { listenResettable } from "../lib/stream/resettable.ts";
import { readExact, readToEnd, writeAll } from "../lib/stream/conn.ts";
import { seededWorld } from "../lib/world.ts";

/** One way to come by an error, and what has to be said of it. */
interface Case {
  /** Throws, or rejects with, the error. */
  provoke: () => unknown;
  /** What the caller knows. */
  context?: ExplainContext;
  whose: Explanation["whose"];
  code?: string;
  /** What the explanation must contain: the fact that helps. */
  says: string;
}

const CASES: Record<string, Case> = {
  "listening on a port that is taken": {
    provoke: () => withListener(({ addr }) => Deno.listen(addr)),
    context: { op: "listen", addr: tcpAddr("127.0.0.1", 9999) },
    whose: "kernel",
    code: "EADDRINUSE",
    says: "ss -ltnp 'sport = :9999'",
  },
  "listening when all ports are taken": {
    // Recorded with net.ipv4.ip_local_port_range at three ports, in a namespace of its own.
    provoke: recorded(Deno.errors.AddrInUse, "Address already in use (os error 98)", "EADDRINUSE"),
    context: { op: "listen", addr: tcpAddr("127.0.0.1", 0) },
    whose: "kernel",
    code: "EADDRINUSE",
    says: "ip_local_port_range",
  },
  "listening on the address of another machine": {
    provoke: () => Deno.listen({ hostname: "203.0.113.1", port: 0 }), // RFC 5737
    context: { op: "listen", addr: tcpAddr("203.0.113.1", 0) },
    whose: "ours",
    code: "EADDRNOTAVAIL",
    says: "203.0.113.1 is not an address of this machine",
  },
  "listening on the address of another machine, over node:net": {
    provoke: () => listenResettable({ hostname: "203.0.113.1" }),
    context: { op: "listen", addr: tcpAddr("203.0.113.1", 0) },
    whose: "ours",
    code: "EINVAL",
    says: "203.0.113.1 cannot be listened on: it is not an address of this machine",
  },
  "listening for TLS with what is no certificate": {
    provoke: () => listenTls({ cert: "nothing", key: "nothing" }),
    context: { op: "listen", addr: tcpAddr("127.0.0.1", 0) },
    whose: "ours",
    says: "the certificate or its key cannot be used: Cannot listen on 127.0.0.1:0",
  },
  "listening on a path where there is a file": {
    // Recorded, since it needs leave to read and write that path.
    provoke: recorded(Deno.errors.AddrInUse, "Address already in use (os error 98)", "EADDRINUSE"),
    context: { op: "listen", addr: { hostname: "unix:/run/s.sock", port: 0 } },
    whose: "kernel",
    code: "EADDRINUSE",
    says: "unix:/run/s.sock is taken: there is a file of that name already",
  },
  "listening on a path whose folder is not there": {
    provoke: recorded(Deno.errors.NotFound, "No such file or directory (os error 2)", "ENOENT"),
    context: { op: "listen", addr: { hostname: "unix:/run/no/s.sock", port: 0 } },
    whose: "ours",
    code: "ENOENT",
    says: "unix:/run/no/s.sock cannot be listened on: its folder is not there",
  },
  "connecting to a path where there is nothing": {
    provoke: recorded(Deno.errors.NotFound, "No such file or directory (os error 2)", "ENOENT"),
    context: { op: "connect", addr: { hostname: "unix:/run/s.sock", port: 0 } },
    whose: "peer",
    code: "ENOENT",
    says: "unix:/run/s.sock is not there",
  },
  "connecting to a path where nobody listens": {
    provoke: recorded(
      Deno.errors.ConnectionRefused,
      "Connection refused (os error 111)",
      "ECONNREFUSED",
    ),
    context: { op: "connect", addr: { hostname: "unix:/run/s.sock", port: 0 } },
    whose: "peer",
    code: "ECONNREFUSED",
    says: "unix:/run/s.sock refused: it is there, but nobody listens on it",
  },
  "reading a file that is not there": {
    // Recorded as well, like the next two.
    provoke: recorded(Deno.errors.NotFound, "No such file or directory (os error 2)", "ENOENT"),
    whose: "kernel",
    code: "ENOENT",
    says: "there is no such file or folder",
  },
  "reading a folder as a file": {
    provoke: recorded(Deno.errors.IsADirectory, "Is a directory (os error 21)", "EISDIR"),
    whose: "kernel",
    code: "EISDIR",
    says: "that is a folder",
  },
  "reading below a file": {
    provoke: recorded(Deno.errors.NotADirectory, "Not a directory (os error 20)", "ENOTDIR"),
    whose: "kernel",
    code: "ENOTDIR",
    says: "is no folder",
  },
  "listening on a privileged port": {
    // Recorded as uid 65534; the tests may be run by root.
    provoke: recorded(Deno.errors.PermissionDenied, "Permission denied (os error 13)", "EACCES"),
    context: { op: "listen", addr: tcpAddr("127.0.0.1", 80) },
    whose: "permission",
    code: "EACCES",
    says: "ip_unprivileged_port_start=80",
  },
  "listening over IPv6 where it is off": {
    // Recorded from the manual, socket(2): it takes a kernel without IPv6.
    provoke: recorded(Error, "Address family not supported (os error 97)", "EAFNOSUPPORT"),
    context: { op: "listen", addr: tcpAddr("::1", 0) },
    whose: "kernel",
    code: "EAFNOSUPPORT",
    says: "the address family of [::1]:0",
  },
  "accepting who has already reset": {
    provoke: () =>
      withListener(async (listener) => {
        await connectAndReset(listener.addr.port);
        await listener.accept();
      }),
    context: { op: "accept" },
    whose: "peer",
    code: "ENOTCONN",
    says: "accept the next one",
  },
  "accepting who gave up": {
    // Recorded from the manual, accept(2): Linux says so only of other protocols.
    provoke: recorded(
      Deno.errors.ConnectionAborted,
      "Software caused connection abort (os error 103)",
      "ECONNABORTED",
    ),
    context: { op: "accept" },
    whose: "peer",
    code: "ECONNABORTED",
    says: "accept the next one",
  },
  "accepting without a descriptor": {
    // Recorded under `ulimit -n 60`: the tests must not starve their own process.
    provoke: recorded(Error, "Too many open files (os error 24)", "EMFILE"),
    context: { op: "accept" },
    whose: "kernel",
    code: "EMFILE",
    says: "ulimit -n",
  },
  "accepting on a machine without a descriptor": {
    // Recorded from the manual, accept(2): it takes a starving machine.
    provoke: recorded(Error, "Too many open files in system (os error 23)", "ENFILE"),
    context: { op: "accept" },
    whose: "kernel",
    code: "ENFILE",
    says: "fs.file-max",
  },
  "accepting twice at once": {
    provoke: () =>
      withListener(async (listener) => {
        const first = listener.accept();
        try {
          await listener.accept();
        } finally {
          listener.close();
          await first.catch(() => {});
        }
      }),
    context: { op: "accept" },
    whose: "ours",
    says: "in one loop only",
  },
  "accepting on a closed listener": {
    provoke: () =>
      withListener((listener) => {
        listener.close();
        return listener.accept();
      }),
    context: { op: "accept" },
    whose: "ours",
    says: "the listener was closed",
  },
  "accepting on a listener that is closed meanwhile": {
    provoke: () =>
      withListener((listener) => {
        const pending = listener.accept();
        listener.close();
        return pending;
      }),
    context: { op: "accept" },
    whose: "ours",
    says: "the listener was closed",
  },
  "connecting where nobody listens": {
    provoke: () => Deno.connect(deserted()),
    context: { op: "connect", addr: tcpAddr("127.0.0.1", 9999) },
    whose: "peer",
    code: "ECONNREFUSED",
    says: "127.0.0.1:9999 refused",
  },
  "dialing where nobody listens": {
    provoke: () => dial(deserted()),
    whose: "peer",
    code: "ECONNREFUSED",
    says: "ss -ltn 'sport = :", // the address is the DialError's own
  },
  "connecting into silence, until the kernel has enough": {
    // Recorded with net.ipv4.tcp_syn_retries=1: by default it takes two minutes.
    provoke: recorded(Deno.errors.TimedOut, "Connection timed out (os error 110)", "ETIMEDOUT"),
    context: { op: "connect", addr: tcpAddr("192.0.2.9", 80) },
    whose: "network",
    code: "ETIMEDOUT",
    says: "192.0.2.9:80 never answered",
  },
  "writing into silence, until the kernel has enough": {
    // Recorded from the manual, tcp(7): by default it takes a quarter of an hour.
    provoke: recorded(Deno.errors.TimedOut, "Connection timed out (os error 110)", "ETIMEDOUT"),
    context: { op: "write", addr: tcpAddr("192.0.2.9", 80) },
    whose: "network",
    code: "ETIMEDOUT",
    says: "192.0.2.9:80 stopped acknowledging",
  },
  "dialing into silence, until we have enough": {
    provoke: () =>
      withListener(async ({ addr }) => {
        using _queued = await Deno.connect(addr);
        const world = seededWorld(1);
        await Promise.all([dial(addr, { world }), world.advance(10_000)]);
      }, { tcpBacklog: 0 }),
    whose: "network",
    says: "did not answer in the time we gave it",
  },
  "reading from a silent peer, until we have enough": {
    provoke: () => {
      throw new DOMException("The operation was aborted due to timeout", "TimeoutError");
    },
    context: { op: "read", addr: tcpAddr("127.0.0.1", 9999) },
    whose: "peer",
    says: "nothing came from 127.0.0.1:9999",
  },
  "connecting to a name whose lookup takes too long": {
    provoke: () => dial("slow.invalid:80", { resolve: () => new Promise(() => {}), timeout: 1 }),
    whose: "network",
    says: "the name slow.invalid was not resolved in the time we gave it",
  },
  "connecting where no route leads": {
    provoke: () => Deno.connect({ hostname: "255.255.255.255", port: 9 }), // never leaves us
    context: { op: "connect", addr: tcpAddr("255.255.255.255", 9) },
    whose: "kernel",
    code: "ENETUNREACH",
    says: "ip route get 255.255.255.255",
  },
  "connecting to a machine that is off": {
    // Recorded with an `unreachable` route: loopback has no machine that is off.
    provoke: recorded(Error, "No route to host (os error 113)", "EHOSTUNREACH"),
    context: { op: "connect", addr: tcpAddr("192.0.2.9", 80) },
    whose: "network",
    code: "EHOSTUNREACH",
    says: "192.0.2.9 cannot be reached",
  },
  "connecting where a route forbids it": {
    // Recorded with a `prohibit` route, which only root can make.
    provoke: recorded(Deno.errors.PermissionDenied, "Permission denied (os error 13)", "EACCES"),
    context: { op: "connect", addr: tcpAddr("192.0.2.9", 80) },
    whose: "kernel",
    code: "EACCES",
    says: "prohibit route",
  },
  "connecting where a sandbox forbids it": {
    // Recorded under seccomp(2): tests/client/dial_failures_test.ts does it again.
    provoke: recorded(Deno.errors.PermissionDenied, "Operation not permitted", "EPERM"),
    context: { op: "connect", addr: tcpAddr("192.0.2.9", 80) },
    whose: "kernel",
    code: "EPERM",
    says: "its sandbox forbids it",
  },
  "connecting into a black hole": {
    // Recorded with a `blackhole` route, which only root can make.
    provoke: recorded(TypeError, "Invalid argument (os error 22)", "EINVAL"),
    context: { op: "connect", addr: tcpAddr("192.0.2.9", 80) },
    whose: "kernel",
    code: "EINVAL",
    says: "blackhole route: ip route get 192.0.2.9",
  },
  "connecting when all ports are taken": {
    // Recorded with net.ipv4.ip_local_port_range at three ports, in a namespace of its own.
    provoke: recorded(
      Deno.errors.AddrNotAvailable,
      "Cannot assign requested address (os error 99)",
      "EADDRNOTAVAIL",
    ),
    context: { op: "connect", addr: tcpAddr("127.0.0.1", 80) },
    whose: "kernel",
    code: "EADDRNOTAVAIL",
    says: "ip_local_port_range",
  },
  "connecting to a name that does not exist": {
    // Recorded: a name server elsewhere may be slow, or answer what it should not.
    provoke: recorded(
      Error,
      "failed to lookup address information: Name or service not known",
    ),
    context: { op: "connect", addr: tcpAddr("nope.invalid", 80) },
    whose: "network",
    says: "the name nope.invalid could not be resolved",
  },
  "connecting to a zone that does not exist": {
    // Such a name is looked up without asking anybody.
    provoke: () => Deno.connect({ hostname: "::1%nope", port: 9 }),
    context: { op: "connect", addr: tcpAddr("::1%nope", 9) },
    whose: "network",
    says: "getent ahosts ::1%nope",
  },
  "connecting without a name server": {
    // Recorded from node:net, with a resolv.conf that names a machine without one.
    provoke: recorded(Error, "getaddrinfo EAI_AGAIN example.org", "EAI_AGAIN"),
    context: { op: "connect", addr: tcpAddr("example.org", 80) },
    whose: "network",
    code: "EAI_AGAIN",
    says: "resolv.conf",
  },
  "connecting with a name server that fails": {
    // Recorded from the manual, getaddrinfo(3).
    provoke: recorded(Error, "getaddrinfo EAI_FAIL example.org", "EAI_FAIL"),
    context: { op: "connect", addr: tcpAddr("example.org", 80) },
    whose: "network",
    code: "EAI_FAIL",
    says: "the name server could not answer for example.org",
  },
  "reading after a reset": {
    provoke: () =>
      withListener(async (listener) => {
        using client = await Deno.connect(listener.addr);
        listener.close(); // resets whom nobody accepted
        await client.read(new Uint8Array(1));
      }),
    context: { op: "read", addr: tcpAddr("127.0.0.1", 9999) },
    whose: "peer",
    code: "ECONNRESET",
    says: "127.0.0.1:9999 reset the connection",
  },
  "writing after our own FIN": {
    provoke: () =>
      withPair(async (client) => {
        await client.closeWrite();
        await client.write(Uint8Array.of(1));
      }),
    context: { op: "write", writeClosed: true },
    whose: "ours",
    code: "EPIPE",
    says: "before closeWrite()",
  },
  "writing to a peer that has closed": {
    provoke: () =>
      withPair(async (client, server) => {
        server.close();
        await client.read(new Uint8Array(1));
        while (true) await client.write(Uint8Array.of(1)); // the first is answered by RST
      }),
    context: { op: "write", writeClosed: false, addr: tcpAddr("127.0.0.1", 9999) },
    whose: "peer",
    code: "EPIPE",
    says: "127.0.0.1:9999 takes no more",
  },
  "connecting to who resets at once": {
    // Recorded: the reset must come in the moment after the handshake.
    provoke: recorded(
      Deno.errors.NotConnected,
      "Transport endpoint is not connected (os error 107)",
      "ENOTCONN",
    ),
    context: { op: "connect", addr: { hostname: "192.0.2.1", port: 80 } },
    whose: "peer",
    code: "ENOTCONN",
    says: "192.0.2.1:80 accepted the connection and reset it at once",
  },
  "writing over TLS after our own FIN": {
    // Recorded: it takes a certificate to get that far.
    provoke: recorded(Deno.errors.NotConnected, "not connected", "ENOTCONN"),
    context: { op: "write" },
    whose: "ours",
    code: "ENOTCONN",
    says: "do not write after closeWrite()",
  },
  "reading while we close": {
    provoke: () =>
      withPair(async (client) => {
        const pending = client.read(new Uint8Array(1));
        client.close();
        await pending;
      }),
    context: { op: "read" },
    whose: "ours",
    code: "EINTR",
    says: "we closed the connection while",
  },
  "reading after we closed": {
    provoke: () =>
      withPair((client) => {
        client.close();
        return client.read(new Uint8Array(1));
      }),
    context: { op: "read" },
    whose: "ours",
    says: "closed on this side",
  },
  "closing twice": {
    provoke: () =>
      withPair((client) => {
        client.close();
        client.close();
      }),
    whose: "ours",
    says: "closed on this side",
  },
  "starting TLS under a pending read": {
    provoke: () =>
      withPair(async (client, server) => {
        const pending = client.read(new Uint8Array(1));
        try {
          await Deno.startTls(client);
        } finally {
          server.close();
          await pending;
        }
      }),
    whose: "ours",
    says: "wait for the pending read",
  },
  "speaking TLS to who does not": {
    provoke: () =>
      withPair(async (client, server) => {
        using tls = await Deno.startTls(client, { hostname: "localhost" });
        await writeAll(server, new TextEncoder().encode("Who is there?\n"));
        await tls.handshake();
      }),
    context: { op: "read", addr: tcpAddr("127.0.0.1", 9999) },
    whose: "peer",
    says: "check that both sides speak TLS",
  },
  "trusting nobody's certificate": {
    // Recorded: it takes a certificate to get that far.
    provoke: recorded(Deno.errors.InvalidData, "invalid peer certificate: UnknownIssuer"),
    context: { op: "connect", addr: tcpAddr("127.0.0.1", 9999) },
    whose: "peer",
    says: "invalid peer certificate: UnknownIssuer",
  },
  "reading more than there is": {
    provoke: () =>
      withPair(async (client, server) => {
        await server.closeWrite();
        await readExact(client, 4);
      }),
    whose: "peer",
    says: "Cannot read 4 bytes",
  },
  "reading more than we accept": {
    provoke: () =>
      withPair(async (client, server) => {
        await writeAll(server, new Uint8Array(2));
        await readToEnd(client, { maxBytes: 1 });
      }),
    whose: "peer",
    says: "raise the limit",
  },
  "decoding what is no frame": {
    provoke: () => {
      throw new FrameError("malformed", "Cannot decode", { offset: 0 });
    },
    whose: "peer",
    code: "malformed",
    says: "no valid message",
  },
  "decoding a frame beyond the limit": {
    provoke: () => {
      throw new FrameError("too-long", "Cannot decode", { offset: 0 });
    },
    whose: "peer",
    code: "too-long",
    says: "raise the limit",
  },
  "decoding a frame that the end of the stream cut short": {
    provoke: () => {
      throw new FrameError("truncated", "Cannot decode", { offset: 0 });
    },
    whose: "peer",
    code: "truncated",
    says: "in the middle of a message",
  },
  "opening a WebSocket where there is none": {
    provoke: () => {
      throw new WebSocketHandshakeError(400, "the status must be 101");
    },
    whose: "peer",
    says: "the status must be 101",
  },
  "sending to a WebSocket that was closed": {
    provoke: () => {
      throw new WebSocketClosedError({ code: 1000, reason: "" });
    },
    whose: "peer",
    says: "closed with code 1000",
  },
  "receiving a file from somebody who sends something else": {
    provoke: () => {
      throw new TransferError("protocol", "Cannot understand the peer");
    },
    whose: "peer",
    says: "Cannot understand the peer",
  },
  "sending a file to somebody who has no room": {
    provoke: () => {
      throw new TransferError("full", "Cannot store the file", { told: true });
    },
    whose: "peer",
    says: "Cannot store the file",
  },
  "receiving a file for which there is no room": {
    provoke: () => {
      const cause = Object.assign(new Error("No space left on device"), { code: "ENOSPC" });
      throw new TransferError("full", "Cannot store", { cause });
    },
    whose: "kernel",
    code: "ENOSPC",
    says: "df -h",
  },
  "writing where nothing is taken": {
    provoke: () => {
      const stuck = { write: () => Promise.resolve(0), closeWrite: () => Promise.resolve() };
      return writeAll(stuck, Uint8Array.of(1));
    },
    whose: "kernel",
    says: "took no byte",
  },
  "connecting without permission": {
    // Recorded, since a step has the permissions of all: the real one is in a test below.
    provoke: recorded(Deno.errors.NotCapable, 'Requires net access to "127.0.0.1:9999"'),
    context: { op: "connect", addr: tcpAddr("127.0.0.1", 9999) },
    whose: "permission",
    says: "--allow-net=127.0.0.1:9999",
  },
  "doing something else without permission": {
    provoke: recorded(Deno.errors.NotCapable, 'Requires read access to "/etc"'),
    whose: "permission",
    says: 'Requires read access to "/etc"',
  },
  "doing what the user may not": {
    provoke: recorded(Deno.errors.PermissionDenied, "Permission denied (os error 13)", "EACCES"),
    whose: "permission",
    code: "EACCES",
    says: "id; capsh --print",
  },
  "aborting": {
    provoke: () => Deno.connect({ hostname: "127.0.0.1", port: 9, signal: AbortSignal.abort() }),
    context: { op: "connect" },
    whose: "ours",
    says: "its signal was aborted",
  },
  "listening on a port that cannot be": {
    provoke: () => Deno.listen({ port: 99999 }),
    context: { op: "listen" },
    whose: "ours",
    says: "Invalid port (out of range): 99999",
  },
  "writing text": {
    provoke: () => withPair((client) => client.write("text" as unknown as Uint8Array)),
    context: { op: "write" },
    whose: "ours",
    says: "expected typed ArrayBufferView",
  },
  "connecting to no host": {
    provoke: () => Deno.connect({ hostname: "", port: 9 }),
    context: { op: "connect" },
    whose: "ours",
    says: "invalid empty host",
  },
};

Deno.test("explain() knows every error of the table", async (t) => {
  const unmet = new Set(ROWS);
  for (const [name, { provoke, context = {}, whose, code, says }] of Object.entries(CASES)) {
    await t.step(name, async () => {
      const told = explain(await thrownBy(provoke), context);
      assertEquals([told.whose, told.code], [whose, code]);
      assertStringIncludes(`${told.what}; try: ${told.tryThis}`, says);
      for (const text of [told.what, told.tryThis]) assertMatch(text, /^[^{}]{8,}[^.{}]$/);
      for (const row of ROWS) if (isToldBy(row, told)) unmet.delete(row);
    });
  }
  assertEquals([...unmet].map(({ is, what }) => `${is}: ${what}`), []);
});

Deno.test({
  name: "explain() names the flag that was missing",
  permissions: { net: false },
  fn: async () => {
    const connecting = await thrownBy(() => dial("[::1]:80"));
    assertEquals(explain(connecting).tryThis, "run again with --allow-net=[::1]:80");
    assertEquals(explain(connecting).what, "Deno was not allowed to use [::1]:80");

    // Leave for port 0 would be none for the port that the system chooses.
    for (const [hostname, flag] of [["::1", "[::1]"], ["127.0.0.1", "127.0.0.1"]] as const) {
      const listening = await thrownBy(() => Deno.listen({ hostname, port: 0 }));
      const context: ExplainContext = { op: "listen", addr: { hostname, port: 0 } };
      assertEquals(explain(listening, context).tryThis, `run again with --allow-net=${flag}`);
    }

    assertStringIncludes(explain(connecting, { op: undefined }).tryThis, "--allow-net=[::1]:80");
    const bare = await thrownBy(() => Deno.listen({ port: 0 }));
    assertStringIncludes(explain(bare, { op: "listen" }).what, "--allow-net"); // Deno's own words
  },
});

Deno.test("explain() of a DialError is about the address that was dialed", async () => {
  const addr = deserted();
  const { what, tryThis, code } = explain(await thrownBy(() => dial(addr)), { op: "accept" });
  assertStringIncludes(what, `127.0.0.1:${addr.port} refused`);
  assertStringIncludes(tryThis, `sport = :${addr.port}`);
  assertEquals(code, "ECONNREFUSED");
});

Deno.test("explain() tells errors apart that share a code, by what was being done", () => {
  const said = (code: string, context: ExplainContext) =>
    explain(Object.assign(new Error("?"), { code }), context).whose;
  assertEquals(said("EADDRNOTAVAIL", { op: "listen" }), "ours");
  assertEquals(said("EADDRNOTAVAIL", { op: "connect" }), "kernel");
  assertEquals(said("EADDRNOTAVAIL", {}), "kernel");
  assertEquals(said("EACCES", { op: "listen" }), "permission");
  assertEquals(said("EACCES", { op: "connect" }), "kernel");
  assertEquals(said("EPERM", { op: "connect" }), "kernel");
  assertEquals(said("EPERM", {}), "unknown");
  assertEquals(said("EINVAL", { op: "connect" }), "kernel");
  assertEquals(said("EINVAL", { op: "write" }), "unknown");
  assertEquals(said("ENOTCONN", { op: "accept" }), "peer");
  assertEquals(said("ENOTCONN", { op: "write" }), "ours");
  assertEquals(said("EPIPE", { op: "write", writeClosed: true }), "ours");
  assertEquals(said("EPIPE", { op: "write" }), "peer");
});

Deno.test("explain() without an address still makes a sentence", () => {
  const taken = explain(new Deno.errors.AddrInUse("?"), { op: "listen" });
  assertStringIncludes(taken.what, "the address is taken");
  assertStringIncludes(taken.tryThis, "sport = :PORT");
  assertStringIncludes(explain(new Deno.errors.ConnectionReset("?")).what, "the peer reset");
  const unreached = Object.assign(new Error("?"), { code: "EHOSTUNREACH" });
  assertStringIncludes(explain(unreached).what, "the peer cannot be reached");
});

Deno.test("explain() goes by the code first, then by the class", () => {
  const { ConnectionReset, BrokenPipe } = Deno.errors;
  const both = Object.assign(new BrokenPipe("?"), { code: "ECONNREFUSED" });
  assertStringIncludes(explain(both).what, "refused");
  const strange = Object.assign(new ConnectionReset("?"), { code: "ESTRANGE" });
  assertStringIncludes(explain(strange).what, "reset the connection");
  assertEquals(explain(strange).code, "ESTRANGE");
  assertStringIncludes(explain(new (class extends ConnectionReset {})("?")).what, "reset");
});

Deno.test("explain() finds each class that stands for a code", () => {
  for (const [name, kind] of Object.entries(Deno.errors)) {
    const { whose } = explain(new kind("?"), { op: "connect" });
    assertEquals(whose === "unknown", !KNOWN.has(name), name);
  }
  assertEquals(explain(new Deno.errors.ConnectionAborted("?"), { op: "accept" }).whose, "peer");
});

/** The classes of Deno's that TCP may throw. */
const KNOWN = new Set(
  ("AddrInUse AddrNotAvailable BadResource BrokenPipe Busy ConnectionRefused ConnectionReset " +
    "Interrupted InvalidData NetworkUnreachable NotCapable NotConnected PermissionDenied TimedOut " +
    "UnexpectedEof WriteZero").split(" "),
);

Deno.test("explain() of an error that it does not know says so, and what the error said", () => {
  const error = Object.assign(new Error("out of cheese"), { code: "ECHEESE" });
  const { what, whose, code } = explain(error);
  assertEquals([what, whose, code], ["Error: out of cheese", "unknown", "ECHEESE"]);
});

Deno.test("explain() of an error that it does not know looks at its cause", () => {
  const cause = new Deno.errors.ConnectionReset("?");
  const wrapped = new Error("outer", { cause: new Error("inner", { cause }) });
  assertEquals(
    explain(wrapped, { addr: tcpAddr("h", 1) }),
    explain(cause, { addr: tcpAddr("h", 1) }),
  );
});

Deno.test("explain() ends when causes go in circles", () => {
  const a = new Error("a");
  const b = new Error("b", { cause: a });
  a.cause = b;
  assertEquals(explain(a).whose, "unknown");
});

Deno.test("explain() takes anything for an error", () => {
  const values = [undefined, null, 0, "text", Symbol("s"), {}, Object.create(null), () => {}];
  for (const value of values) {
    const { what, whose } = explain(value);
    assertEquals(whose, "unknown");
    assertStringIncludes(what, `something that is no Error was thrown: ${Deno.inspect(value)}`);
  }
  const bare = Object.setPrototypeOf(
    new Error("bare"),
    Object.create(Error.prototype, {
      constructor: { value: undefined },
    }),
  );
  assertEquals(explain(bare).whose, "unknown");
});

Deno.test("explainLine() is what, whose, code and what to try, in one line", async () => {
  const refused = await thrownBy(() => Deno.connect(deserted()));
  const line = explainLine(refused, { op: "connect", addr: tcpAddr("127.0.0.1", 9999) });
  assertEquals(
    line,
    "127.0.0.1:9999 refused: its machine answers, but nobody listens on that port " +
      "(peer, ECONNREFUSED); try: start the server, or look there who listens: " +
      "ss -ltn 'sport = :9999'; if it is only starting, try again (attempts)",
  );
  assertEquals(
    explainLine(new Deno.errors.Busy("?"), { op: "accept" }),
    "another accept() is waiting on this listener (ours); try: accept in one loop only",
  );
});

Deno.test("explainLine() lets no control character through to a terminal", () => {
  const error = new Error("two\nlines, \x1b[31mred\x07, \u009b31mred");
  assertMatch(explainLine(error), /^\P{Cc}+$/u);
  assert(explainLine({ some: "x".repeat(200), more: "y".repeat(200) }).split("\n").length === 1);
});

/** An error as it was seen elsewhere, by its class, message and code. */
function recorded(kind: new (message: string) => Error, message: string, code?: string) {
  return () => {
    throw Object.assign(new kind(message), code === undefined ? {} : { code });
  };
}

async function thrownBy(provoke: () => unknown): Promise<unknown> {
  let result;
  try {
    result = await provoke();
  } catch (error) {
    return error;
  }
  throw new Error(`Nothing was thrown: the result is ${Deno.inspect(result)}`);
}

/** Whether an explanation has the words of a row, whatever stands in its gaps. */
function isToldBy(row: Row, { what, whose, tryThis }: Explanation): boolean {
  const shape = (text: string) =>
    new RegExp(`^${text.split(/\{\w+\}/).map((part) => RegExp.escape(part)).join("[^]*")}$`);
  return row.whose === whose && shape(row.what).test(what) && shape(row.tryThis).test(tryThis);
}

type Listening = Deno.TcpListener & { addr: Deno.NetAddr & { transport: "tcp" } };

function listen(options: { tcpBacklog?: number } = {}): Listening {
  return Deno.listen({ hostname: "127.0.0.1", port: 0, ...options }) as Listening;
}

/** A port that the system gave out a moment ago, and nobody listens on now. */
function deserted(): { hostname: string; port: number } {
  using listener = listen();
  return { hostname: "127.0.0.1", port: listener.addr.port };
}

async function withListener(
  use: (listener: Listening) => unknown,
  options?: { tcpBacklog?: number },
): Promise<void> {
  using listener = listen(options);
  await use(listener);
}

/** Both ends of a connection. */
function withPair(
  use: (client: Deno.TcpConn, server: Deno.TcpConn) => unknown,
): Promise<void> {
  return withListener(async (listener) => {
    using client = await Deno.connect(listener.addr);
    using server = await listener.accept();
    await use(client, server);
  });
}

/** Resolves once RST has been sent. */
async function connectAndReset(port: number): Promise<void> {
  const socket = nodeConnect(port, "127.0.0.1");
  await new Promise((resolve) => socket.once("connect", resolve));
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.resetAndDestroy();
  await closed;
}
