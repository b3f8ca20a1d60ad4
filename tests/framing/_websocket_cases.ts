/**
 * What may come over a WebSocket and what an echo must make of it, case by case, after the
 * sections of the Autobahn suite. Both roles are put to it: frames are masked as the role
 * that sends them must.
 */

/** A frame to be sent, in whatever wrong shape. */
export interface RawFrame {
  /** What it claims to carry. */
  opcode: number;
  /** Its bytes. */
  payload: Uint8Array;
  /** Whether it claims to be the last; `true` if left out. */
  fin?: boolean;
  /** The three reserved bits, as a number; 0 if left out. */
  reserved?: number;
  /** How many bytes the length takes: 0, 2 or 8; as few as it needs if left out. */
  lengthBytes?: 0 | 2 | 8;
}

/** What the peer hears: its echoes and pongs as text, and at last the Close. */
export type Heard = string;

/** One case. */
export interface WebSocketCase {
  /** What is sent, in words. */
  what: string;
  /** What is sent; a Close with 1000 follows unless it is `final`. */
  frames: RawFrame[];
  /** What comes back ahead of the Close. */
  heard: Heard[];
  /** The code of the Close that comes back, `"none"` if it carries none. */
  close: number | "none";
  /** Whether nothing else is to be sent, since the frames end it. */
  final: boolean;
}

const UTF8 = new TextEncoder();

/** A payload from text or from hexadecimal digits such as `<ed a0 80>`. */
function payloadOf(what: string | Uint8Array): Uint8Array {
  if (what instanceof Uint8Array) return what;
  const hex = /^<([0-9a-f ]*)>$/.exec(what)?.[1];
  if (hex === undefined) return UTF8.encode(what);
  return Uint8Array.from(hex.replaceAll(" ", "").match(/../g) ?? [], (two) => parseInt(two, 16));
}

type Payload = string | Uint8Array;
type Extra = Omit<RawFrame, "opcode" | "payload">;
const kind = (opcode: number) => (payload: Payload, extra: Extra = {}): RawFrame => ({
  opcode,
  payload: payloadOf(payload),
  ...extra,
});
const more = { fin: false };
const continued = kind(0);
const text = kind(1);
const binary = kind(2);
const close = kind(8);
const ping = kind(9);
const pong = kind(10);

/** How a text, bytes or a pong is shown; long ones by their length and first byte. */
export function shown(type: string, payload: Uint8Array): Heard {
  const hex = Array.from(payload.subarray(0, 200), (byte) => byte.toString(16).padStart(2, "0"));
  return `${type} ${payload.length}: ${hex.join("")}`;
}

const says = (type: string) => (payload: Payload): Heard => shown(type, payloadOf(payload));
const textBack = says("text");
const binaryBack = says("binary");
const pongBack = says("pong");

function good(what: string, frames: RawFrame[], heard: Heard[]): WebSocketCase {
  return { what, frames, heard, close: 1000, final: false };
}

function bad(what: string, close: number, frames: RawFrame[], heard: Heard[] = []): WebSocketCase {
  return { what, frames, heard, close, final: true };
}

function codePayload(code: number, reason: Payload = ""): Uint8Array {
  return Uint8Array.of(code >> 8, code & 0xff, ...payloadOf(reason));
}

function* framing(): Generator<WebSocketCase> {
  for (const length of [0, 125, 126, 127, 128, 65535, 65536]) {
    const letters = "*".repeat(length);
    yield good(`a text of ${length}`, [text(letters)], [textBack(letters)]);
    const bytes = new Uint8Array(length).fill(0xfe);
    yield good(`${length} bytes`, [binary(bytes)], [binaryBack(bytes)]);
  }
  for (const [length, lengthBytes] of [[125, 2], [0, 8], [126, 8], [65535, 8]] as const) {
    const what = `${length} bytes whose length takes ${lengthBytes}`;
    yield bad(what, 1002, [binary(new Uint8Array(length), { lengthBytes })]);
  }
}

function* pings(): Generator<WebSocketCase> {
  const longest = new Uint8Array(125).fill(0xfe);
  for (const payload of ["", "Hello, world!", "<00 ff fe fd fc fb 00 ff>", longest]) {
    yield good(`a ping of ${payload.length}`, [ping(payload)], [pongBack(payload)]);
    yield good(`a pong of ${payload.length} that nobody asked for`, [pong(payload)], []);
  }
  const tooLong = new Uint8Array(126).fill(0xfe);
  yield bad("a ping of 126", 1002, [ping(tooLong)]);
  yield bad("a pong of 126", 1002, [pong(tooLong)]);
  yield good("a pong, then a ping", [pong("a"), ping("b")], [pongBack("b")]);
  const ten = Array.from({ length: 10 }, (_, i) => `payload-${i}`);
  yield good("ten pings at once", ten.map((each) => ping(each)), ten.map(pongBack));
}

function* reserved(): Generator<WebSocketCase> {
  for (let bits = 1; bits < 8; bits++) {
    for (const frame of [text("x"), binary("<00>"), ping(""), pong(""), close("")]) {
      yield bad(
        `reserved bits ${bits} with opcode ${frame.opcode}`,
        1002,
        [text("before"), { ...frame, reserved: bits }, ping("after")],
        [textBack("before")],
      );
    }
  }
}

function* opcodes(): Generator<WebSocketCase> {
  for (const opcode of [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]) {
    for (const payload of ["", "reserved opcode payload"]) {
      yield bad(
        `opcode ${opcode} with ${payload.length} bytes`,
        1002,
        [text("before"), kind(opcode)(payload), ping("after")],
        [textBack("before")],
      );
    }
  }
}

function* fragments(): Generator<WebSocketCase> {
  yield bad("a ping in two fragments", 1002, [ping("a", more), continued("b")]);
  yield bad("a pong in two fragments", 1002, [pong("a", more), continued("b")]);
  yield bad("a Close in two fragments", 1002, [close(codePayload(1000), more), continued("")]);
  const halves = [text("fragment1", more), continued("fragment2")] as const;
  const whole = textBack("fragment1fragment2");
  yield good("a text in two fragments", [...halves], [whole]);
  yield good("a ping between fragments", [halves[0], ping("p"), halves[1]], [pongBack("p"), whole]);
  yield good("a pong between fragments", [halves[0], pong("p"), halves[1]], [whole]);
  const five = ["1", "2", "3", "4", "5"].map((each, i) => {
    return i === 0 ? text(each, more) : continued(each, { fin: i === 4 });
  });
  yield good(
    "pings after the second and the fourth of five fragments",
    [...five.slice(0, 2), ping("a"), ...five.slice(2, 4), ping("b"), five[4]!],
    [pongBack("a"), pongBack("b"), textBack("12345")],
  );
  for (const fin of [true, false]) {
    yield bad(`nothing to continue, fin ${fin}`, 1002, [continued("a", { fin }), text("b")]);
    yield bad(
      `nothing to continue any more, fin ${fin}`,
      1002,
      [...halves, continued("a", { fin }), text("b")],
      [whole],
    );
  }
  yield bad("a text inside a text", 1002, [text("a", more), text("b"), continued("c")]);
  yield bad("a text begun inside a text", 1002, [text("a", more), text("b", more)]);
  yield bad("bytes inside a text", 1002, [text("a", more), binary("<00>")]);
  yield bad("a text inside bytes", 1002, [binary("<00>", more), text("a")]);
  yield good(
    "fragments without bytes",
    [text("", more), continued("", more), continued("")],
    [textBack("")],
  );
  yield good(
    "a fragment with bytes between two without",
    [text("", more), continued("middle", more), continued("")],
    [textBack("middle")],
  );
  const many = Array.from({ length: 100 }, (_, i) => {
    return i === 0 ? binary("<00>", more) : continued("<01>", { fin: i === 99 });
  });
  yield good("a hundred fragments", many, [
    binaryBack(Uint8Array.from({ length: 100 }, (_, i) => i === 0 ? 0 : 1)),
  ]);
}

/** What UTF-8 is, at its borders. */
const VALID = [
  ..."Hello-\u00b5@\u00df\u00f6\u00e4\u00fc\u00e0\u00e1-UTF-8!!|\u03ba\u1f79\u03c3\u03bc\u03b5"
    .split("|"),
  ...["\0", "\x7f", "\u0080", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\ufffd", "\ufeff"],
  ...["\u{10000}", "\u{3ffff}", "\u{10ffff}", "\ufffe", "\uffff", "\ufdd0", "\u{1fffe}"],
];

/** What it is not: stray, missing, too long, surrogate, beyond the last character. */
const INVALID = [
  ..."80|bf|80 bf|80 bf 80|80 bf 80 bf 80".split("|"),
  ..."c0 20|c1 20|df 20|e0 20|ef 20|f0 20|f4 20|f5 20|f7 20|f8 20|fb 20|fc 20|fd 20".split("|"),
  ..."fe|ff|fe fe ff ff".split("|"),
  ..."c0 af|e0 80 af|f0 80 80 af|f8 80 80 80 af|fc 80 80 80 80 af".split("|"),
  ..."c1 bf|e0 9f bf|f0 8f bf bf|f8 87 bf bf bf|fc 83 bf bf bf bf".split("|"),
  ..."c0 80|e0 80 80|f0 80 80 80|f8 80 80 80 80|fc 80 80 80 80 80".split("|"),
  ..."ed a0 80|ed ad bf|ed ae 80|ed af bf|ed b0 80|ed be 80|ed bf bf".split("|"),
  ..."ed a0 80 ed b0 80|ed ad bf ed b0 80|ed af bf ed bf bf".split("|"),
  ..."f4 90 80 80|f7 bf bf bf|fb bf bf bf bf|fd bf bf bf bf bf".split("|"),
  ..."ce ba e1 bd b9 cf 83 ce bc ce b5 ed a0 80 65 64 69 74 65 64".split("|"),
];

/** Characters that have only begun: wrong at the end of a text, and not before. */
const BEGUN = "ce|ce ba e1|ce ba e1 bd|df|e0 a0|ef bf|f0 90 80|f4 8f bf".split("|");

function* utf8(): Generator<WebSocketCase> {
  for (const valid of VALID) {
    const bytes = UTF8.encode(valid);
    const hex = [...bytes].map((byte) => byte.toString(16)).join(" ");
    yield good(`the text ${hex}`, [text(bytes)], [shown("text", bytes)]);
    const cut = [...bytes].map((byte, i) => {
      const payload = Uint8Array.of(byte);
      const fin = i === bytes.length - 1;
      return i === 0 ? text(payload, { fin }) : continued(payload, { fin });
    });
    yield good(`the text ${hex} in fragments of a byte`, cut, [shown("text", bytes)]);
  }
  for (const invalid of INVALID) {
    const hex = `<${invalid}>`;
    yield bad(`the text ${invalid}`, 1007, [text(hex), ping("after")]);
    // Its message is not whole: it must be found without waiting for the rest.
    yield bad(`the fragment ${invalid}`, 1007, [text("", more), continued(hex, more)]);
    yield good(`the bytes ${invalid}`, [binary(hex)], [binaryBack(hex)]);
    yield bad(`the reason ${invalid}`, 1007, [close(codePayload(1000, hex))]);
  }
  for (const begun of BEGUN) {
    yield bad(`a text that ends in ${begun}`, 1007, [text(`<${begun}>`)]);
    yield bad(`fragments that end in ${begun}`, 1007, [text(`<${begun}>`, more), continued("")]);
    yield bad(`a reason that ends in ${begun}`, 1007, [close(codePayload(1000, `<${begun}>`))]);
  }
}

function* closing(): Generator<WebSocketCase> {
  const done = (what: string, frames: RawFrame[], close: number | "none", heard: Heard[] = []) => ({
    what,
    frames,
    heard,
    close,
    final: true,
  });
  const normal = close(codePayload(1000));
  yield done("a Close without a code", [close("")], "none");
  for (let byte = 0; byte < 256; byte++) {
    yield bad(`a Close of the one byte ${byte}`, 1002, [close(Uint8Array.of(byte))]);
  }
  yield done("a text, then a Close", [text("a"), normal], 1000, [textBack("a")]);
  yield done("two Closes", [normal, close(codePayload(3000))], 1000);
  yield done("a ping after the Close", [normal, ping("late")], 1000);
  yield done("a text after the Close", [normal, text("late")], 1000);
  yield done("garbage after the Close", [normal, kind(15)("", { reserved: 7 })], 1000);
  yield done("a Close between fragments", [text("a", more), normal, continued("b")], 1000);
  const big = "a".repeat(256 * 1024);
  yield done("a long text, a Close, a ping", [text(big), normal, ping("late")], 1000, [
    textBack(big),
  ]);
  yield done("the longest reason", [close(codePayload(1000, "*".repeat(123)))], 1000);
  yield bad("a reason that is too long", 1002, [close(codePayload(1000, "*".repeat(124)))]);
  for (const code of [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014]) {
    yield done(`the code ${code}`, [close(codePayload(code, "reason"))], code);
  }
  for (const code of [3000, 3999, 4000, 4999]) {
    yield done(`the code ${code}`, [close(codePayload(code))], code);
  }
  for (const code of [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]) {
    yield bad(`the code ${code}`, 1002, [close(codePayload(code))]);
    yield bad(`the code ${code} with a reason`, 1002, [close(codePayload(code, "reason"))]);
  }
}

/** All cases. */
export const CASES: readonly WebSocketCase[] = [
  ...framing(),
  ...pings(),
  ...reserved(),
  ...opcodes(),
  ...fragments(),
  ...utf8(),
  ...closing(),
];

/** The bytes of a frame, masked or not: unlike our encoder, this one obeys no rule. */
export function rawFrame(frame: RawFrame, mask?: Uint8Array): Uint8Array {
  const { opcode, payload, fin = true, reserved = 0 } = frame;
  const { length } = payload;
  const { lengthBytes = length < 126 ? 0 : length < 65536 ? 2 : 8 } = frame;
  const extra = Array.from({ length: lengthBytes }, (_, i) => {
    return Math.floor(length / 256 ** (lengthBytes - 1 - i)) % 256;
  });
  const short = lengthBytes === 0 ? length : lengthBytes === 2 ? 126 : 127;
  const head = [(fin ? 0x80 : 0) | reserved << 4 | opcode, (mask ? 0x80 : 0) | short, ...extra];
  const bytes = new Uint8Array(head.length + (mask ? 4 : 0) + length);
  bytes.set(head);
  bytes.set(mask ?? [], head.length);
  bytes.set(payload.map((byte, i) => byte ^ (mask?.[i % 4] ?? 0)), bytes.length - length);
  return bytes;
}

/** What stands in bytes that must be nothing but whole good frames, masked or not. */
export function heardIn(bytes: Uint8Array, masked: boolean): Heard[] {
  const heard: Heard[] = [];
  let at = 0;
  while (at < bytes.length) {
    const opcode = bytes[at]! - 0x80; // the last frame of its message, no reserved bits
    const short = bytes[at + 1]! - (masked ? 0x80 : 0);
    const size = short === 126 ? 2 : short === 127 ? 8 : 0;
    at += 2;
    let length = size === 0 ? short : 0;
    for (let i = 0; i < size; i++) length = length * 256 + bytes[at++]!;
    const mask = masked ? bytes.subarray(at, at += 4) : undefined;
    const payload = bytes.slice(at, at += length).map((byte, i) => byte ^ (mask?.[i % 4] ?? 0));
    if (at > bytes.length) throw new Error("half a frame");
    const type = new Map([[1, "text"], [2, "binary"], [8, "close"], [10, "pong"]]).get(opcode);
    heard.push(
      type === "close"
        ? `close ${length === 0 ? "none" : payload[0]! << 8 | payload[1]!}`
        : shown(type ?? `opcode ${opcode}`, payload),
    );
  }
  return heard;
}
