/**
 * toxiproxy's HTTP API, version 2.x, so that its clients in any language drive tcplab unchanged.
 *
 * Where its behaviour is a bug, ours is better: docs/faults.md has the list.
 *
 * @example A proxy with a toxic, over HTTP
 * ```ts
 * import { serveControl } from "@tcplab/tcplab/faults";
 * import { assertEquals } from "@std/assert";
 *
 * await using control = serveControl({ port: 0 });
 * const url = `http://127.0.0.1:${control.addr.port}/proxies`;
 * const post = (url: string, body: unknown) =>
 *   fetch(url, { method: "POST", body: JSON.stringify(body) }).then((answer) => answer.json());
 *
 * await post(url, { name: "db", listen: "127.0.0.1:0", upstream: "127.0.0.1:5432" });
 * const toxic = await post(`${url}/db/toxics`, { type: "latency", attributes: { latency: 100 } });
 * assertEquals([toxic.name, toxic.attributes.jitter], ["latency_downstream", 0]);
 * ```
 *
 * @module
 */

import type { TcpAddr } from "../addr.ts";
import { lastingHttp } from "../server/lasting_http.ts";
import { realWorld } from "../world.ts";
import { metricsOf } from "./_toxi_metrics.ts";
import { badBody, ToxiError } from "./toxi_error.ts";
import { ToxiProxies } from "./toxi_proxies.ts";
import type { FaultyLink } from "./faulty_link.ts";
import type { ProxyJson, ToxicJson, ToxiLinkOptions, ToxiProxy } from "./toxi_proxy.ts";

/** The version of toxiproxy whose API this is. */
export const TOXIPROXY_VERSION = "2.12.0";

/** The most bytes of a request's body: nothing that makes sense is longer. */
const LARGEST_BODY = 1024 * 1024;

/** Options for {@linkcode serveControl}, and for the links that its proxies are. */
export interface ControlOptions extends ToxiLinkOptions {
  /**
   * The address to listen on. Whoever can reach it can make this machine connect anywhere.
   *
   * @default {"127.0.0.1"}
   */
  hostname?: string;
  /**
   * The port to listen on; 0 lets the system choose.
   *
   * @default {8474}
   */
  port?: number;
  /**
   * Hears why the API could not be served for a while, such as for want of descriptors: it is
   * tried again twice a second, and told each time.
   */
  onError?: (error: unknown) => void;
}

/** A running API. */
export interface ControlServer extends AsyncDisposable {
  /** Where it listens. */
  readonly addr: TcpAddr;
  /** The proxies as the API shows them. */
  readonly proxies: readonly ProxyJson[];
  /** What is behind the proxies that have listened, by their names. */
  readonly links: ReadonlyMap<string, FaultyLink>;
  /**
   * Takes a link for a proxy of that name, and puts these toxics on it, so that both it and the
   * API can change them. It closes the link at its end.
   *
   * @throws {Error} If there is a proxy of that name.
   */
  adopt(name: string, link: FaultyLink, toxics?: readonly ToxicJson[]): void;
  /** Answers a request, as the API would over HTTP. */
  fetch(request: Request): Promise<Response>;
  /**
   * Answers what was asked in full, cuts clients that are still at asking, stops listening, and
   * closes every proxy and its connections.
   */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Serves the API. When this returns, clients can connect.
 *
 * @throws {Deno.errors.AddrInUse} If the port is taken.
 */
export function serveControl(options: ControlOptions = {}): ControlServer {
  const { hostname = "127.0.0.1", port = 8474, onError, ...links } = options;
  const api = new Api(links);
  const server = lastingHttp(
    { hostname, port, ...onError && { onError } },
    (request) => api.fetch(request),
  );
  return {
    addr: server.addr,
    get proxies() {
      return api.proxies.all.map((proxy) => proxy.json());
    },
    get links() {
      const links = api.proxies.all.flatMap(({ name, link }) =>
        link ? [[name, link] as const] : []
      );
      return new Map(links);
    },
    adopt: (name, link, toxics = []) => api.proxies.adopt(name, link, toxics),
    fetch: (request) => api.fetch(request),
    async [Symbol.asyncDispose]() {
      await api.close();
      await server[Symbol.asyncDispose]();
      await api.proxies[Symbol.asyncDispose]();
    },
  };
}

type Answer = (
  api: Api,
  body: string,
  proxy: string,
  toxic: string,
) => Promise<Response> | Response;

/** What is done for which methods at which paths; `*` is a name. */
const ROUTES: readonly [path: string, methods: Record<string, Answer>][] = [
  ["/proxies", {
    GET: ({ proxies }) => json(200, byName(proxies.all)),
    POST: async ({ proxies }, body) => json(201, await proxies.create(body)),
  }],
  ["/populate", { POST: populate }],
  ["/reset", {
    POST: async ({ proxies }) => {
      await proxies.reset();
      return nothing();
    },
  }],
  ["/version", { GET: version }],
  ["/metrics", { GET: metrics, POST: metrics, HEAD: metrics }],
  ["/proxies/*", {
    GET: ({ proxies }, _body, proxy) => json(200, proxies.get(proxy).json()),
    POST: update,
    PATCH: update,
    DELETE: async ({ proxies }, _body, proxy) => {
      await proxies.remove(proxy);
      return nothing();
    },
  }],
  ["/proxies/*/toxics", {
    GET: ({ proxies }, _body, proxy) => json(200, proxies.get(proxy).json().toxics),
    POST: ({ proxies }, body, proxy) => json(200, proxies.addToxic(proxies.get(proxy), body)),
  }],
  ["/proxies/*/toxics/*", {
    GET: ({ proxies }, _body, proxy, toxic) => json(200, proxies.toxic(proxies.get(proxy), toxic)),
    POST: updateToxic,
    PATCH: updateToxic,
    DELETE: ({ proxies }, _body, proxy, toxic) => {
      const found: ToxiProxy = proxies.get(proxy);
      found.remove(proxies.toxic(found, toxic));
      return nothing();
    },
  }],
];

class Api {
  readonly proxies: ToxiProxies;
  /** One request after the other changes something, as with toxiproxy's locks. */
  #turn: Promise<unknown> = Promise.resolve();
  #requests = 0;
  #closed = false;

  constructor(links: ToxiLinkOptions) {
    this.proxies = new ToxiProxies(links);
  }

  async fetch(request: Request): Promise<Response> {
    if (!URL.canParse(request.url)) return plain(400, "400 Bad Request: malformed Host header\n");
    const { pathname, search } = new URL(request.url);
    if (pathname.includes("//")) {
      const Location = pathname.replaceAll(/\/{2,}/g, "/") + search;
      return new Response(null, { status: 301, headers: { Location } });
    }
    const names = namesIn(pathname);
    if (names === undefined) return plain(400, "400 Bad Request");
    const route = ROUTES.find(([path]) => matches(path.split("/").slice(1), names));
    if (route === undefined) return plain(404, "404 page not found\n");
    const answer = Object.hasOwn(route[1], request.method) ? route[1][request.method] : undefined;
    if (answer === undefined) return new Response(null, { status: 405 });
    const response = await this.#answer(request, answer, names);
    response.headers.set("X-Toxiproxy-Request-Id", `${++this.#requests}`);
    return response;
  }

  /** Lets nothing else be changed; resolves once what has begun is done. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#turn;
    await realWorld.sleep(0); // for the answers to be written
  }

  async #answer(request: Request, answer: Answer, names: readonly string[]): Promise<Response> {
    if (request.headers.get("User-Agent")?.startsWith("Mozilla/")) {
      return plain(403, "User agent not allowed\n");
    }
    try {
      const body = await bodyOf(request);
      if (this.#closed) throw new ToxiError("the server has ended", 503);
      const done = this.#turn.then(() => answer(this, body, names[1] ?? "", names[3] ?? ""));
      this.#turn = done.catch(() => {});
      return await done;
    } catch (error) {
      return failure(error);
    }
  }
}

async function populate({ proxies }: Api, body: string): Promise<Response> {
  const done: ProxyJson[] = [];
  try {
    await proxies.populate(body, done);
    return json(201, { proxies: done.length > 0 ? done : null });
  } catch (error) {
    if (!(error instanceof ToxiError)) throw error;
    const { message, status } = error;
    return json(status, { error: message, status, proxies: done.length > 0 ? done : null });
  }
}

async function update({ proxies }: Api, body: string, proxy: string): Promise<Response> {
  return json(200, await proxies.update(proxy, body));
}

function updateToxic({ proxies }: Api, body: string, proxy: string, toxic: string): Response {
  return json(200, proxies.changeToxic(proxies.get(proxy), toxic, body));
}

function version(): Response {
  return new Response(`{"version": "${TOXIPROXY_VERSION}"}\n`, {
    headers: { "Content-Type": "application/json;charset=utf-8" },
  });
}

function metrics({ proxies }: Api): Response {
  return new Response(metricsOf(proxies.all), {
    headers: { "Content-Type": "text/plain; version=0.0.4; charset=utf-8" },
  });
}

function json(status: number, value: unknown): Response {
  return new Response(typeof value === "string" ? value : encoded(value), {
    status,
    headers: { "Content-Type": "application/json" },
  });
}

/** JSON as Go writes it, which could stand within HTML. */
function encoded(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** An object of the proxies, sorted by name, which an object of ours could not be for numbers. */
function byName(proxies: readonly ToxiProxy[]): string {
  const sorted = proxies.toSorted((a, b) => a.name < b.name ? -1 : 1);
  return `{${sorted.map((proxy) => `${encoded(proxy.name)}:${encoded(proxy.json())}`).join(",")}}`;
}

function nothing(): Response {
  return new Response(null, { status: 204 });
}

function plain(status: number, text: string): Response {
  return new Response(text, {
    status,
    headers: { "Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff" },
  });
}

/** As toxiproxy has it: JSON, with the type of text that Go gives to every error. */
function failure(error: unknown): Response {
  const message = error instanceof Error ? error.message : String(error);
  const status = error instanceof ToxiError ? error.status : 500;
  return plain(status, `${encoded({ error: message, status })}\n`);
}

async function bodyOf(request: Request): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const part of request.body ?? []) {
      size += part.length;
      if (size > LARGEST_BODY) throw badBody(new Error("http: request body too large"));
      parts.push(part);
    }
  } catch (error) {
    throw error instanceof ToxiError ? error : badBody(new Error("unexpected EOF"));
  }
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  return parts.map((part) => decoder.decode(part, { stream: true })).join("") + decoder.decode();
}

/** The names in a path, unless its escapes are wrong. */
function namesIn(pathname: string): string[] | undefined {
  try {
    return decodeURIComponent(pathname).split("/").slice(1);
  } catch {
    return undefined;
  }
}

function matches(path: readonly string[], names: readonly string[]): boolean {
  return path.length === names.length &&
    path.every((part, i) => part === "*" ? names[i] !== "" : part === names[i]);
}
