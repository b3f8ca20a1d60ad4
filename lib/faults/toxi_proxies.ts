/** All proxies of the API, and what can be done to them. */

import { formatAddr } from "../addr.ts";
import type { AttributeValue, FaultType } from "./fault_types.ts";
import { FAULT_TYPES } from "./fault_types.ts";
import { decodeFirst, fieldsOf, GoJsonError, type GoType, kindOf } from "./_go_json.ts";
import type { FaultyLink } from "./faulty_link.ts";
import { badBody, listenError, ToxiError } from "./toxi_error.ts";
import {
  defaultsOf,
  type ProxyJson,
  type ToxicJson,
  type ToxicStream,
  type ToxiLinkOptions,
  ToxiProxy,
} from "./toxi_proxy.ts";

const PROXY = { name: "Proxy", package: "toxiproxy" };
const PROXY_FIELDS = {
  name: "string",
  listen: "string",
  upstream: "string",
  enabled: "bool",
} as const;
const WRAPPER = { name: "ToxicWrapper", package: "toxics" };
const POPULATED = '[]struct { toxiproxy.Proxy; Enabled *bool "json:\\"enabled\\"" }';

interface ProxyInput {
  name?: string;
  listen?: string;
  upstream?: string;
  enabled?: boolean;
}

/** The proxies, by name. */
export class ToxiProxies implements AsyncDisposable {
  readonly #options: ToxiLinkOptions;
  readonly #proxies = new Map<string, ToxiProxy>();

  constructor(options: ToxiLinkOptions) {
    this.#options = options;
  }

  get all(): readonly ToxiProxy[] {
    return [...this.#proxies.values()];
  }

  /** @throws {ToxiError} If there is none of this name. */
  get(name: string): ToxiProxy {
    const proxy = this.#proxies.get(name);
    if (proxy === undefined) throw new ToxiError("proxy not found", 404);
    return proxy;
  }

  async create(body: string): Promise<ProxyJson> {
    const input = decoded(() => fieldsOf(decodeFirst(body), PROXY, PROXY_FIELDS) as ProxyInput);
    const { name = "", listen = "", upstream = "", enabled = true } = input;
    required({ name, upstream });
    if (this.#proxies.has(name)) throw new ToxiError("proxy already exists", 409);
    return (await this.#add(name, listen, upstream, enabled)).json();
  }

  /** Takes a link for a proxy, and puts these toxics on it. */
  adopt(name: string, link: FaultyLink, toxics: readonly ToxicJson[]): void {
    if (this.#proxies.has(name)) throw new ToxiError("proxy already exists", 409);
    const { addr, target } = link;
    const proxy = new ToxiProxy(name, formatAddr(addr), formatAddr(target), this.#options, link);
    this.#proxies.set(name, proxy);
    for (const toxic of toxics) proxy.add(toxic);
  }

  /** Makes or replaces several; in the error, `done` says which there are already. */
  async populate(body: string, done: ProxyJson[]): Promise<void> {
    const inputs = decoded(() => {
      const value = decodeFirst(body);
      if (value !== null && !Array.isArray(value)) {
        throw new GoJsonError(
          `json: cannot unmarshal ${kindOf(value)} into Go value of type ${POPULATED}`,
        );
      }
      return (value ?? []).map((item) => fieldsOf(item, PROXY, PROXY_FIELDS) as ProxyInput);
    });
    for (const [i, { name = "", upstream = "" }] of inputs.entries()) {
      required({ name, upstream }, ` at proxy ${i + 1}`);
    }
    for (const { name = "", listen = "", upstream = "", enabled = true } of inputs) {
      const existing = this.#proxies.get(name);
      if (existing?.isAt(listen, upstream)) {
        done.push(existing.json());
        continue;
      }
      await existing?.stop();
      done.push((await this.#add(name, listen, upstream, enabled)).json());
    }
  }

  async update(name: string, body: string): Promise<ProxyJson> {
    const proxy = this.get(name);
    const input = decoded(() => fieldsOf(decodeFirst(body), PROXY, PROXY_FIELDS) as ProxyInput);
    const { listen = proxy.listen, upstream = proxy.upstream, enabled = proxy.enabled } = input;
    if (!proxy.isAt(listen, upstream)) await proxy.move(listen, upstream);
    if (enabled && !proxy.enabled) await start(proxy);
    if (!enabled) await proxy.stop();
    return proxy.json();
  }

  async remove(name: string): Promise<void> {
    const proxy = this.get(name);
    this.#proxies.delete(name);
    await proxy.stop();
  }

  /** Every proxy listens, and no toxic is left. */
  async reset(): Promise<void> {
    for (const proxy of this.all) {
      await start(proxy);
      proxy.clear();
    }
  }

  /** @throws {ToxiError} If there is none of this name. */
  toxic(proxy: ToxiProxy, name: string): ToxicJson {
    const toxic = proxy.toxics.find((toxic) => toxic.name === name);
    if (toxic === undefined) throw new ToxiError("toxic not found", 404);
    return toxic;
  }

  addToxic(proxy: ToxiProxy, body: string): ToxicJson {
    const input = decoded(() =>
      fieldsOf(decodeFirst(body), WRAPPER, {
        name: "string",
        type: "string",
        stream: "string",
        toxicity: "float32",
        attributes: "any",
      })
    );
    const { stream: told = "downstream", type = "", toxicity = 1 } = input as Partial<ToxicJson>;
    const stream = told.toLowerCase();
    if (!isStream(stream)) {
      throw new ToxiError("stream was invalid, can be either upstream or downstream", 400);
    }
    const name = (input.name as string | undefined) || `${type}_${told}`;
    if (!Object.hasOwn(FAULT_TYPES, type)) throw new ToxiError("invalid toxic type", 400);
    if (proxy.toxics.some((toxic) => toxic.name === name)) {
      throw new ToxiError("toxic already exists", 409);
    }
    const attributes = attributesIn(type, input.attributes, defaultsOf(type));
    const toxic = { attributes, name, type, stream, toxicity: checkToxicity(toxicity) };
    proxy.add(toxic);
    return toxic;
  }

  changeToxic(proxy: ToxiProxy, name: string, body: string): ToxicJson {
    const toxic = this.toxic(proxy, name);
    const input = decoded(() =>
      fieldsOf(decodeFirst(body), { name: "", package: "struct" }, {
        attributes: "any",
        toxicity: "float32",
      })
    );
    const { toxicity = toxic.toxicity } = input as Partial<ToxicJson>;
    const attributes = attributesIn(toxic.type, input.attributes, toxic.attributes);
    proxy.change(toxic, attributes, checkToxicity(toxicity));
    return toxic;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.all.map((proxy) => proxy.stop()));
    this.#proxies.clear();
  }

  async #add(name: string, listen: string, upstream: string, on: boolean): Promise<ToxiProxy> {
    const proxy = new ToxiProxy(name, listen, upstream, this.#options);
    if (on) await start(proxy);
    this.#proxies.set(name, proxy);
    return proxy;
  }
}

async function start(proxy: ToxiProxy): Promise<void> {
  const { listen } = proxy;
  try {
    await proxy.start();
  } catch (error) {
    throw listenError(error, listen);
  }
}

function isStream(text: string): text is ToxicStream {
  return text === "upstream" || text === "downstream";
}

/** toxiproxy takes any number; what is beyond always or never is the same as always or never. */
function checkToxicity(toxicity: number): number {
  return Math.min(1, Math.max(0, toxicity));
}

function required(fields: Record<string, string>, where = ""): void {
  for (const [name, value] of Object.entries(fields)) {
    if (value === "") throw new ToxiError(`missing required field: ${name}${where}`, 400);
  }
}

function decoded<T>(decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    throw badBody(error as Error);
  }
}

/** `old`, with what `value` says of the attributes that the type has. */
function attributesIn(
  type: string,
  value: unknown,
  old: ToxicJson["attributes"],
): ToxicJson["attributes"] {
  if (value === undefined || value === null) return { ...old };
  const { attributes, toxic = type } = FAULT_TYPES[type] as FaultType;
  const types = Object.fromEntries(
    Object.entries(attributes).map(([name, { kind }]): [string, GoType] => [name, GO_TYPES[kind]]),
  );
  const struct = { name: toxic, package: "toxics" };
  const fields = decoded(() => fieldsOf(value, struct, types, `.attributes`));
  for (const [name, given] of Object.entries(fields)) {
    const { values } = attributes[name]!;
    if (values === undefined || values.includes(given as string)) continue;
    throw badBody(new GoJsonError(`'${name}' must be one of ${values.join(", ")}`));
  }
  return { ...old, ...fields as Record<string, AttributeValue> };
}

const GO_TYPES = {
  integer: "int64",
  number: "float64",
  string: "string",
  boolean: "bool",
} as const;
