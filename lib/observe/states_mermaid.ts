/**
 * The states of a TCP connection drawn as a Mermaid state diagram.
 *
 * @module
 */

import { FIGURE_5, TCP_STATES, type TcpState, type Transition } from "./tcp_states.ts";

/**
 * The ways of figure 5 as a Mermaid state diagram, which many pages draw.
 *
 * Those on which a connection is dropped, by abort or RST, lead from everywhere to CLOSED and
 * are left out, but for one, as they are in the figure.
 */
export function statesMermaid(): string {
  const lines = FIGURE_5.map((way) => `    ${id(way.from)} --> ${id(way.to)}: ${label(way)}`);
  const names = TCP_STATES.map((state) => `    state "${state}" as ${id(state)}`);
  return ["stateDiagram-v2", ...names, ...lines, ""].join("\n");
}

function id(state: TcpState): string {
  return state.replaceAll("-", "_");
}

function label({ on, send, when }: Transition): string {
  const sent = send === undefined ? on : `${on} / send ${send}`;
  return when === undefined ? sent : `${sent} (${when})`;
}
