import {
  type Attribute,
  type AttributeValue,
  FAULT_TYPES,
  type FaultSpec,
  type FaultType,
  faultType,
  textRule,
} from "./fault_types.ts";

/**
 * Reads what people write: `latency=100,jitter=20`, `stall=65536,ms=200`, `swallow_fin`. After a
 * type come its attributes until the next type, so `latency=100,bandwidth=50` is two faults, and
 * so is `latency=100,latency=50`; `toxicity` belongs to the fault before it.
 *
 * It is stricter than {@linkcode makeFault}: a number that makes no sense is an error.
 *
 * @throws {TypeError} If it is not that. The message says what is wrong with which part.
 */
export function parseFaults(text: string): (FaultSpec & { toxicity: number })[] {
  const found: Parsed[] = [];
  for (const item of text.split(",")) {
    const [name, value] = split(item.trim());
    const last = found.at(-1);
    if (name === "") {
      throw new TypeError(`Cannot read faults as there must be one at each comma: ${quote(text)}`);
    } else if (last !== undefined && isAttribute(last, name)) {
      last.set(name, value);
    } else if (Object.hasOwn(FAULT_TYPES, name)) {
      found.push(new Parsed(name, value));
    } else if (last === undefined) {
      faultType(name); // which throws
    } else {
      const names = [...Object.keys(last.kind.attributes), "toxicity"];
      throw new TypeError(
        `Cannot make fault '${last.type}' as its attributes must be ${names.join(", ")}, and a ` +
          `fault of its own one of ${
            Object.keys(FAULT_TYPES).join(", ")
          }: current value is ${name}`,
      );
    }
  }
  return found.map((fault) => fault.checked());
}

/** A fault, as far as it was read. */
class Parsed {
  readonly type: string;
  readonly kind: FaultType;
  readonly given = new Map<string, AttributeValue>();

  constructor(type: string, value: string | undefined) {
    this.type = type;
    this.kind = faultType(type);
    if (value === undefined) return;
    const [main] = Object.keys(this.kind.attributes);
    if (main === undefined) this.#refuse(`it takes no value: current value is ${value}`);
    this.set(main, value);
  }

  set(name: string, value: string | undefined): void {
    if (this.given.has(name)) this.#refuse(`'${name}' must be given once`);
    const attribute = name === "toxicity" ? TOXICITY : this.kind.attributes[name]!;
    const [read, rule] = valueOf(attribute, value ?? "");
    if (rule !== undefined) {
      this.#refuse(`'${name}' must be ${rule}: current value is ${quote(value ?? "")}`);
    }
    this.given.set(name, read);
  }

  checked(): FaultSpec & { toxicity: number } {
    const { toxicity = 1, ...attributes } = Object.fromEntries(this.given);
    const defaults = Object.entries(this.kind.attributes).map(([name, a]) => [name, a.default]);
    const wrong = this.kind.conflict?.({ ...Object.fromEntries(defaults), ...attributes });
    if (wrong !== undefined) this.#refuse(wrong);
    return { type: this.type, attributes, toxicity: Number(toxicity) };
  }

  #refuse(why: string): never {
    throw new TypeError(`Cannot make fault '${this.type}' as ${why}`);
  }
}

const TOXICITY: Attribute = { kind: "number", default: 1, most: 1 };

/** Whether `name` says more about a fault, rather than beginning one. */
function isAttribute({ kind, given }: Parsed, name: string): boolean {
  if (name === "toxicity") return true;
  return Object.hasOwn(kind.attributes, name) &&
    !(Object.hasOwn(FAULT_TYPES, name) && given.has(name));
}

function split(item: string): [string, string | undefined] {
  const at = item.indexOf("=");
  return at < 0 ? [item, undefined] : [item.slice(0, at).trim(), item.slice(at + 1).trim()];
}

/** What `text` says, or what it must be. */
function valueOf(attribute: Attribute, text: string): [AttributeValue, rule: string | undefined] {
  const { kind, most } = attribute;
  if (kind === "string") return [text, textRule(attribute, text)];
  if (kind === "boolean") {
    return [text === "true", /^(true|false)$/.test(text) ? undefined : "true or false"];
  }
  const number = Number(text);
  if (kind === "integer") {
    const right = /^\d+$/.test(text) && Number.isSafeInteger(number);
    return [number, right ? undefined : `an integer from 0 to ${Number.MAX_SAFE_INTEGER}`];
  }
  const right = /^(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) && number <= (most ?? Infinity);
  return [number, right ? undefined : `a number from 0 to ${most}`];
}

function quote(text: string): string {
  return text === "" ? "nothing" : JSON.stringify(text);
}
