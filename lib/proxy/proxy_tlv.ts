/**
 * What else a version 2 header can tell: types, lengths and values, behind the addresses.
 *
 * @module
 */

/** Of a client that came over TLS. */
export interface ProxySsl {
  /** That it is about TLS. */
  readonly type: "ssl";
  /** Whether the client came over TLS. */
  readonly ssl: boolean;
  /** Whether it showed a certificate on this connection. */
  readonly certOnConnection: boolean;
  /** Whether it showed one at least once in this TLS session. */
  readonly certInSession: boolean;
  /** 0 if it showed a certificate, and that was verified. */
  readonly verify: number;
  /** The five bits that have no meaning yet, as they stand in their byte. */
  readonly reserved?: number;
  /** Details. */
  readonly tlvs: readonly ProxySslTlv[];
}

/** A detail of TLS; one of an unknown type is kept as it came. */
export type ProxySslTlv =
  | { readonly type: "version" | "cn" | "cipher" | "sig-alg" | "key-alg"; readonly value: string }
  | { readonly type: number; readonly value: Uint8Array };

/**
 * One thing more that is known; one of an unknown type is kept as it came.
 *
 * `crc32c` was checked when it is received, and is computed when it is sent, whatever its
 * value says.
 */
export type ProxyTlv =
  | { readonly type: "authority" | "netns"; readonly value: string }
  | { readonly type: "alpn" | "noop" | "unique-id"; readonly value: Uint8Array }
  | { readonly type: "crc32c"; readonly value: number }
  | ProxySsl
  | { readonly type: number; readonly value: Uint8Array };

const TYPES = {
  alpn: 0x01,
  authority: 0x02,
  crc32c: 0x03,
  noop: 0x04,
  "unique-id": 0x05,
  ssl: 0x20,
  netns: 0x30,
} as const;

const SSL_TYPES = { version: 0x21, cn: 0x22, cipher: 0x23, "sig-alg": 0x24, "key-alg": 0x25 };

const LONGEST_UNIQUE_ID = 128;

/** Something is wrong with TLVs: the rule they break. */
export class TlvError extends Error {}

/** TLVs, and where the value of the checksum begins, if there is one. */
export interface ReadTlvs {
  /** In order. */
  tlvs: ProxyTlv[];
  /** Counted from the first byte of the first TLV. */
  checksumAt: number | undefined;
}

/**
 * Reads TLVs that fill `bytes`.
 *
 * @throws {TlvError} If they are none.
 */
export function readTlvs(bytes: Uint8Array): ReadTlvs {
  const tlvs: ProxyTlv[] = [];
  let checksumAt: number | undefined;
  for (const { type, value, at } of split(bytes)) {
    if (type === TYPES.crc32c) {
      if (checksumAt !== undefined) throw new TlvError("there must be one checksum at most");
      checksumAt = at;
    }
    tlvs.push(read(type, value));
  }
  return { tlvs, checksumAt };
}

function read(type: number, value: Uint8Array): ProxyTlv {
  switch (type) {
    case TYPES.alpn:
      return { type: "alpn", value };
    case TYPES.authority:
      return { type: "authority", value: text(value, "the authority", "utf-8") };
    case TYPES.crc32c:
      if (value.length !== 4) throw new TlvError("a checksum must have 4 bytes");
      return { type: "crc32c", value: view(value).getUint32(0) };
    case TYPES.noop:
      return { type: "noop", value };
    case TYPES["unique-id"]:
      if (value.length > LONGEST_UNIQUE_ID) {
        throw new TlvError(`a unique id must have at most ${LONGEST_UNIQUE_ID} bytes`);
      }
      return { type: "unique-id", value };
    case TYPES.ssl:
      return readSsl(value);
    case TYPES.netns:
      return { type: "netns", value: text(value, "the namespace", "ascii") };
    default:
      return { type, value };
  }
}

function readSsl(value: Uint8Array): ProxySsl {
  if (value.length < 5) throw new TlvError("what is said of TLS must have at least 5 bytes");
  const client = value[0]!;
  const tlvs = Array.from(split(value.subarray(5)), ({ type, value }): ProxySslTlv => {
    const [name] = Object.entries(SSL_TYPES).find(([, number]) => number === type) ?? [];
    if (name === undefined) return { type, value };
    const known = name as keyof typeof SSL_TYPES;
    return { type: known, value: text(value, `the ${name}`, known === "cn" ? "utf-8" : "ascii") };
  });
  return {
    type: "ssl",
    ssl: (client & 1) !== 0,
    certOnConnection: (client & 2) !== 0,
    certInSession: (client & 4) !== 0,
    verify: view(value).getUint32(1),
    ...(client & 0xf8) !== 0 && { reserved: client & 0xf8 },
    tlvs,
  };
}

function* split(bytes: Uint8Array): Generator<{ type: number; value: Uint8Array; at: number }> {
  for (let at = 0; at < bytes.length;) {
    if (bytes.length - at < 3) throw new TlvError("a TLV must have a type and a length");
    const length = bytes[at + 1]! << 8 | bytes[at + 2]!;
    const end = at + 3 + length;
    if (end > bytes.length) throw new TlvError("a TLV must end where the header does, or before");
    yield { type: bytes[at]!, value: bytes.subarray(at + 3, end), at: at + 3 };
    at = end;
  }
}

function text(value: Uint8Array, what: string, charset: "utf-8" | "ascii"): string {
  try {
    if (charset === "ascii" && value.some((byte) => byte > 0x7f)) throw new TypeError();
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(value);
  } catch {
    throw new TlvError(`${what} must be ${charset === "ascii" ? "ASCII" : "UTF-8"}`);
  }
}

/**
 * Writes TLVs; the value of a checksum is left 0, to be filled in.
 *
 * @throws {TlvError} If the other side would refuse them.
 */
export function writeTlvs(tlvs: readonly ProxyTlv[]): number[] {
  return tlvs.flatMap((tlv) => {
    switch (tlv.type) {
      case "ssl":
        return write(TYPES.ssl, writeSsl(tlv));
      case "crc32c":
        return write(TYPES.crc32c, [0, 0, 0, 0]);
      case "authority":
      case "netns":
        return write(TYPES[tlv.type], utf8(tlv.value));
      case "alpn":
      case "noop":
      case "unique-id":
        return write(TYPES[tlv.type], tlv.value);
      default:
        return write(unknown(tlv.type, TYPES), tlv.value);
    }
  });
}

function writeSsl(tlv: ProxySsl): number[] {
  const { ssl, certOnConnection, certInSession, verify, reserved = 0, tlvs } = tlv;
  if ((reserved & ~0xf8) !== 0) throw new TlvError("the reserved bits must be among 0xf8");
  if (!(Number.isInteger(verify) && verify >= 0 && verify <= 0xffffffff)) {
    throw new TlvError(`'verify' must be from 0 to 2 ** 32 - 1: it is ${verify}`);
  }
  const client = (ssl ? 1 : 0) | (certOnConnection ? 2 : 0) | (certInSession ? 4 : 0) | reserved;
  const parts = tlvs.flatMap(({ type, value }) =>
    typeof value === "string"
      ? write(SSL_TYPES[type as keyof typeof SSL_TYPES], utf8(value))
      : write(unknown(type as number, SSL_TYPES), value)
  );
  return [
    client,
    verify >>> 24,
    verify >>> 16 & 0xff,
    verify >>> 8 & 0xff,
    verify & 0xff,
    ...parts,
  ];
}

/** A type by its number must be one that has no name, or it would be read as another thing. */
function unknown(type: number, named: Record<string, number>): number {
  if (Number.isInteger(type) && type >= 0 && type <= 255 && !Object.values(named).includes(type)) {
    return type;
  }
  throw new TlvError(`the type of a TLV must be a name, or a number that has none: it is ${type}`);
}

function write(type: number, value: ArrayLike<number> & Iterable<number>): number[] {
  if (value.length > 0xffff) throw new TlvError("a TLV must have at most 65535 bytes");
  return [type, value.length >> 8, value.length & 0xff, ...value];
}

function utf8(value: string): Uint8Array {
  if (!value.isWellFormed()) throw new TlvError("text must be well-formed");
  return new TextEncoder().encode(value);
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
