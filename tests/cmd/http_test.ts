import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { dial } from "../../lib/client/dial.ts";
import type { TcpHandler } from "../../lib/server/session.ts";
import { serveTcp, type TcpServer } from "../../lib/server/server.ts";
import { closeAbruptly } from "../../lib/stream/close.ts";
import { writeAll } from "../../lib/stream/conn.ts";
import { listenResettable } from "../../lib/stream/resettable.ts";
import { assertSameBytes, bytes, randomBytes, text } from "../_conformance.ts";
import { needs } from "../_needs.ts";
import { start, startProgram } from "../_script.ts";

const STARTING = { run: ["deno"], read: true } as const;

/** Says this to everybody, whatever they ask. */
function saying(answer: string): TcpHandler {
  return async (conn) => {
    await conn.read(new Uint8Array(4096));
    await writeAll(conn, bytes(answer));
  };
}

function url(server: TcpServer, path = "/"): string {
  return `http://127.0.0.1:${server.addr.port}${path}`;
}

needs(STARTING, "cmd/http.ts prints the body, and the head as it came with --include", async () => {
  const head = "HTTP/1.1 200 Fine\r\nX-One: 1\r\nx-one: \xe9\r\nTransfer-Encoding: chunked\r\n\r\n";
  const answer = Uint8Array.from(
    `${head}2\r\nhi\r\n0\r\nSum: 42\r\n\r\n`,
    (char) => char.charCodeAt(0),
  );
  await using server = serveTcp({}, async (conn) => {
    await conn.read(new Uint8Array(4096));
    await writeAll(conn, answer);
  });
  await using plain = await start("http", [url(server)]);
  assertEquals(await plain.output(), "hi");
  for (const flag of ["--include", "-i"]) {
    await using script = await start("http", [url(server), flag]);
    const { code, stdout } = await script.ended();
    assertEquals([code, new TextDecoder("latin1").decode(stdout)], [0, `${head}hiSum: 42\r\n`]);
  }
});

needs(STARTING, "cmd/http.ts prints no control character of a head", async () => {
  const head = "HTTP/1.1 200 \x1b[2J\r\nX: \x07\x7f\ta\r\n\r\n";
  await using server = serveTcp({}, saying(`${head}\x1b`));
  await using script = await start("http", [url(server), "-i"]);
  const shown = "HTTP/1.1 200 ?[2J\r\nX: ??\ta\r\n\r\n";
  assertEquals(await script.output(), `${shown}\x1b`); // of the body it changes nothing
});

needs(STARTING, "cmd/http.ts asks for the head alone with --head", async () => {
  await using server = serveTcp({}, saying("HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n"));
  await using script = await start("http", [url(server), "--head"]);
  assertEquals(await script.output(), "HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n");
});

needs(STARTING, "cmd/http.ts says in one line why a response is none", async () => {
  const answers = {
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel": "2 bytes are missing",
    "SSH-2.0-OpenSSH\r\n": 'it begins with "S"',
    "": "the peer must not close before it has answered",
  };
  for (const [answer, reason] of Object.entries(answers)) {
    await using server = serveTcp({}, saying(answer));
    await using script = await start("http", [url(server)]);
    const { code, stderr } = await script.ended();
    assertEquals([code, stderr.trimEnd().split("\n").length], [1, 1], stderr);
    const said = `http: 127.0.0.1:${server.addr.port}: Cannot decode an HTTP response as `;
    assert(stderr.startsWith(said) && stderr.trimEnd().endsWith(reason), stderr);
  }
});

needs(STARTING, "cmd/http.ts says in one line which server reset the connection", async () => {
  await using server = serveTcp({ listener: await listenResettable() }, async (conn) => {
    await conn.read(new Uint8Array(4096));
    closeAbruptly(conn);
  });
  await using script = await start("http", [url(server)]);
  const { code, stderr } = await script.ended();
  assertEquals([code, stderr.trimEnd().split("\n").length], [1, 1], stderr);
  assertStringIncludes(stderr, `http: 127.0.0.1:${server.addr.port} reset the connection`);
});

needs(STARTING, "cmd/http.ts says in one line that the server keeps it waiting", async () => {
  await using server = serveTcp({ lingerTimeout: 0 }, async (conn) => {
    while (await conn.read(new Uint8Array(4096)) !== null);
  });
  await using script = await start("http", [url(server), "--timeout", "500ms"]);
  const { code, stderr } = await script.ended();
  assertEquals([code, stderr], [
    1,
    `http: 127.0.0.1:${server.addr.port} kept us waiting for --timeout\n`,
  ]);
});

needs(STARTING, "cmd/http.ts says in one line what is wrong with a URL", async () => {
  const wrong = {
    "https://example.com/": "there is no TLS here",
    "http://me:secret@example.com/": "no name and password",
    "http://127.0.0.1:0/": "a port from 1 to 65535",
    'http://a"b/': "a host or an address",
    "example.com": "look like http://example.com/ or http://",
    "localhost:8000/a": "look like http://example.com/ or http://",
    "ftp://x/": "must start with http://: current value is ftp://x/",
  };
  for (const [url, reason] of Object.entries(wrong)) {
    await using script = await start("http", [url]);
    const { code, stderr } = await script.ended();
    assertEquals([code, stderr.trimEnd().split("\n").length], [2, 1], stderr);
    assertStringIncludes(stderr, reason);
    assert(!stderr.includes("secret"), stderr);
  }
});

needs(
  { ...STARTING, run: ["deno", "python3"], write: true },
  "cmd/http.ts gets a file from python3 -m http.server",
  async () => {
    const folder = await Deno.makeTempDir();
    try {
      const file = randomBytes(300_000, 5);
      await Deno.writeFile(`${folder}/file`, file);
      const serving = ["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "-d", folder];
      await using server = startProgram("python3", serving);
      const [, port] = await server.printed(/port (\d+)/);
      await using script = await start("http", [`http://127.0.0.1:${port}/file`]);
      assertSameBytes((await script.ended()).stdout, file);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
);

needs(
  { ...STARTING, run: ["deno", "nginx"], write: true },
  "cmd/http.ts gets a file from nginx, chunked and not",
  async () => {
    const folder = await Deno.makeTempDir();
    try {
      const file = bytes("a line of text that can be sent in chunks\n".repeat(5000));
      await Deno.writeFile(`${folder}/file.txt`, file);
      await Deno.writeTextFile(`${folder}/page.shtml`, '<!--#include virtual="/file.txt" -->');
      const port = freePort();
      await Deno.writeTextFile(`${folder}/nginx.conf`, nginxConf(folder, port));
      await using _server = startProgram("nginx", ["-c", `${folder}/nginx.conf`, "-e", "stderr"]);
      // It does not say when it listens.
      using _ = await dial({ hostname: "127.0.0.1", port }, { attempts: 100, backoff: 10 });
      for (const path of ["/file.txt", "/page.shtml"]) {
        await using script = await start("http", [`http://127.0.0.1:${port}${path}`, "-i"]);
        const { stdout } = await script.ended();
        const head = text(stdout.subarray(0, stdout.length - file.length));
        assertSameBytes(stdout.subarray(stdout.length - file.length), file);
        assert(head.startsWith("HTTP/1.1 200 OK\r\n"), head);
        const ends = path === "/file.txt" ? "Content-Length: 210000" : "Transfer-Encoding: chunked";
        assertStringIncludes(head, ends);
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
);

/** nginx cannot be told to choose a port. This one was free a moment ago. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** A page put together by SSI has no length that nginx knows beforehand: it comes in chunks. */
function nginxConf(folder: string, port: number): string {
  const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((kind) => `${kind}_temp_path ${folder}/tmp;`);
  return `
    daemon off;
    master_process off;
    user root;
    error_log stderr notice;
    pid ${folder}/nginx.pid;
    events {}
    http {
      access_log off;
      ${paths.join(" ")}
      server {
        listen 127.0.0.1:${port};
        root ${folder};
        default_type text/plain;
        location = /page.shtml { ssi on; ssi_types *; }
      }
    }`;
}
