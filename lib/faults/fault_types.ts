/**
 * Faults by name, as people and scripts ask for them: `latency=100,jitter=20`. The first eight are
 * toxiproxy's toxics, with its names, attributes and defaults; the others it does not have.
 */

import { bandwidth } from "./bandwidth.ts";
import { corrupt } from "./corrupt.ts";
import { delayFin } from "./delay_fin.ts";
import { drop } from "./drop.ts";
import { duplicate } from "./duplicate.ts";
import type { Fault } from "./fault.ts";
import { finEarly } from "./fin_early.ts";
import { latency, type Spread } from "./latency.ts";
import { limit } from "./limit.ts";
import type { Unit } from "./_messages.ts";
import { refuse } from "./refuse.ts";
import { reorder } from "./reorder.ts";
import { reset } from "./reset.ts";
import { rstAfterFin } from "./rst_after_fin.ts";
import { slicer } from "./slicer.ts";
import { slowClose } from "./slow_close.ts";
import { stall } from "./stall.ts";
import { swallowFin } from "./swallow_fin.ts";
import { blackhole, timeout } from "./timeout.ts";

/** The value of an attribute. */
export type AttributeValue = number | string | boolean;

/** An attribute of a type of fault. */
export interface Attribute {
  /** What it takes: `integer` is one of 64 bits, as in toxiproxy. */
  readonly kind: "integer" | "number" | "string" | "boolean";
  /** What it is unless it is given. */
  readonly default: AttributeValue;
  /** The largest number that makes sense, where that is not any; the least is 0. */
  readonly most?: number;
  /** The only values there are, if there are few. */
  readonly values?: readonly string[];
  /** What text must be, if not one of `values`: how it looks, and in words. */
  readonly form?: { readonly pattern: RegExp; readonly told: string };
  /** Whether toxiproxy has none, or none like it, so that it is shown only where it was given. */
  readonly extra?: boolean;
}

/** A type of fault. */
export interface FaultType {
  /** One line about it. */
  readonly summary: string;
  /** What toxiproxy calls it inside, which its error messages tell; missing if it has none. */
  readonly toxic?: string;
  /** Its attributes; the first is the one that a bare value sets. */
  readonly attributes: Readonly<Record<string, Attribute>>;
  /** What is wrong with values that are right each by itself; missing if nothing can be. */
  conflict?(values: Readonly<Record<string, AttributeValue>>): string | undefined;
  /** Makes one, from a value for each attribute. Numbers that make no sense are taken for the nearest that do. */
  make(values: Readonly<Record<string, AttributeValue>>): Fault;
}

const integer = (value = 0): Attribute => ({ kind: "integer", default: value });
const rate = (value: number): Attribute => ({ kind: "number", default: value, most: 1 });
const choice = (...values: string[]): Attribute => ({
  kind: "string",
  default: values[0]!,
  values,
});
const extra = (attribute: Attribute): Attribute => ({ ...attribute, extra: true });
/** toxiproxy-cli panics at text. */
const unit: Attribute = {
  kind: "string",
  default: "chunk",
  extra: true,
  form: { pattern: /^(chunk|line|[1-9]\d{0,14})$/, told: "chunk, line or a size of at least 1" },
};

type Values = Readonly<Record<string, AttributeValue>>;
const count = (values: Values, name: string, least = 0): number =>
  Math.max(least, Math.trunc(Number(values[name])));
const part = (values: Values): number => Math.min(1, Math.max(0, Number(values.rate)));
const messages = (values: Values): { unit: Unit } => {
  const named = String(values.unit);
  return { unit: named === "line" || named === "chunk" ? named : count({ named }, "named", 1) };
};

/** All types, by name. */
export const FAULT_TYPES: Readonly<Record<string, FaultType>> = {
  latency: {
    summary: "everything comes later, by latency ± jitter milliseconds",
    toxic: "LatencyToxic",
    attributes: {
      latency: integer(),
      jitter: integer(),
      spread: extra(choice("uniform", "normal", "pareto")),
    },
    make: (values) =>
      latency(count(values, "latency"), {
        jitter: count(values, "jitter"),
        spread: values.spread as Spread,
      }),
  },
  bandwidth: {
    summary: "at most rate kilobytes in a second; 0 lets nothing pass",
    toxic: "BandwidthToxic",
    attributes: { rate: integer() },
    make: (values) => bandwidth(count(values, "rate")),
  },
  slow_close: {
    summary: "the end, FIN or RST, comes delay milliseconds later",
    toxic: "SlowCloseToxic",
    attributes: { delay: integer() },
    make: (values) => slowClose(count(values, "delay")),
  },
  timeout: {
    summary: "all bytes are dropped, and both ends closed after timeout milliseconds; 0 is never",
    toxic: "TimeoutToxic",
    attributes: { timeout: integer() },
    make: (values) => timeout(count(values, "timeout")),
  },
  reset_peer: {
    summary: "RST after timeout milliseconds, or after bytes, or in place of FIN",
    toxic: "ResetToxic",
    attributes: {
      timeout: integer(),
      bytes: extra(integer()),
      on_fin: extra({ kind: "boolean", default: false }),
    },
    make: (values) =>
      reset({
        timeout: count(values, "timeout"),
        bytes: count(values, "bytes"),
        onFin: values.on_fin === true,
      }),
  },
  slicer: {
    summary: "pieces of average_size ± size_variation bytes, delay microseconds before each",
    toxic: "SlicerToxic",
    attributes: { average_size: integer(), size_variation: integer(), delay: integer() },
    conflict: ({ average_size, size_variation }) =>
      size_variation! < average_size! || size_variation === 0
        ? undefined
        : `'size_variation' must be less than 'average_size', ${average_size}: current value is ${size_variation}`,
    make(values) {
      // Without a size there is nothing to cut by; toxiproxy never gets done with that.
      const average = count(values, "average_size") || Number.MAX_SAFE_INTEGER / 4;
      return slicer(Math.trunc(average), {
        variation: Math.min(count(values, "size_variation"), Math.trunc(average) - 1),
        delay: count(values, "delay"),
      });
    },
  },
  limit_data: {
    summary: "both ends are closed after bytes bytes; then=fin or then=rst ends them otherwise",
    toxic: "LimitDataToxic",
    attributes: { bytes: integer(), then: extra(choice("close", "fin", "rst")) },
    make: (values) =>
      limit(count(values, "bytes"), { then: values.then as "close" | "fin" | "rst" }),
  },
  noop: {
    summary: "nothing",
    toxic: "NoopToxic",
    attributes: {},
    make: () => (chunks) => chunks,
  },
  blackhole: {
    summary: "nothing passes, neither bytes nor FIN nor RST, and nobody is told",
    attributes: {},
    make: () => blackhole(),
  },
  stall: {
    summary: "after bytes bytes all is held for ms milliseconds; 0 is until it is removed",
    attributes: { bytes: integer(), ms: integer() },
    make: (values) => stall(count(values, "bytes"), { ms: count(values, "ms") || Infinity }),
  },
  refuse: {
    summary: "new connections are reset at once, and the server hears nothing of them",
    attributes: {},
    make: () => refuse(),
  },
  corrupt: {
    summary: "a bit of each byte is flipped with probability rate",
    attributes: { rate: rate(0.001) },
    make: (values) => corrupt(part(values)),
  },
  drop: {
    summary: "each message is dropped with probability rate; unit is chunk, line or a size",
    attributes: { rate: rate(0.1), unit },
    make: (values) => drop(part(values), messages(values)),
  },
  duplicate: {
    summary: "each message is sent twice with probability rate",
    attributes: { rate: rate(0.1), unit },
    make: (values) => duplicate(part(values), messages(values)),
  },
  reorder: {
    summary: "each message is overtaken by the next with probability rate",
    attributes: { rate: rate(0.1), unit, hold: integer(100) },
    make: (values) => reorder(part(values), { ...messages(values), hold: count(values, "hold") }),
  },
  swallow_fin: {
    summary: "all passes but FIN",
    attributes: {},
    make: () => swallowFin(),
  },
  delay_fin: {
    summary: "FIN comes delay milliseconds later, in this direction alone",
    attributes: { delay: integer() },
    make: (values) => delayFin(count(values, "delay")),
  },
  fin_early: {
    summary: "FIN comes after bytes bytes, and the rest is dropped; the other direction goes on",
    attributes: { bytes: integer() },
    make: (values) => finEarly(count(values, "bytes")),
  },
  rst_after_fin: {
    summary: "FIN passes, and RST follows delay milliseconds later",
    attributes: { delay: integer() },
    make: (values) => rstAfterFin(count(values, "delay")),
  },
};

/** A type of fault with values for its attributes. */
export interface FaultSpec {
  /** One of {@linkcode FAULT_TYPES}. */
  readonly type: string;
  /** Values of attributes that are not the default. */
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
}

/**
 * Makes the fault that `spec` describes.
 *
 * @throws {TypeError} If there is no such type or attribute, or a value is not of its kind.
 */
export function makeFault(spec: FaultSpec): Fault {
  const type = faultType(spec.type);
  const values = attributesOf(spec);
  return type.make(values);
}

/** A value for each attribute of `spec`. Throws as {@linkcode makeFault} does. */
export function attributesOf(spec: FaultSpec): Record<string, AttributeValue> {
  const { attributes } = faultType(spec.type);
  const given = spec.attributes ?? {};
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(attributes, name)) {
      const names = Object.keys(attributes);
      throw new TypeError(
        `Cannot make fault '${spec.type}' as its attributes must be ${
          names.length > 0 ? names.join(", ") : "none"
        }: current one is ${name}`,
      );
    }
  }
  return Object.fromEntries(
    Object.entries(attributes).map(([name, attribute]) => {
      const value = Object.hasOwn(given, name) ? given[name]! : attribute.default;
      const rule = ruleBroken(attribute, value);
      if (rule === undefined) return [name, value];
      throw new TypeError(
        `Cannot make fault '${spec.type}' as '${name}' must be ${rule}: current value is ${value}`,
      );
    }),
  );
}

/**
 * The type of that name.
 *
 * @throws {TypeError} If there is none.
 */
export function faultType(name: string): FaultType {
  if (Object.hasOwn(FAULT_TYPES, name)) return FAULT_TYPES[name]!;
  throw new TypeError(
    `Cannot make a fault as its type must be one of ${
      Object.keys(FAULT_TYPES).join(", ")
    }: current value is ${name}`,
  );
}

/** What `value` should be, if it is not. */
function ruleBroken(attribute: Attribute, value: AttributeValue): string | undefined {
  const { kind } = attribute;
  if (kind === "integer") return Number.isSafeInteger(value) ? undefined : "an integer";
  if (kind === "number") return Number.isFinite(value) ? undefined : "a number";
  const type: string = typeof value;
  if (type !== kind) return `a ${kind}`;
  return textRule(attribute, value);
}

/** What text should be, if `value` is not that. */
export function textRule({ values, form }: Attribute, value: AttributeValue): string | undefined {
  if (values && !values.includes(String(value))) return `one of ${values.join(", ")}`;
  return form && !form.pattern.test(String(value)) ? form.told : undefined;
}
