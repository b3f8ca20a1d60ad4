/** Our echo (RFC 862), as `deno task echo --raw` serves it. */

import { rawEcho, serveTcp } from "../../lib/server/mod.ts";
import { answer } from "./_answer.ts";

const server = serveTcp({}, rawEcho);
answer(server.addr.port);
