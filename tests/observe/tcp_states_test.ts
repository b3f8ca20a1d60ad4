import { assert, assertEquals } from "@std/assert";
import {
  FIGURE_5,
  step,
  TCP_STATES,
  type TcpInput,
  type TcpState,
  type Transition,
  TRANSITIONS,
} from "../../lib/observe/tcp_states.ts";
import { statesMermaid } from "../../lib/observe/states_mermaid.ts";

function walk(from: TcpState, ...inputs: TcpInput[]): (TcpState | undefined)[] {
  const states: (TcpState | undefined)[] = [];
  let at: TcpState | undefined = from;
  for (const input of inputs) states.push(at = at && step(at, input)?.to);
  return states;
}

Deno.test("TRANSITIONS: of one state, one input leads to one other", () => {
  const ways = TRANSITIONS.map(({ from, on }) => `${from} ${on}`);
  assertEquals(new Set(ways).size, ways.length);
});

Deno.test("TRANSITIONS: every state can be reached from CLOSED, and CLOSED from every state", () => {
  const reachable = (from: TcpState): Set<TcpState> => {
    const found = new Set([from]);
    for (const state of found) {
      for (const way of TRANSITIONS) if (way.from === state) found.add(way.to);
    }
    return found;
  };
  assertEquals(reachable("CLOSED").size, TCP_STATES.length);
  for (const state of TCP_STATES) assert(reachable(state).has("CLOSED"), state);
});

Deno.test("step() goes the ways of an orderly life", () => {
  assertEquals(walk("CLOSED", "active open", "receive SYN-ACK", "close"), [
    "SYN-SENT",
    "ESTABLISHED",
    "FIN-WAIT-1",
  ]);
  assertEquals(walk("CLOSED", "passive open", "receive SYN", "receive ACK of SYN"), [
    "LISTEN",
    "SYN-RECEIVED",
    "ESTABLISHED",
  ]);
  assertEquals(walk("FIN-WAIT-1", "receive ACK of FIN", "receive FIN", "2 MSL are over"), [
    "FIN-WAIT-2",
    "TIME-WAIT",
    "CLOSED",
  ]);
  assertEquals(walk("ESTABLISHED", "receive FIN", "close", "receive ACK of FIN"), [
    "CLOSE-WAIT",
    "LAST-ACK",
    "CLOSED",
  ]);
});

Deno.test("step(): FINs that cross lead over CLOSING, and three segments past FIN-WAIT-2", () => {
  assertEquals(walk("FIN-WAIT-1", "receive FIN", "receive ACK of FIN"), ["CLOSING", "TIME-WAIT"]);
  assertEquals(walk("FIN-WAIT-1", "receive FIN and ACK of FIN"), ["TIME-WAIT"]);
});

Deno.test("step() knows who sends RST when it aborts", () => {
  const telling = TCP_STATES.filter((state) => step(state, "abort")?.send === "RST");
  assertEquals(telling, [
    "SYN-RECEIVED",
    "ESTABLISHED",
    "FIN-WAIT-1",
    "FIN-WAIT-2",
    "CLOSE-WAIT",
  ]);
});

Deno.test("step() says nothing of what cannot happen", () => {
  assertEquals(step("CLOSED", "receive FIN"), undefined);
  assertEquals(step("ESTABLISHED", "passive open"), undefined);
});

/** The arrows of RFC 9293, figure 5, as they stand there. */
const ARROWS = `
  CLOSED - passive OPEN > LISTEN
  CLOSED - active OPEN, snd SYN > SYN-SENT
  LISTEN - CLOSE > CLOSED
  LISTEN - rcv SYN, snd SYN,ACK > SYN-RCVD
  LISTEN - SEND, snd SYN > SYN-SENT
  SYN-RCVD - rcv RST (note 1) > LISTEN
  SYN-RCVD - rcv ACK of SYN > ESTAB
  SYN-RCVD - CLOSE, snd FIN > FIN-WAIT-1
  SYN-SENT - CLOSE > CLOSED
  SYN-SENT - rcv SYN, snd SYN,ACK > SYN-RCVD
  SYN-SENT - rcv SYN,ACK, snd ACK > ESTAB
  ESTAB - CLOSE, snd FIN > FIN-WAIT-1
  ESTAB - rcv FIN, snd ACK > CLOSE-WAIT
  FIN-WAIT-1 - rcv ACK of FIN > FINWAIT-2
  FIN-WAIT-1 - rcv FIN, snd ACK > CLOSING
  CLOSE-WAIT - CLOSE, snd FIN > LAST-ACK
  FINWAIT-2 - rcv FIN, snd ACK > TIME-WAIT
  CLOSING - rcv ACK of FIN > TIME-WAIT
  LAST-ACK - rcv ACK of FIN > CLOSED
  TIME-WAIT - Timeout=2MSL > CLOSED
`.trim().split("\n").map((line) => line.trim());

Deno.test("FIGURE_5 has the arrows of the figure, that of its second note, and no other", () => {
  const names: Partial<Record<TcpState, string>> = {
    "SYN-RECEIVED": "SYN-RCVD",
    "ESTABLISHED": "ESTAB",
    "FIN-WAIT-2": "FINWAIT-2",
  };
  const asThere = FIGURE_5.map(({ from, on, send, to, when }) => {
    const input = on
      .replace(/^(passive|active) open$/, "$1 OPEN")
      .replace(/^(close|send)$/, (call) => call.toUpperCase())
      .replace("2 MSL are over", "Timeout=2MSL")
      .replace(/^receive /, "rcv ");
    const output = send === undefined ? "" : `, snd ${send}`;
    const note = when === undefined ? "" : " (note 1)";
    const arrow = `${input}${output}${note}`.replaceAll("SYN-ACK", "SYN,ACK");
    return `${names[from] ?? from} - ${arrow} > ${names[to] ?? to}`;
  });
  const note2 = "FIN-WAIT-1 - rcv FIN and ACK of FIN, snd ACK > TIME-WAIT";
  assertEquals(asThere.toSorted(), [...ARROWS, note2].sort());
});

Deno.test("TRANSITIONS: an abort or RST ends every connection, whatever its state", () => {
  for (const state of TCP_STATES) {
    assertEquals(step(state, "abort")?.to, state === "CLOSED" ? undefined : "CLOSED");
    const afterRst = step(state, "receive RST")?.to;
    // Section 3.10.7: these two ignore it, and a listener goes on.
    if (state === "CLOSED" || state === "LISTEN") assertEquals(afterRst, undefined);
    else assertEquals(afterRst, state === "SYN-RECEIVED" ? "LISTEN" : "CLOSED");
  }
});

Deno.test("TRANSITIONS: what figure 5 leaves out", () => {
  const others = TRANSITIONS.slice(FIGURE_5.length)
    .filter(({ on }) => on !== "abort" && on !== "receive RST");
  assertEquals(others.map(({ from, on, send, to }) => `${from} - ${on}, ${send} > ${to}`), [
    "SYN-RECEIVED - receive FIN, ACK > CLOSE-WAIT",
    "TIME-WAIT - receive FIN, ACK > TIME-WAIT",
  ]);
});

Deno.test("statesMermaid() has every way of the figure, and no other", () => {
  const id = (state: TcpState) => state.replaceAll("-", "_");
  const mermaid = statesMermaid();
  const labelOf = ({ on, send, when }: Transition) =>
    `${on}${send === undefined ? "" : ` / send ${send}`}${when === undefined ? "" : ` (${when})`}`;
  for (const way of FIGURE_5) {
    const { from, on, to } = way;
    const label = labelOf(way);
    assert(mermaid.includes(`    ${id(from)} --> ${id(to)}: ${label}\n`), `${from} ${on}`);
  }
  assertEquals(mermaid.match(/-->/g)?.length, FIGURE_5.length);
});
