/**
 * What goes over the wire, by `tcpdump` on the loopback interface: every segment, with its
 * flags and numbers.
 *
 * Needs `--allow-run=tcpdump` and the right to capture (root, or CAP_NET_RAW). Where that is
 * not given, {@linkcode capture} says so, and programs go on without it.
 *
 * @module
 */

import { realWorld, type World } from "../world.ts";
import { PcapReader } from "./_pcap_reader.ts";
import { segmentIn } from "./_segment_in.ts";
import { StreamNumbers } from "./_stream_numbers.ts";
import type { PcapPacket } from "./pcapng.ts";
import type { Segment } from "./segment.ts";

/** Options for {@linkcode capture}. */
export interface CaptureOptions {
  /** The ports whose segments are wanted, whichever end has one. */
  ports: readonly number[];
  /**
   * The interface.
   *
   * @default {"lo"} `lo0` on macOS.
   */
  device?: string;
  /**
   * How many bytes of each packet to keep; data behind them is counted, but not held.
   *
   * @default {512}
   */
  snapLength?: number;
  /**
   * Whether to keep the packets as they were, for a file: see {@linkcode PcapPacket}.
   *
   * @default {false}
   */
  keepPackets?: boolean;
  /** Ends the start: it rejects with the signal's reason. Later it does nothing. */
  signal?: AbortSignal | undefined;
  /**
   * The clock that bounds waiting.
   *
   * @default {realWorld}
   */
  world?: Pick<World, "sleep">;
}

/** Options for {@linkcode Capture.until}. */
export interface UntilOptions {
  /**
   * The most milliseconds to wait.
   *
   * @default {5000}
   */
  timeout?: number;
  /** Ends the wait: it rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** A capture cannot be made here. */
export interface NoCapture {
  /** Discriminates. */
  readonly available: false;
  /** Why, in a few words for a person. */
  readonly why: string;
}

/** A capture that runs. */
export interface Capture extends AsyncDisposable {
  /** Discriminates. */
  readonly available: true;
  /** What was seen so far, in order. */
  readonly segments: readonly Segment[];
  /** The packets of those segments, if they are kept. */
  readonly packets: readonly PcapPacket[];
  /** The kind of link of {@linkcode packets}; -1 until it is known. */
  readonly linkType: number;
  /**
   * Waits until `enough` says of all that was seen that it is. Whether that was in time is what
   * it resolves with: a segment that never comes is for the caller to report. Once the program
   * that captures has ended, it waits no longer.
   *
   * @throws {Error} If what that program says is no capture.
   */
  until(
    enough: (segments: readonly Segment[]) => boolean,
    options?: UntilOptions,
  ): Promise<boolean>;
  /**
   * Ends the program that captures, at once. What it had not handed over is lost, and nobody can
   * know what that was: wait {@linkcode until} what you want to see has been seen.
   */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Begins to capture. Once this resolves, no segment of these ports is missed.
 *
 * Where it is not allowed or not possible, it does not throw, but resolves with
 * {@linkcode NoCapture}, which says why.
 *
 * @throws {RangeError} If there is no port, or one is not 1 to 65535.
 */
export async function capture(options: CaptureOptions): Promise<Capture | NoCapture> {
  const { ports, signal, snapLength = 512, keepPackets = false, world = realWorld } = options;
  const { device = Deno.build.os === "darwin" ? "lo0" : "lo" } = options;
  const wrong = ports.find((port) => !Number.isInteger(port) || port < 1 || port > 65535);
  if (ports.length === 0 || wrong !== undefined) {
    throw new RangeError(
      `Cannot capture as 'ports' must be some of 1 to 65535: current value is [${ports}]`,
    );
  }
  signal?.throwIfAborted();
  const filter = ports.map((port) => `tcp port ${port}`).join(" or ");
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command("tcpdump", {
      // No names; each packet at once, out of the kernel as well as out of tcpdump.
      args: ["-i", device, "-n", "-U", "--immediate-mode", "-s", `${snapLength}`]
        .concat(["-B", `${roomFor(snapLength)}`])
        .concat(["--time-stamp-precision=nano", "-w", "-", filter]),
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return none("tcpdump is not installed");
    if (error instanceof Deno.errors.NotCapable) return none("--allow-run=tcpdump is missing");
    return none(error instanceof Error ? error.message : String(error));
  }
  const running = new Running(child, world, keepPackets);
  const refusal = await running.started(signal);
  return refusal === undefined ? running : none(refusal);
}

/** Milliseconds that tcpdump may take to begin. */
const PATIENCE = 10_000;

/**
 * KiB of the kernel's buffer for what tcpdump has not come to yet: 1024 packets as long as they
 * may be, and never less than 4 MiB, which is a guess.
 */
function roomFor(snapLength: number): number {
  return Math.max(4096, snapLength);
}

function none(why: string): NoCapture {
  return { available: false, why };
}

class Running implements Capture {
  readonly available = true;
  readonly segments: Segment[] = [];
  readonly packets: PcapPacket[] = [];
  readonly #pcap: PcapReader = new PcapReader();
  readonly #keepPackets: boolean;
  readonly #child: Deno.ChildProcess;
  readonly #world: Pick<World, "sleep">;
  readonly #reading: Promise<void>;
  readonly #complaining: Promise<void>;
  readonly #listening = Promise.withResolvers<boolean>();
  #complaints = "";
  #news = Promise.withResolvers<void>();
  #over = false;
  #failure: unknown;

  constructor(child: Deno.ChildProcess, world: Pick<World, "sleep">, keepPackets: boolean) {
    this.#child = child;
    this.#keepPackets = keepPackets;
    this.#world = world;
    this.#reading = this.#read();
    this.#complaining = this.#complain();
  }

  get linkType(): number {
    return this.#pcap.linkType;
  }

  /** Resolves when it captures, or with why it does not. */
  async started(signal: AbortSignal | undefined): Promise<string | undefined> {
    const settled = new AbortController();
    const ends = signal ? AbortSignal.any([signal, settled.signal]) : settled.signal;
    const late = this.#world.sleep(PATIENCE, { signal: ends }).then(() => true, () => false);
    // tcpdump says so when its socket is bound and its filter set: all from then on is kept.
    const listening = await Promise.race([this.#listening.promise, late.then(() => false)]);
    settled.abort();
    if (listening && !signal?.aborted) return undefined;
    await this[Symbol.asyncDispose]();
    signal?.throwIfAborted();
    if (await late) return `tcpdump did not begin within ${PATIENCE / 1000} s`;
    const said = this.#complaints.split("\n").map((line) => line.trim());
    const reason = said.find((line) => /permission|no such device|not permitted|error/i.test(line));
    return (reason ?? said.find((line) => line !== "") ?? "it ended at once").replace(
      /^(tcpdump: )?/,
      "tcpdump: ",
    );
  }

  async until(
    enough: (segments: readonly Segment[]) => boolean,
    options: UntilOptions = {},
  ): Promise<boolean> {
    const { timeout = 5000, signal } = options;
    const done = new AbortController();
    const ends = signal ? AbortSignal.any([signal, done.signal]) : done.signal;
    let late = false;
    const limit = this.#world.sleep(timeout, { signal: ends })
      .then(() => void (late = true), () => {});
    try {
      while (true) {
        signal?.throwIfAborted();
        if (this.#failure !== undefined) throw this.#failure;
        if (enough(this.segments)) return true;
        if (late || this.#over) return false;
        await Promise.race([this.#news.promise, limit]);
      }
    } finally {
      done.abort();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#kill();
    await Promise.all([this.#reading, this.#complaining, this.#child.status]);
  }

  #kill(): void {
    try {
      // Not to be waited for: it has no file to end properly, and the kernel tidies up its socket.
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
  }

  async #read(): Promise<void> {
    const pcap = this.#pcap;
    const numbers = new StreamNumbers();
    try {
      for await (const chunk of this.#child.stdout) {
        for (const packet of pcap.push(chunk)) {
          const segment = segmentIn(packet, pcap.linkType);
          if (segment === undefined) continue;
          this.segments.push(numbers.relative(segment));
          if (this.#keepPackets) this.packets.push(packet);
        }
        this.#tell();
      }
    } catch (error) {
      this.#failure = error;
      this.#kill();
    }
    this.#over = true;
    this.#tell();
  }

  #tell(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers();
  }

  async #complain(): Promise<void> {
    for await (const text of this.#child.stderr.pipeThrough(new TextDecoderStream())) {
      this.#complaints += text;
      if (/listening on /.test(this.#complaints)) this.#listening.resolve(true);
    }
    this.#listening.resolve(false);
  }
}
