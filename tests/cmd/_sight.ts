/** Whether this machine lets lessons look at the kernel and at the wire. */

import { capture } from "../../lib/observe/wire.ts";
import { firstMissing } from "../_needs.ts";

/** Why a claim may be left out even so: not every system gives a network of its own. */
export const NO_NETWORK = /^(no network of its own|unshare is missing)| has no network namespaces$/;

let sight: Promise<boolean> | undefined;

/** Whether `ss` and `tcpdump` may run, and see something: then no lesson may leave a claim out. */
export function seesAll(): Promise<boolean> {
  return sight ??= look();
}

async function look(): Promise<boolean> {
  if (firstMissing({ run: ["ss", "tcpdump"] }) !== undefined) return false;
  const capturing = await capture({ ports: [1] });
  if (!capturing.available) return false;
  await capturing[Symbol.asyncDispose]();
  return true;
}
