/** Both ends of a transfer at once, on any pair of streams. */

import type { Duplex } from "../../lib/stream/conn.ts";
import { memoryPair } from "../../lib/stream/memory.ts";
import { TransferError } from "../../lib/transfer/error.ts";
import {
  receiveFile,
  type ReceiveFileOptions,
  type ReceiveReport,
} from "../../lib/transfer/receive.ts";
import { sendFile, type SendFileOptions, type SendReport } from "../../lib/transfer/send.ts";
import { type FileSource, openSource } from "../../lib/transfer/source.ts";
import type { Store } from "../../lib/transfer/store.ts";

/** What each end says about it: a report, or why there is none. */
export interface Exchanged {
  sent: SendReport | TransferError;
  received: ReceiveReport | TransferError;
}

/** Options for {@linkcode exchange}. */
export interface ExchangeOptions {
  /** The sender's end and the receiver's; in memory by default. */
  pair?: readonly [Duplex, Duplex];
  send?: SendFileOptions;
  receive?: ReceiveFileOptions;
}

/** Sends `file`, a path or a source of its own, into `store`; extended unless it says otherwise. */
export async function exchange(
  file: string | FileSource,
  store: Store,
  options: ExchangeOptions = {},
): Promise<Exchanged> {
  const { pair = memoryPair(), send, receive } = options;
  using source = typeof file === "string" ? await openSource(file) : file;
  const [sent, received] = await Promise.all([
    told(sendFile(pair[0], source, { protocol: "extended", ...send }), () => {
      pair[0][Symbol.dispose]();
    }),
    told(receiveFile(pair[1], store, receive), async () => {
      // As a server does it: the peer's last bytes must not turn our last words into a reset.
      const bytes = new Uint8Array(65536);
      while (await pair[1].read(bytes).catch(() => null) !== null);
      pair[1][Symbol.dispose]();
    }),
  ]);
  return { sent, received };
}

async function told<T>(
  deed: Promise<T>,
  after: () => void | Promise<void>,
): Promise<T | TransferError> {
  try {
    return await deed;
  } catch (error) {
    if (error instanceof TransferError) return error;
    throw error;
  } finally {
    await after();
  }
}

/** The faults of both ends in short: `"-"` where it went well, `told` where the peer said it. */
export function faults({ sent, received }: Exchanged): [sender: string, receiver: string] {
  const fault = (end: unknown) =>
    end instanceof TransferError ? `${end.told ? "told " : ""}${end.fault}` : "-";
  return [fault(sent), fault(received)];
}
