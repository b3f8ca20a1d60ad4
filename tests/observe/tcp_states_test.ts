import { assert, assertEquals } from "@std/assert";
import {
  statesMermaid,
  statesText,
  step,
  TCP_STATES,
  type TcpInput,
  type TcpState,
  TRANSITIONS,
} from "../../lib/observe/tcp_states.ts";

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

Deno.test("statesMermaid() and statesText() have every way of the figure, and no other", () => {
  const drawn = TRANSITIONS.filter(({ section }) => section === "3.3.2");
  assertEquals(drawn.length, 20);
  const id = (state: TcpState) => state.replaceAll("-", "_");
  const mermaid = statesMermaid();
  for (const { from, on, send, to } of drawn) {
    const label = send === undefined ? on : `${on} / send ${send}`;
    assert(mermaid.includes(`    ${id(from)} --> ${id(to)}: ${label}\n`), `${from} ${on}`);
    assert(new RegExp(`─ ${label} +─▶ ${to}\n`).test(statesText()), `${from} ${on}`);
  }
  assertEquals(mermaid.match(/-->/g)?.length, drawn.length);
  assertEquals(statesText().match(/─▶/g)?.length, drawn.length);
});
