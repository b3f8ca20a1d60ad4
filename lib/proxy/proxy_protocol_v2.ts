/**
 * PROXY protocol, version 2: binary, and as long as it says.
 *
 * @module
 */

import type { ByteQueue } from "../bytes.ts";
import type { Fault } from "../framing/_feed.ts";
import { crc32c } from "./crc32c.ts";
import { formatIp, parseIp } from "./ip.ts";
import {
  type ProxiedInet,
  type ProxiedUnix,
  PROXY_LOCAL,
  type ProxyHeader,
  type ProxyTransport,
} from "./proxy_header.ts";
import { type ReadTlvs, readTlvs, TlvError, writeTlvs } from "./proxy_tlv.ts";

/** What no other protocol begins with. */
export const SIGNATURE: Uint8Array = Uint8Array.of(
  ...[0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a],
);

/** Up to and with the length. */
const FIXED = 16;

const FAMILIES = ["unspec", "inet", "inet6", "unix"] as const;
const TRANSPORTS: readonly ProxyTransport[] = ["unspec", "stream", "dgram"];

/** How many bytes the two addresses take, and the ports. */
const ADDRESSES = { inet: 12, inet6: 36, unix: 216 };
const PATH = 108;

/** Takes the header, once it has come; refuses one at the first byte that shows it is none. */
export function takeBinary(
  queue: ByteQueue,
  maxLength: number,
  fault: Fault,
): ProxyHeader | undefined {
  checkBeginning(queue, fault);
  if (queue.length < FIXED) return undefined;
  const length = queue.peekUint(14, 2);
  if (FIXED + length > maxLength) {
    throw fault("too-long", `it must be at most ${maxLength} bytes long`, {
      limit: maxLength,
      length: FIXED + length,
    });
  }
  if (queue.length < FIXED + length) return undefined;
  // Copied, so that it can be kept without the chunk that it came in.
  const header = queue.take(FIXED + length).slice();
  return header[12] === 0x20 ? PROXY_LOCAL : readBinary(header, fault);
}

/** How many bytes are missing, as far as that is known. */
export function missingBytes(queue: ByteQueue): number {
  if (queue.length < FIXED) return FIXED - queue.length;
  return FIXED + queue.peekUint(14, 2) - queue.length;
}

/** Looks at what has come of the fixed part. */
function checkBeginning(queue: ByteQueue, fault: Fault): void {
  const came = Math.min(queue.length, FIXED);
  for (let at = 0; at < Math.min(came, SIGNATURE.length); at++) {
    if (queue.peek(at) !== SIGNATURE[at]) {
      throw fault("malformed", "it must begin with the signature of version 2");
    }
  }
  if (came < 13) return;
  const command = queue.peek(12);
  if (command >> 4 !== 2) {
    throw fault("malformed", `its version must be 2: it is ${command >> 4}`);
  }
  if ((command & 15) > 1) {
    throw fault("malformed", `its command must be LOCAL or PROXY: it is ${command & 15}`);
  }
  // Of a LOCAL connection, the family must be ignored.
  if (came < 14 || command === 0x20) return;
  const family = queue.peek(13);
  if (FAMILIES[family >> 4] === undefined || TRANSPORTS[family & 15] === undefined) {
    throw fault("malformed", `its family must be a known one: it is 0x${family.toString(16)}`);
  }
}

function readBinary(header: Uint8Array, fault: Fault): ProxyHeader {
  const family = FAMILIES[header[13]! >> 4]!;
  const transport = TRANSPORTS[header[13]! & 15]!;
  const payload = header.subarray(FIXED);
  if (family === "unspec" || transport === "unspec") {
    return { command: "PROXY", family, transport, payload };
  }
  const size = ADDRESSES[family];
  if (payload.length < size) {
    throw fault("malformed", `its addresses must have ${size} bytes: they have ${payload.length}`);
  }
  const { tlvs, checksumAt } = readExtras(payload.subarray(size), fault);
  if (checksumAt !== undefined) checkSum(header, FIXED + size + checksumAt, fault);
  if (family === "unix") {
    const source = trimmed(payload.subarray(0, PATH));
    const destination = trimmed(payload.subarray(PATH, 2 * PATH));
    return { command: "PROXY", family, transport, source, destination, tlvs };
  }
  const width = (size - 4) / 2;
  const end = (which: 0 | 1) => {
    const port = 2 * width + 2 * which;
    return {
      hostname: formatIp(payload.subarray(which * width, (which + 1) * width)),
      port: payload[port]! << 8 | payload[port + 1]!,
    };
  };
  return { command: "PROXY", family, transport, source: end(0), destination: end(1), tlvs };
}

function readExtras(bytes: Uint8Array, fault: Fault): ReadTlvs {
  try {
    return readTlvs(bytes);
  } catch (error) {
    if (error instanceof TlvError) throw fault("malformed", error.message);
    throw error;
  }
}

function checkSum(header: Uint8Array, at: number, fault: Fault): void {
  const blank = header.slice().fill(0, at, at + 4);
  const said = new DataView(header.buffer, header.byteOffset).getUint32(at);
  if (crc32c(blank) !== said) throw fault("malformed", "its checksum must be right");
}

/**
 * The bytes of `header`, whose addresses were checked.
 *
 * @throws {TypeError | RangeError} If the other side would refuse the rest of it.
 */
export function encodeBinary(header: ProxyHeader, maxLength: number): Uint8Array<ArrayBuffer> {
  const { command, family, transport } = header;
  const payload = command === "LOCAL"
    ? []
    : header.source === undefined
    ? [...header.payload]
    : [...ends(header), ...extras(header)];
  const bytes = Uint8Array.of(
    ...SIGNATURE,
    0x20 | (command === "PROXY" ? 1 : 0),
    FAMILIES.indexOf(family) << 4 | TRANSPORTS.indexOf(transport),
    payload.length >> 8,
    payload.length & 0xff,
    ...payload,
  );
  if (bytes.length > maxLength) {
    throw new RangeError(
      `Cannot encode a PROXY header as it must be at most ${maxLength} bytes long: ` +
        `current value has ${FIXED + payload.length}`,
    );
  }
  fillIn(header, bytes);
  return bytes;
}

/** Computes the checksum, if one is asked for. */
function fillIn(header: ProxyHeader, bytes: Uint8Array): void {
  if (header.command === "LOCAL" || header.source === undefined) return;
  const start = FIXED + ADDRESSES[header.family];
  const { checksumAt } = readTlvs(bytes.subarray(start));
  if (checksumAt === undefined) return;
  new DataView(bytes.buffer).setUint32(start + checksumAt, crc32c(bytes));
}

function ends({ family, source, destination }: ProxiedInet | ProxiedUnix): number[] {
  if (family === "unix") return [...padded(source), ...padded(destination)];
  const ips = [source, destination].map(({ hostname }) => parseIp(hostname)!);
  const ports = [source, destination].flatMap(({ port }) => [port >> 8, port & 0xff]);
  return [...ips.flatMap((ip) => [...ip]), ...ports];
}

function extras({ tlvs }: ProxiedInet | ProxiedUnix): number[] {
  try {
    const bytes = writeTlvs(tlvs);
    readTlvs(Uint8Array.from(bytes)); // what the other side would refuse is refused here
    return bytes;
  } catch (error) {
    if (!(error instanceof TlvError)) throw error;
    throw new TypeError(`Cannot encode a PROXY header as ${error.message}`, { cause: error });
  }
}

function padded(path: Uint8Array): Uint8Array {
  if (path.length > PATH) {
    throw new RangeError(
      `Cannot encode a PROXY header as a path must have at most ${PATH} bytes: ` +
        `current value has ${path.length}`,
    );
  }
  const bytes = new Uint8Array(PATH);
  bytes.set(path);
  return bytes;
}

function trimmed(path: Uint8Array): Uint8Array {
  return path.subarray(0, path.findLastIndex((byte) => byte !== 0) + 1);
}
