/**
 * Dials each address that its arguments name and prints, as one line of JSON each, what
 * explain() says of it. `--until-failure ADDR` dials one, and holds on to what it has got,
 * until that fails.
 */

import { dial } from "../../lib/client/dial.ts";
import { explain } from "../../lib/errors.ts";

async function explained(addr: string): Promise<unknown> {
  try {
    using _conn = await dial(addr);
    return { addr, what: "connected" };
  } catch (error) {
    return { addr, ...explain(error), message: (error as Error).message };
  }
}

async function untilFailure(addr: string): Promise<unknown> {
  using held = new DisposableStack();
  for (let count = 0;; count++) {
    try {
      held.use(await dial(addr));
    } catch (error) {
      return { addr, count, ...explain(error) };
    }
  }
}

const [first = "", ...rest] = Deno.args;
const results = first === "--until-failure" ? rest.map(untilFailure) : Deno.args.map(explained);
// deno-lint-ignore no-console -- its parent reads it
for (const result of results) console.log(JSON.stringify(await result));
