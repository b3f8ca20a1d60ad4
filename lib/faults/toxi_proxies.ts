/** All proxies of the API, and what can be done to them. */

import { formatAddr } from "../addr.ts";
import type { AttributeValue, FaultType } from "./fault_types.ts";
import { FAULT_TYPES, textRule } from "./fault_types.ts";
import {
  decodeFirst,
  fieldsOf,
  GoJsonError,
  GoObject,
  type GoStruct,
  type GoType,
  type GoValue,
  kindOf,
} from "./_go_json.ts";
import { goListenAddr } from "./_go_addr.ts";
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

const PROXY: GoStruct = { type: "toxiproxy.Proxy", name: "Proxy" };
const PROXY_FIELDS = {
  name: "string",
  listen: "string",
  upstream: "string",
  enabled: "bool",
} as const;
const POPULATED: GoStruct = {
  type: 'struct { toxiproxy.Proxy; Enabled *bool "json:\\"enabled\\"" }',
  name: "",
};
const WRAPPER: GoStruct = { type: "toxics.ToxicWrapper", name: "ToxicWrapper" };
const CHANGE: GoStruct = {
  type:
    'struct { Attributes interface {} "json:\\"attributes\\""; Toxicity float32 "json:\\"toxicity\\"" }',
  name: "",
};

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
    const input = decoded(() => proxyIn(decodeFirst(body), PROXY));
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
          `json: cannot unmarshal ${kindOf(value)} into Go value of type []${POPULATED.type}`,
        );
      }
      return (value ?? []).map((item) => proxyIn(item, POPULATED));
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
      if (existing) checkListen(listen);
      await existing?.stop();
      done.push((await this.#add(name, listen, upstream, enabled)).json());
    }
  }

  async update(name: string, body: string): Promise<ProxyJson> {
    const proxy = this.get(name);
    const input = decoded(() => proxyIn(decodeFirst(body), PROXY));
    const { listen = proxy.listen, upstream = proxy.upstream, enabled = proxy.enabled } = input;
    checkListen(listen);
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
    const given = decoded(() =>
      fieldsOf(decodeFirst(body), WRAPPER, {
        name: "string",
        type: "string",
        stream: "string",
        toxicity: "float32",
        // What Go reads them into while it does not know the type yet.
        attributes: "toxics.NoopToxic",
      })
    );
    const input = Object.fromEntries(given) as Partial<Omit<ToxicJson, "stream">>;
    const { type = "", toxicity = 1 } = input;
    const told = (Object.fromEntries(given) as { stream?: string }).stream ?? "downstream";
    const stream = told.toLowerCase();
    if (!isStream(stream)) {
      throw new ToxiError("stream was invalid, can be either upstream or downstream", 400);
    }
    const name = input.name || `${type}_${told}`;
    if (!Object.hasOwn(FAULT_TYPES, type)) throw new ToxiError("invalid toxic type", 400);
    if (proxy.toxics.some((toxic) => toxic.name === name)) {
      throw new ToxiError("toxic already exists", 409);
    }
    const attributes = attributesIn(type, given, defaultsOf(type));
    const toxic = { attributes, name, type, stream, toxicity };
    proxy.add(toxic);
    return toxic;
  }

  changeToxic(proxy: ToxiProxy, name: string, body: string): ToxicJson {
    const toxic = this.toxic(proxy, name);
    const given = decoded(() =>
      fieldsOf(decodeFirst(body), CHANGE, {
        attributes: structOf(toxic.type),
        toxicity: "float32",
      })
    );
    const { toxicity = toxic.toxicity } = Object.fromEntries(given) as Partial<ToxicJson>;
    proxy.change(toxic, attributesIn(toxic.type, given, toxic.attributes), toxicity);
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

/** What is no address cannot take the place of one that is. */
function checkListen(listen: string): void {
  try {
    goListenAddr(listen);
  } catch (error) {
    throw new ToxiError((error as Error).message, 500, { cause: error });
  }
}

function isStream(text: string): text is ToxicStream {
  return text === "upstream" || text === "downstream";
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

function proxyIn(value: GoValue, struct: GoStruct): ProxyInput {
  return Object.fromEntries(fieldsOf(value, struct, PROXY_FIELDS));
}

/** `old`, with what the attributes among `given` say of those that the type has. */
function attributesIn(
  type: string,
  given: readonly [string, unknown][],
  old: ToxicJson["attributes"],
): ToxicJson["attributes"] {
  const { attributes, toxic = type } = FAULT_TYPES[type] as FaultType;
  const types = Object.fromEntries(
    Object.entries(attributes).map(([name, { kind }]): [string, GoType] => [
      name,
      type === "slicer" ? "int" : GO_TYPES[kind],
    ]),
  );
  const struct = { type: structOf(type), name: toxic, path: "attributes." };
  const result = { ...old };
  for (const [name, value] of given) {
    if (name !== "attributes" || !(value instanceof GoObject)) continue;
    for (const [attribute, told] of decoded(() => fieldsOf(value, struct, types))) {
      const rule = textRule(attributes[attribute]!, told as AttributeValue);
      if (rule !== undefined) throw badBody(new GoJsonError(`'${attribute}' must be ${rule}`));
      result[attribute] = told as AttributeValue;
    }
  }
  return result;
}

/** Go's type for the attributes of a type of toxic. */
function structOf(type: string): `toxics.${string}` {
  return `toxics.${FAULT_TYPES[type]?.toxic ?? type}`;
}

const GO_TYPES = {
  integer: "int64",
  number: "float64",
  string: "string",
  boolean: "bool",
} as const;
