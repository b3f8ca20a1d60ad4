/**
 * What TCP errors mean: one row per error, as Deno 2.9 throws them on Linux.
 *
 * Of the rows for an error the first that fits counts, so the one for a special case
 * stands above the one for the rest.
 *
 * Texts may name `{addr}`, `{host}`, `{port}`, `{net}` (a value for `--allow-net`)
 * and `{message}` (the error's own).
 *
 * @module
 */

/** Whose doing an error is: see {@linkcode Explanation}. */
export type Whose = "ours" | "peer" | "kernel" | "permission" | "network" | "unknown";

/** What was being done when an error came. */
export type Op = "listen" | "accept" | "connect" | "read" | "write";

/** What the caller of {@linkcode explain} knows that the error does not say. */
export interface ExplainContext {
  /** What was being done. It tells errors apart that share a code. */
  op?: Op | undefined;
  /** The address listened on, or the peer's. */
  addr?: { hostname: string; port: number } | undefined;
  /**
   * Whether our own FIN had been sent, as `TcpStream.writeClosed` says: a broken pipe
   * is ours then, and the peer's otherwise.
   *
   * @default {false}
   */
  writeClosed?: boolean | undefined;
}

/** An error, and what to say of it. */
export interface Row {
  /** The system's code, or else the name of the error or of its class. */
  readonly is: string;
  /** The one operation that the row is about. */
  readonly on?: Op;
  /** What else must hold. */
  readonly when?: (context: ExplainContext, error: Error) => boolean;
  /** Whose doing it is. */
  readonly whose: Whose;
  /** What happened. */
  readonly what: string;
  /** What to do next. */
  readonly tryThis: string;
}

/** How a transfer fails by what the other side sends, asks for, or leaves out. */
const PEERS_FAULTS: readonly unknown[] = [
  ...["protocol", "name", "exists", "busy", "broken"],
  ...["mismatch", "timeout", "unconfirmed", "nothing"],
];

/** Whether a `TransferError` is the other side's doing, or the other side found the fault. */
function isPeersFault(error: Error & { fault?: unknown; told?: unknown }): boolean {
  const { fault, told } = error;
  return told === true || PEERS_FAULTS.includes(fault);
}

/** Whether it was about a Unix socket, whose address has its path for a host. */
function isUnix({ addr }: ExplainContext): boolean {
  return addr !== undefined && addr.hostname.startsWith("unix:");
}

/** The table. */
export const ROWS: readonly Row[] = [
  // To listen.
  {
    is: "EADDRINUSE",
    when: isUnix,
    whose: "kernel",
    what: "{host} is taken: there is a file of that name already",
    tryThis: "look whether somebody listens there: ss -lx; if nobody does, remove the file",
  },
  {
    is: "EADDRINUSE",
    when: ({ addr }) => addr?.port === 0,
    whose: "kernel",
    what: "no local port is free to listen on",
    tryThis: "close listeners, or widen the range: sysctl net.ipv4.ip_local_port_range",
  },
  {
    is: "EADDRINUSE",
    whose: "kernel",
    what: "{addr} is taken: another socket listens on that port",
    tryThis: "find it with: ss -ltnp 'sport = :{port}'; stop it, or listen on another port " +
      "(0 lets the system choose)",
  },
  {
    is: "EADDRNOTAVAIL",
    on: "listen",
    whose: "ours",
    what: "{host} is not an address of this machine",
    tryThis: "listen on 127.0.0.1, on 0.0.0.0 for all, or on one of those that this shows: ip addr",
  },
  {
    is: "EINVAL", // node:net says so of an address that is another machine's
    on: "listen",
    whose: "ours",
    what: "{host} cannot be listened on: it is not an address of this machine",
    tryThis: "listen on 127.0.0.1, on 0.0.0.0 for all, or on one of those that this shows: ip addr",
  },
  {
    is: "InvalidData",
    on: "listen",
    whose: "ours",
    what: "the certificate or its key cannot be used: {message}",
    tryThis: "look whether both are PEM: openssl x509 -noout -subject -in CERT, " +
      "and openssl pkey -noout -in KEY",
  },
  {
    is: "EACCES",
    on: "listen",
    whose: "permission",
    what: "this user may not listen on {addr}: low ports are privileged",
    tryThis: "listen on a port above 1023, or allow this one: " +
      "sysctl net.ipv4.ip_unprivileged_port_start={port}, " +
      "or setcap cap_net_bind_service=+ep on the deno program",
  },
  {
    is: "EAFNOSUPPORT",
    whose: "kernel",
    what: "this machine does not speak the address family of {addr}",
    tryThis: "use an IPv4 address, or switch IPv6 on: sysctl net.ipv6.conf.all.disable_ipv6=0",
  },

  // To accept.
  {
    is: "ENOTCONN",
    on: "accept",
    whose: "peer",
    what: "a client connected and reset before it was accepted",
    tryThis: "accept the next one; the listener is fine",
  },
  {
    is: "ECONNABORTED",
    on: "accept",
    whose: "peer",
    what: "a client gave up before it was accepted",
    tryThis: "accept the next one; the listener is fine",
  },
  {
    is: "EMFILE",
    whose: "kernel",
    what: "this process has no file descriptor left",
    tryThis: "close connections, bound them (maxConns), or raise the limit: ulimit -n; " +
      "a listener goes on once some are free",
  },
  {
    is: "ENFILE",
    whose: "kernel",
    what: "this machine has no file descriptor left",
    tryThis: "close what holds them, or raise the limit: sysctl fs.file-max",
  },
  {
    is: "Busy",
    on: "accept",
    whose: "ours",
    what: "another accept() is waiting on this listener",
    tryThis: "accept in one loop only",
  },
  {
    is: "BadResource",
    on: "accept",
    whose: "ours",
    what: "the listener was closed",
    tryThis: "end the accept loop here; if nobody meant to close it, look who disposed it",
  },

  // To connect.
  {
    is: "ECONNREFUSED",
    when: isUnix,
    whose: "peer",
    what: "{host} refused: it is there, but nobody listens on it",
    tryThis: "start the server, or look who listens: ss -lx",
  },
  {
    is: "ECONNREFUSED",
    whose: "peer",
    what: "{addr} refused: its machine answers, but nobody listens on that port",
    tryThis: "start the server, or look there who listens: ss -ltn 'sport = :{port}'; " +
      "if it is only starting, try again (attempts)",
  },
  {
    is: "ETIMEDOUT",
    on: "connect",
    whose: "network",
    what: "{addr} never answered, however often the kernel asked",
    tryThis: "check the address, and whether a firewall drops it: " +
      "tcpdump -n 'tcp port {port}' shows SYN without an answer",
  },
  {
    is: "ETIMEDOUT",
    whose: "network",
    what: "{addr} stopped acknowledging, and the kernel gave the connection up",
    tryThis: "connect again; look whether the machine or the way to it is down",
  },
  {
    is: "TimeoutError",
    on: "connect",
    when: (_, { message }) => message.startsWith("Cannot resolve "), // as dial() says it
    whose: "network",
    what: "the name {host} was not resolved in the time we gave it",
    tryThis: "give it more (timeout), or look whether a name server answers: " +
      "time getent ahosts {host}; cat /etc/resolv.conf",
  },
  {
    is: "TimeoutError",
    on: "connect",
    whose: "network",
    what: "{addr} did not answer in the time we gave it",
    tryThis: "give it more (timeout), or look what is slow: its name, the way to it, " +
      "or a server with a full backlog (there: ss -ltn 'sport = :{port}')",
  },
  {
    is: "TimeoutError",
    whose: "peer",
    what: "nothing came from {addr} in the time we gave it",
    tryThis: "give it more time, or close: a silent peer and a dead one look alike",
  },
  {
    // The peer was asked for its address, and had none any more.
    is: "ENOTCONN",
    on: "connect",
    whose: "peer",
    what: "{addr} accepted the connection and reset it at once",
    tryThis: "read the peer's log: it may be full, or know who may connect; then connect again",
  },
  {
    is: "ENETUNREACH",
    whose: "kernel",
    what: "this machine has no route to {host}",
    tryThis: "see which way it would go: ip route get {host}; a fe80:: address needs its zone, " +
      "such as fe80::1%eth0",
  },
  {
    is: "EHOSTUNREACH",
    whose: "network",
    what: "{host} cannot be reached: a router or a firewall said so, or nobody on the link has " +
      "that address",
    tryThis: "check that the machine is up: ip neigh; the way: ip route get {host}; " +
      "and what rejects: nft list ruleset",
  },
  {
    is: "EACCES",
    on: "connect",
    whose: "kernel",
    what: "a rule of this machine forbids connections to {addr}",
    tryThis: "look for a prohibit route: ip route get {host}; or a security module: dmesg",
  },
  {
    is: "EPERM",
    on: "connect",
    whose: "kernel",
    what: "this process may not connect to {addr}: its sandbox forbids it",
    tryThis: "look at what it runs in: grep Seccomp /proc/self/status, a security module's log " +
      "(dmesg), a cgroup's programs (bpftool cgroup tree); a firewall it is not",
  },
  {
    is: "EINVAL",
    on: "connect",
    whose: "kernel",
    what: "the kernel cannot connect to {addr}",
    tryThis: "look for a blackhole route: ip route get {host}; a fe80:: address needs its zone, " +
      "such as fe80::1%eth0",
  },
  {
    is: "EADDRNOTAVAIL",
    whose: "kernel",
    what: "no local port is left for one more connection to {addr}",
    tryThis:
      "reuse connections (a pool), count those in TIME-WAIT: ss -tn state time-wait | wc -l; " +
      "or widen the range: sysctl net.ipv4.ip_local_port_range",
  },
  {
    is: "ENOTFOUND", // node:net says so; Deno's own error has no code
    whose: "network",
    what: "the name {host} could not be resolved",
    tryThis: "check its spelling, then the resolver: getent ahosts {host}",
  },
  {
    is: "EAI_AGAIN",
    whose: "network",
    what: "no name server answered for {host}",
    tryThis: "try again; then look at the resolver: cat /etc/resolv.conf",
  },
  {
    is: "EAI_FAIL",
    whose: "network",
    what: "the name server could not answer for {host}",
    tryThis: "ask another one: cat /etc/resolv.conf shows which was asked",
  },

  // On an open connection.
  {
    is: "ECONNRESET",
    whose: "peer",
    what: "{addr} reset the connection: what was on its way in either direction may be lost",
    tryThis: "read the peer's log: it crashed, or closed with our bytes unread, " +
      "or stopped listening before it accepted us; connect again if asking twice does no harm",
  },
  {
    is: "EPIPE",
    when: ({ writeClosed }) => writeClosed === true,
    whose: "ours",
    what: "we wrote after our own FIN",
    tryThis: "write all before closeWrite(); it cannot be taken back",
  },
  {
    is: "EPIPE",
    whose: "peer",
    what: "{addr} takes no more: it closed before we had written all",
    tryThis: "read what it said before it closed, then dispose; " +
      "if closeWrite() was called on this side, look there first",
  },
  {
    is: "ENOTCONN",
    whose: "ours",
    what: "there is no connection to use in that direction any more",
    tryThis: "do not write after closeWrite() (over TLS this is what comes of it)",
  },
  {
    is: "EINTR",
    whose: "ours",
    what: "we closed the connection while a read or write was waiting on it",
    tryThis: "nothing, if that was meant; otherwise wait for the operation before disposing",
  },
  {
    is: "BadResource",
    whose: "ours",
    what: "the connection was closed on this side before it was used again",
    tryThis: "look who disposed it: `using` does at the end of its block, " +
      "and conn.readable at the first EOF",
  },
  {
    is: "Busy",
    whose: "ours",
    what: "another operation holds this connection",
    tryThis: "wait for the pending read or write before Deno.startTls()",
  },
  {
    is: "InvalidData",
    whose: "peer",
    what: "the TLS handshake with {addr} failed: {message}",
    tryThis: "check that both sides speak TLS on this port, and that the peer's certificate is " +
      "signed by one of our caCerts and names the host we asked for",
  },
  {
    is: "UnexpectedEof",
    whose: "peer",
    what: "{addr} ended the stream in the middle of something: {message}",
    tryThis: "treat what came as incomplete; read the peer's log for why it stopped",
  },
  {
    is: "TooMuchDataError",
    whose: "peer",
    what: "{addr} sent more than we accept: {message}",
    tryThis: "raise the limit if such a size is legitimate; otherwise close",
  },
  {
    is: "FrameError",
    when: (_, error) => "code" in error && error.code === "truncated",
    whose: "peer",
    what: "{addr} ended the stream in the middle of a message: {message}",
    tryThis: "treat what came as incomplete; read the peer's log for why it stopped",
  },
  {
    is: "FrameError",
    when: (_, error) => "code" in error && error.code === "too-long",
    whose: "peer",
    what: "{addr} sent a message that is longer than we accept: {message}",
    tryThis:
      "raise the limit if such a size is legitimate; otherwise check that both sides speak " +
      "the same framing, and close",
  },
  {
    is: "FrameError",
    whose: "peer",
    what: "{addr} sent what is no valid message: {message}",
    tryThis: "check that both sides speak the same framing; then close, as the place is lost",
  },
  {
    is: "WebSocketHandshakeError",
    whose: "peer",
    what: "{addr} does not agree on a WebSocket: {message}",
    tryThis: "check that the peer speaks WebSocket at all, and at that path",
  },
  {
    is: "WebSocketClosedError",
    whose: "peer",
    what: "{addr} has ended the WebSocket: {message}",
    tryThis: "send nothing after its Close; if close() was called on this side, look there first",
  },
  {
    is: "TransferError",
    when: (_, error) => isPeersFault(error),
    whose: "peer",
    what: "the transfer with {addr} failed: {message}",
    tryThis: "check that both sides mean the same protocol; then let the sender try again",
  },

  // Of files, and the paths of Unix sockets.
  {
    is: "ENOENT",
    on: "connect",
    when: isUnix,
    whose: "peer",
    what: "{host} is not there, so nobody listens on it",
    tryThis: "start the server, or check the spelling of the path",
  },
  {
    is: "ENOENT",
    on: "listen",
    when: isUnix,
    whose: "ours",
    what: "{host} cannot be listened on: its folder is not there",
    tryThis: "check the spelling of the path, or make the folder",
  },
  {
    is: "ENOENT", // and a program that cannot be started
    when: (_, error) => !error.message.startsWith("Failed to spawn"),
    whose: "kernel",
    what: "there is no such file or folder",
    tryThis: "check the spelling of the path, and that its folder is there",
  },
  {
    is: "EISDIR",
    whose: "kernel",
    what: "that is a folder, and no file",
    tryThis: "name a file",
  },
  {
    is: "ENOTDIR",
    whose: "kernel",
    what: "a part of that path is no folder",
    tryThis: "check the spelling of the path",
  },
  {
    is: "ENOSPC",
    whose: "kernel",
    what: "no room is left on the disk",
    tryThis: "make room: df -h shows where there is none",
  },
  {
    is: "WriteZero",
    whose: "kernel",
    what: "a write took no byte of those it was given",
    tryThis: "close: it would go on like that",
  },

  // Before anything is asked of the network.
  {
    is: "NotCapable",
    when: ({ op, addr }) => op !== undefined && addr !== undefined,
    whose: "permission",
    what: "Deno was not allowed to use {addr}",
    tryThis: "run again with --allow-net={net}",
  },
  {
    is: "NotCapable",
    whose: "permission",
    what: "Deno lacks a permission: {message}",
    tryThis: "run again with that flag, narrowed to what is needed, such as --allow-net=HOST:PORT",
  },
  {
    is: "PermissionDenied",
    whose: "permission",
    what: "this user may not do that: {message}",
    tryThis:
      "look at the user, the file modes and the capabilities of this process: id; capsh --print",
  },
  {
    is: "AbortError",
    whose: "ours",
    what: "we called it off: its signal was aborted",
    tryThis: "nothing, if that was meant",
  },
  ...["RangeError", "TypeError", "URIError"].map((is): Row => ({
    is,
    whose: "ours",
    what: "this program made a call that cannot work: {message}",
    tryThis: "correct the argument, at the line that the stack names",
  })),
];
