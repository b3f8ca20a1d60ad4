// deno-lint-ignore-file no-console
// The same echo on Node's `net`, as Node would write it.
import net from "node:net";
import process from "node:process";
import { getHeapSpaceStatistics } from "node:v8";

const server = net.createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
  socket.on("data", (chunk) => {
    if (!socket.write(chunk)) {
      socket.pause();
      socket.once("drain", () => socket.resume());
    }
  });
  socket.on("end", () => socket.end());
  socket.on("error", () => socket.destroy());
});
server.listen({ host: "127.0.0.1", port: 0, backlog: 4096 }, () => {
  console.log(server.address().port);
});
process.stdin.on("data", () => {
  const { user, system } = process.cpuUsage();
  const young = getHeapSpaceStatistics().find((space) => space.space_name === "new_space");
  console.log(JSON.stringify({
    cpu: (user + system) / 1e6,
    rss: process.memoryUsage.rss(),
    young: young.physical_space_size,
  }));
});
