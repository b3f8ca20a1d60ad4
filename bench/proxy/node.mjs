// Two pipes, as most write a proxy for Node.
import { connect, createServer } from "node:net";
import process from "node:process";

const [port, toPort] = process.argv.slice(2).map(Number);
createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
  const server = connect({ port: toPort, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
  client.on("error", () => server.destroy());
  server.on("error", () => client.destroy());
  client.pipe(server);
  server.pipe(client);
}).listen(port, "127.0.0.1", 4096);
