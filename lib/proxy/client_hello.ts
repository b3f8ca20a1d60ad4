/**
 * What the first message of a TLS client says in the clear: whom it wants to talk to.
 *
 * @module
 */

/** A TLS client's first message, as far as it decides where to go. */
export interface ClientHello {
  /** The name of the server that it wants (RFC 6066, section 3), in lower case. */
  readonly serverName: string | undefined;
  /** What it would speak (RFC 7301), the best first. */
  readonly alpnProtocols: readonly string[];
}

/** The largest that is looked at: more than any client sends, and one record. */
const LARGEST = 16384;

const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
const ALPN = 16;

/**
 * Reads it from the first bytes of a connection: `undefined` while more of them are needed,
 * `null` once they cannot be a client's hello.
 */
export function parseClientHello(bytes: Uint8Array): ClientHello | null | undefined {
  try {
    const message = handshake(bytes);
    return message instanceof Uint8Array ? hello(new Cursor(message)) : message;
  } catch (error) {
    if (error instanceof RangeError) return null; // a length that leads out of what holds it
    throw error;
  }
}

/** The hello without the records that it may be cut into. */
function handshake(bytes: Uint8Array): Uint8Array | null | undefined {
  const parts: number[] = [];
  let size: number | undefined;
  for (let at = 0; size === undefined || parts.length < size;) {
    if (bytes.length > at && bytes[at] !== HANDSHAKE) return null;
    if (bytes.length > at + 1 && bytes[at + 1] !== 3) return null;
    if (bytes.length < at + 5) return undefined;
    const length = bytes[at + 3]! << 8 | bytes[at + 4]!;
    if (length === 0 || length > LARGEST) return null;
    parts.push(...bytes.subarray(at + 5, at + 5 + length));
    if (parts.length > 0 && parts[0] !== CLIENT_HELLO) return null;
    if (parts.length >= 4) size ??= 4 + (parts[1]! << 16 | parts[2]! << 8 | parts[3]!);
    if (size !== undefined && size > LARGEST) return null;
    if (bytes.length < at + 5 + length && (size === undefined || parts.length < size)) {
      return undefined;
    }
    at += 5 + length;
  }
  return Uint8Array.from(parts.slice(4, size));
}

function hello(cursor: Cursor): ClientHello {
  cursor.skip(2 + 32); // version, random
  cursor.skip(cursor.number(1)); // session
  cursor.skip(cursor.number(2)); // ciphers
  cursor.skip(cursor.number(1)); // compression
  let serverName: string | undefined;
  let alpnProtocols: string[] = [];
  const extensions = cursor.done ? new Cursor(new Uint8Array(0)) : cursor.sub(2);
  while (!extensions.done) {
    const type = extensions.number(2);
    const body = extensions.sub(2);
    if (type === SERVER_NAME) serverName = nameOf(body.sub(2));
    else if (type === ALPN) alpnProtocols = protocolsOf(body.sub(2));
  }
  return { serverName, alpnProtocols };
}

function nameOf(list: Cursor): string | undefined {
  while (!list.done) {
    const kind = list.number(1);
    const name = list.sub(2).text();
    if (kind === 0) return name.toLowerCase().replace(/\.$/, "");
  }
  return undefined;
}

function protocolsOf(list: Cursor): string[] {
  const protocols: string[] = [];
  while (!list.done) protocols.push(list.sub(1).text());
  return protocols;
}

/** Reads numbers and parts one behind the other; RangeError if there is not that much. */
class Cursor {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at === this.#bytes.length;
  }

  skip(length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new RangeError("a length leads out of what holds it");
    const part = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return part;
  }

  number(width: number): number {
    return this.skip(width).reduce((sum, byte) => sum << 8 | byte, 0);
  }

  /** What stands behind its length, which is `width` bytes wide. */
  sub(width: number): Cursor {
    return new Cursor(this.skip(this.number(width)));
  }

  text(): string {
    return String.fromCharCode(...this.#bytes);
  }
}
