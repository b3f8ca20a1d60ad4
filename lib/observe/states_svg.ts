/**
 * The states of TCP drawn as RFC 9293 draws them in figure 5, as SVG, in light and in dark.
 *
 * @module
 */

import { el, label, STYLE } from "./_svg.ts";
import { KINDS } from "./_svg_sheet.ts";
import { FIGURE_5, type TcpInput, type TcpState, type Transition } from "./tcp_states.ts";

type Point = readonly [x: number, y: number];

const [WIDTH, HEIGHT] = [1080, 890];
const [BOX_WIDTH, BOX_HEIGHT] = [150, 40];
const [LEFT, CENTRE, RIGHT] = [190, 540, 890];

/** Where the middle of each state is. CLOSED is there twice, as in the figure: see below. */
const PLACES: Readonly<Record<TcpState, Point>> = {
  "CLOSED": [CENTRE, 90],
  "LISTEN": [CENTRE, 210],
  "SYN-RECEIVED": [LEFT, 325],
  "SYN-SENT": [RIGHT, 325],
  "ESTABLISHED": [CENTRE, 440],
  "FIN-WAIT-1": [LEFT, 555],
  "CLOSE-WAIT": [RIGHT, 555],
  "FIN-WAIT-2": [LEFT, 690],
  "CLOSING": [CENTRE, 650],
  "LAST-ACK": [RIGHT, 690],
  "TIME-WAIT": [CENTRE, 805],
};

/** Where everything ends. */
const END: Point = [RIGHT, 805];

/** How one way leads, from corner to corner, and where what it says stands. */
interface Route {
  readonly points: readonly Point[];
  readonly words: Point;
  readonly anchor: "start" | "middle" | "end";
}

const [HALF_WIDTH, HALF_HEIGHT] = [BOX_WIDTH / 2, BOX_HEIGHT / 2];

/** Above, below, to the left and to the right of a state, so far from the middle of that side. */
const top = (
  state: TcpState,
  dx = 0,
): Point => [PLACES[state][0] + dx, PLACES[state][1] - HALF_HEIGHT];
const bottom = (
  state: TcpState,
  dx = 0,
): Point => [PLACES[state][0] + dx, PLACES[state][1] + HALF_HEIGHT];
const left = (
  state: TcpState,
  dy = 0,
): Point => [PLACES[state][0] - HALF_WIDTH, PLACES[state][1] + dy];
const right = (
  state: TcpState,
  dy = 0,
): Point => [PLACES[state][0] + HALF_WIDTH, PLACES[state][1] + dy];

/** Sideways first, then up or down; and the other way round. */
const aside = (from: Point, to: Point): Point[] => [from, [to[0], from[1]], to];
const upright = (from: Point, to: Point): Point[] => [from, [from[0], to[1]], to];

const ROUTES: Readonly<Partial<Record<TcpState, Partial<Record<TcpInput, Route>>>>> = {
  "CLOSED": {
    "passive open": {
      points: [bottom("CLOSED", -24), top("LISTEN", -24)],
      words: [CENTRE - 34, 154],
      anchor: "end",
    },
    "active open": {
      points: aside(right("CLOSED", -8), top("SYN-SENT", 24)),
      words: [RIGHT + 34, 190],
      anchor: "start",
    },
  },
  "LISTEN": {
    "receive SYN": {
      points: aside(left("LISTEN", 8), top("SYN-RECEIVED", 24)),
      words: [LEFT + 34, 245],
      anchor: "start",
    },
    "send": {
      points: aside(right("LISTEN"), top("SYN-SENT", -48)),
      words: [RIGHT - 58, 237],
      anchor: "end",
    },
    "close": {
      points: [top("LISTEN", 24), bottom("CLOSED", 24)],
      words: [CENTRE + 34, 154],
      anchor: "start",
    },
  },
  "SYN-SENT": {
    "receive SYN-ACK": {
      points: upright(bottom("SYN-SENT", -24), right("ESTABLISHED", -8)),
      words: [RIGHT - 34, 395],
      anchor: "end",
    },
    "receive SYN": {
      points: [left("SYN-SENT"), right("SYN-RECEIVED")],
      words: [CENTRE, 299],
      anchor: "middle",
    },
    "close": {
      points: upright(top("SYN-SENT", -12), right("CLOSED", 8)),
      words: [RIGHT - 22, 154],
      anchor: "end",
    },
  },
  "SYN-RECEIVED": {
    "receive ACK of SYN": {
      points: upright(bottom("SYN-RECEIVED", 24), left("ESTABLISHED", -8)),
      words: [LEFT + 34, 412],
      anchor: "start",
    },
    "receive RST": {
      points: upright(top("SYN-RECEIVED", -24), left("LISTEN", -8)),
      words: [LEFT - 24, 190],
      anchor: "start",
    },
    "close": {
      points: [bottom("SYN-RECEIVED", -24), top("FIN-WAIT-1", -24)],
      words: [LEFT - 34, 437],
      anchor: "end",
    },
  },
  "ESTABLISHED": {
    "close": {
      points: aside(left("ESTABLISHED", 8), top("FIN-WAIT-1", 24)),
      words: [LEFT + 34, 475],
      anchor: "start",
    },
    "receive FIN": {
      points: aside(right("ESTABLISHED", 8), top("CLOSE-WAIT")),
      words: [RIGHT - 10, 475],
      anchor: "end",
    },
  },
  "FIN-WAIT-1": {
    "receive ACK of FIN": {
      points: [bottom("FIN-WAIT-1", -24), top("FIN-WAIT-2", -24)],
      words: [LEFT - 34, 627],
      anchor: "end",
    },
    "receive FIN": {
      points: aside(right("FIN-WAIT-1", -8), top("CLOSING")),
      words: [CENTRE - 10, 574],
      anchor: "end",
    },
    "receive FIN and ACK of FIN": {
      points: [right("FIN-WAIT-1", 8), [LEFT + 110, 563], [LEFT + 110, 797], left("TIME-WAIT", -8)],
      words: [LEFT + 120, 727],
      anchor: "start",
    },
  },
  "FIN-WAIT-2": {
    "receive FIN": {
      points: upright(bottom("FIN-WAIT-2"), left("TIME-WAIT", 8)),
      words: [LEFT - 10, 770],
      anchor: "end",
    },
  },
  "CLOSE-WAIT": {
    "close": {
      points: [bottom("CLOSE-WAIT"), top("LAST-ACK")],
      words: [RIGHT + 10, 620],
      anchor: "start",
    },
  },
  "CLOSING": {
    "receive ACK of FIN": {
      points: [bottom("CLOSING"), top("TIME-WAIT")],
      words: [CENTRE + 10, 732],
      anchor: "start",
    },
  },
  "LAST-ACK": {
    "receive ACK of FIN": {
      points: [bottom("LAST-ACK"), [END[0], END[1] - HALF_HEIGHT]],
      words: [RIGHT + 10, 752],
      anchor: "start",
    },
  },
  "TIME-WAIT": {
    "2 MSL are over": {
      points: [right("TIME-WAIT"), [END[0] - HALF_WIDTH, END[1]]],
      words: [(CENTRE + RIGHT) / 2, 797],
      anchor: "middle",
    },
  },
};

/**
 * The diagram, whole, as a file of its own. It is as the page is, light or dark.
 *
 * @throws {Error} If {@linkcode FIGURE_5} has a way that nobody has drawn here.
 */
export function statesSvg(): string {
  const description = FIGURE_5.map(({ from, on, to }) => `${from}, ${on}: ${to}`).join("; ");
  const states = Object.entries(PLACES) as [TcpState, Point][];
  return el(
    "svg",
    {
      xmlns: "http://www.w3.org/2000/svg",
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      width: WIDTH,
      height: HEIGHT,
      role: "img",
      "aria-labelledby": "title desc",
    },
    el("title", { id: "title" }, TITLE),
    el("desc", { id: "desc" }, description),
    el("style", {}, STYLE),
    `\n${el("rect", { width: WIDTH, height: HEIGHT, class: "paper" })}`,
    `\n${label(24, 40, TITLE, "title")}`,
    ...FIGURE_5.map((way) => `\n${arrow(way)}`),
    ...[...states, ["CLOSED", END] as const].map(([state, at]) => `\n${box(state, at)}`),
    `\n${label(24, HEIGHT - 20, NOTE, "plain")}`,
    "\n",
  ) + "\n";
}

const TITLE = "The states of a TCP connection (RFC 9293, figure 5)";
const NOTE =
  "Not drawn: an abort leads from every state to CLOSED, and so does RST, which LISTEN ignores.";

function box(state: TcpState, [x, y]: Point): string {
  const place = { x: x - HALF_WIDTH, y: y - HALF_HEIGHT, width: BOX_WIDTH, height: BOX_HEIGHT };
  return el("rect", { ...place, rx: HALF_HEIGHT, class: `pill ${KINDS[state]}` }) +
    label(x, y + 5, state, `state ${KINDS[state]}`, "middle");
}

/** In the colour of what is sent. */
function arrow(way: Transition): string {
  const { from, on, send, when } = way;
  const route = ROUTES[from]?.[on];
  if (route === undefined) throw new Error(`Cannot draw the way out of ${from} on ${on}`);
  const kind = on === "receive RST" ? "rst" : KIND_SENT[send ?? "ACK"];
  // What is only acknowledged is not to be overlooked in small print.
  const ink = kind === "ack" ? "faint" : kind;
  const { points, words: [x, y], anchor } = route;
  const said = when === undefined ? on : `${on}, ${when}`;
  return [
    el("path", { d: path(points), class: `arrow ${kind}` }),
    tip(points.at(-2)!, points.at(-1)!, kind),
    label(x, y, said, "caption", anchor),
    ...send === undefined ? [] : [label(x, y + 16, `send ${send}`, `caption ${ink}`, anchor)],
  ].join("");
}

const KIND_SENT = { "SYN": "syn", "SYN-ACK": "syn", "ACK": "ack", "FIN": "fin", "RST": "rst" };

const [ROUND, TIP] = [10, 9];

/** Round at the corners, and not all the way to the end, where the tip is. */
function path(points: readonly Point[]): string {
  const corners = points.slice(1, -1).map((corner, at) => {
    const [into, out] = [
      toward(corner, points[at]!, ROUND),
      toward(corner, points[at + 2]!, ROUND),
    ];
    return `L${into}Q${corner} ${out}`;
  });
  return `M${points[0]}${corners.join("")}L${toward(points.at(-1)!, points.at(-2)!, TIP - 2)}`;
}

/** `distance` from `from` in the direction of `to`, which lies beside, above or below. */
function toward(from: Point, to: Point, distance: number): Point {
  return [
    from[0] + Math.sign(to[0] - from[0]) * distance,
    from[1] + Math.sign(to[1] - from[1]) * distance,
  ];
}

function tip(before: Point, end: Point, kind: string): string {
  const [x, y] = toward(end, before, TIP);
  const [dx, dy] = before[0] === end[0] ? [4.5, 0] : [0, 4.5];
  return el("path", {
    d: `M${end}L${x - dx},${y - dy}L${x + dx},${y + dy}Z`,
    class: `tip ${kind}`,
  });
}
