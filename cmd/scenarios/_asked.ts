/**
 * What a lesson asks the kernel beside the states of one connection: settings, counters, queues
 * and numbers of sockets. Where the kernel cannot be asked, the lesson says so.
 *
 * @module
 */

import {
  counters,
  KernelUnavailableError,
  type ListenQueue,
  listenQueue,
  sockets,
} from "../../lib/observe/kernel.ts";
import type { TcpState } from "../../lib/observe/tcp_states.ts";
import { realWorld } from "../../lib/world.ts";
import type { Lab } from "./_lab.ts";

/** An answer, or why there is none. */
export type Answer<T> =
  | { readonly seen: true; readonly value: T }
  | { readonly seen: false; readonly why: string };

/** How often, and for how long at most, to ask until something has become so. */
const PAUSE = 5;
const PATIENCE = 3000;

/** Asks for one lesson. */
export class Asked {
  readonly #lab: Lab;

  constructor(lab: Lab) {
    this.#lab = lab;
  }

  /** A number from /proc/sys, such as `"net/core/somaxconn"`. Needs `--allow-run=cat`. */
  async setting(path: string): Promise<Answer<number>> {
    if (Deno.build.os !== "linux") return { seen: false, why: `${Deno.build.os} has no /proc` };
    return await this.#allowed("cat", async () => {
      // Deno lets nobody read /proc without every permission there is; cat may.
      const args = [`/proc/sys/${path}`];
      const command = new Deno.Command("cat", { args, stdin: "null", signal: this.#lab.signal });
      const { stdout, stderr, success } = await command.output();
      if (success) return Number(new TextDecoder().decode(stdout));
      const why = new TextDecoder().decode(stderr).trim();
      throw new KernelUnavailableError("cat", "failed", why);
    });
  }

  /** One of the kernel's counters. Needs `--allow-run=nstat`. */
  counter(name: string): Promise<Answer<number>> {
    return this.#allowed("nstat", async () => {
      const { [name]: count } = await counters([name], { signal: this.#lab.signal });
      if (count !== undefined) return count;
      throw new KernelUnavailableError("nstat", "failed", `it knows no ${name}`);
    });
  }

  /** The accept queue of the listener on a port. */
  queue(port: number): Promise<Answer<ListenQueue>> {
    return this.#allowed("ss", async () => {
      const queue = await listenQueue(port, { signal: this.#lab.signal });
      if (queue !== undefined) return queue;
      throw new KernelUnavailableError("ss", "failed", `nobody listens on ${port}`);
    });
  }

  /** How many sockets that have this port at either end are in a state. */
  count(port: number, state: TcpState): Promise<Answer<number>> {
    return this.#allowed("ss", async () => {
      const found = await sockets({ port, states: [state] }, { signal: this.#lab.signal });
      return found.length;
    });
  }

  /** Claims that the queue of the listener on a port becomes so; resolves with what it is. */
  checkQueue(claim: string, port: number, expected: ListenQueue): Promise<Answer<ListenQueue>> {
    return this.#check(claim, () => this.queue(port), expected);
  }

  /** Claims that so many sockets that have this port at either end come to be in a state. */
  checkCount(
    claim: string,
    port: number,
    state: TcpState,
    expected: number,
  ): Promise<Answer<number>> {
    return this.#check(claim, () => this.count(port, state), expected);
  }

  /** Claims that a setting is so. */
  checkSetting(claim: string, path: string, expected: number): Promise<Answer<number>> {
    return this.#check(claim, () => this.setting(path), expected);
  }

  /** Claims that one of the kernel's counters comes to be so. */
  checkCounter(claim: string, name: string, expected: number): Promise<Answer<number>> {
    return this.#check(claim, () => this.counter(name), expected);
  }

  async #check<T>(claim: string, ask: () => Promise<Answer<T>>, expected: T): Promise<Answer<T>> {
    const until = realWorld.now() + PATIENCE;
    while (true) {
      const answer = await ask();
      const fits = answer.seen && JSON.stringify(answer.value) === JSON.stringify(expected);
      if (answer.seen && !fits && realWorld.now() < until) {
        await realWorld.sleep(PAUSE, { signal: this.#lab.signal });
        continue;
      }
      if (answer.seen) this.#lab.check(claim, answer.value, expected);
      else this.#lab.unseen(claim, answer.why);
      return answer;
    }
  }

  async #allowed<T>(tool: string, ask: () => Promise<T>): Promise<Answer<T>> {
    // Before anything is started, so that nobody is asked for leave in the middle of a lesson.
    const { state } = Deno.permissions.querySync({ name: "run", command: tool });
    if (state !== "granted") {
      return { seen: false, why: `${tool} is missing, or --allow-run=${tool}` };
    }
    try {
      return { seen: true, value: await ask() };
    } catch (error) {
      if (!(error instanceof KernelUnavailableError)) throw error;
      return { seen: false, why: error.message };
    }
  }
}
