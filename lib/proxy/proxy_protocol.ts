/**
 * The PROXY protocol, by which a proxy tells a server who is really there: ahead of
 * everything else it sends a header with the addresses of its own client.
 *
 * Who reads headers must know that there will be one, and from whom: were it guessed, any
 * client could write one, and be whoever it likes.
 *
 * @example A header, and the bytes behind it
 * ```ts
 * import { encodeProxyHeader, proxyHeader, ProxyProtocolDecoder } from "@tcplab/tcplab/proxy";
 * import { assertEquals } from "@std/assert";
 *
 * const client = { hostname: "192.0.2.7", port: 51000 };
 * const server = { hostname: "192.0.2.1", port: 443 };
 * const bytes = encodeProxyHeader(proxyHeader(client, server), { version: 2 });
 *
 * const decoder = new ProxyProtocolDecoder({ version: 2 });
 * decoder.push(Uint8Array.of(...bytes, 1, 2, 3));
 * assertEquals(decoder.next()?.source, client);
 * assertEquals(decoder.rest(), Uint8Array.of(1, 2, 3));
 * ```
 *
 * @module
 */

import { type Decoder, FrameError } from "../framing/decoder.ts";
import { type Fault, Feed } from "../framing/_feed.ts";
import { parseIp } from "./ip.ts";
import type { ProxyHeader, ReceivedProxyHeader } from "./proxy_header.ts";
import { encodeLine, takeLine } from "./proxy_protocol_v1.ts";
import { encodeBinary, missingBytes, SIGNATURE, takeBinary } from "./proxy_protocol_v2.ts";

/** Options for {@linkcode ProxyProtocolDecoder}. */
export interface ProxyProtocolOptions {
  /**
   * What is spoken: 1, 2, or either, told apart by the first byte.
   *
   * @default {"either"}
   */
  version?: 1 | 2 | "either";
  /**
   * The most bytes of a version 2 header, 16 to 65551. Version 1 has a limit of its own, 107.
   *
   * @default {4096}
   */
  maxLength?: number;
}

/**
 * Decodes the header that a stream begins with. What follows is not looked at:
 * {@linkcode rest} has it.
 */
export class ProxyProtocolDecoder implements Decoder<ReceivedProxyHeader> {
  readonly #feed: Feed<ReceivedProxyHeader> = new Feed(() => this.#next());
  readonly #version: 1 | 2 | "either";
  readonly #maxLength: number;
  #done = false;

  /**
   * Knows what is spoken.
   *
   * @throws {RangeError} If `maxLength` is not 16 to 65551.
   */
  constructor(options: ProxyProtocolOptions = {}) {
    const { version = "either", maxLength = 4096 } = options;
    this.#version = version;
    this.#maxLength = checkLength("decode", maxLength);
  }

  /** Bytes held now: of the unfinished header, or behind the whole one. */
  get buffered(): number {
    return this.#feed.buffered;
  }

  /** Takes bytes as they came. */
  push(chunk: Uint8Array): void {
    this.#feed.push(chunk);
  }

  /** Says that no more bytes will come, which is an error ahead of a whole header. */
  end(): void {
    this.#feed.end();
  }

  /** Takes the bytes behind the header; none before that has come. */
  rest(): Uint8Array {
    return this.#feed.queue.take(this.#done ? this.#feed.queue.length : 0);
  }

  /**
   * The header, once; `undefined` until it has come and afterwards.
   *
   * @throws {FrameError} If the stream begins with something else, at the first byte that
   * shows it; or ends before the header does, or at once.
   */
  next(): ReceivedProxyHeader | undefined {
    return this.#feed.next();
  }

  #next(): ReceivedProxyHeader | undefined {
    if (this.#done) return undefined;
    const { queue, ended } = this.#feed;
    const version = queue.length === 0 ? undefined : this.#tellVersion(queue.peek(0));
    const header = version === undefined
      ? undefined
      : version === 1
      ? takeLine(queue, this.#fault)
      : takeBinary(queue, this.#maxLength, this.#fault);
    if (header !== undefined) {
      this.#done = true;
      return { version: version!, ...header };
    }
    if (ended) {
      throw this.#fault("truncated", "the stream must not end before its header does", {
        missing: version === 2 ? missingBytes(queue) : 1,
      });
    }
    return undefined;
  }

  #tellVersion(first: number): 1 | 2 {
    if (this.#version !== "either") return this.#version;
    if (first === SIGNATURE[0]) return 2;
    if (first === "P".charCodeAt(0)) return 1;
    throw this.#fault("malformed", "the stream must begin with one");
  }

  readonly #fault: Fault = (code, rule, facts = {}) =>
    new FrameError(code, `Cannot decode a PROXY header as ${rule}`, { ...facts, offset: 0 });
}

/** Options for {@linkcode encodeProxyHeader}. */
export interface EncodeProxyHeaderOptions {
  /** What is spoken: 1 is text, 2 is binary. */
  version: 1 | 2;
  /**
   * The most bytes of a version 2 header, 16 to 65551.
   *
   * @default {4096}
   */
  maxLength?: number;
}

/**
 * The bytes of a header, to be sent ahead of everything else, in one write.
 *
 * @throws {TypeError} If it is none that the other side would take: a wrong address, or
 * something that version 1 has no words for.
 * @throws {RangeError} If a port is none, or it is too long.
 */
export function encodeProxyHeader(
  header: ProxyHeader,
  options: EncodeProxyHeaderOptions,
): Uint8Array<ArrayBuffer> {
  const { version, maxLength = 4096 } = options;
  checkLength("encode", maxLength);
  if (header.family === "inet" || header.family === "inet6") checkEnds(header);
  return version === 1 ? encodeLine(header) : encodeBinary(header, maxLength);
}

function checkEnds({ family, source, destination }: ProxyHeader): void {
  for (const end of [source, destination]) {
    if (end === undefined || end instanceof Uint8Array) continue;
    if (parseIp(end.hostname)?.length !== (family === "inet" ? 4 : 16)) {
      throw new TypeError(
        `Cannot encode a PROXY header as its addresses must be those of ${family}: ` +
          `current value is ${JSON.stringify(end.hostname)}`,
      );
    }
    if (!(Number.isInteger(end.port) && end.port >= 0 && end.port <= 65535)) {
      throw new RangeError(
        `Cannot encode a PROXY header as a port must be 0 to 65535: current value is ${end.port}`,
      );
    }
  }
}

function checkLength(deed: string, maxLength: number): number {
  if (Number.isInteger(maxLength) && maxLength >= 16 && maxLength <= 65551) return maxLength;
  throw new RangeError(
    `Cannot ${deed} a PROXY header as 'maxLength' must be 16 to 65551: ` +
      `current value is ${maxLength}`,
  );
}
