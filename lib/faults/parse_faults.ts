import {
  attributesOf,
  type AttributeValue,
  FAULT_TYPES,
  type FaultSpec,
  faultType,
} from "./fault_types.ts";

/**
 * Reads what people write: `latency=100,jitter=20`, `stall=65536,ms=200`, `swallow_fin`. After a
 * type come its attributes until the next type, so `latency=100,bandwidth=50` is two faults, and
 * `toxicity` belongs to the fault before it.
 *
 * @throws {TypeError} If it is not that, or as {@linkcode makeFault} does.
 */
export function parseFaults(text: string): (FaultSpec & { toxicity: number })[] {
  const found: { type: string; attributes: Record<string, AttributeValue>; toxicity: number }[] =
    [];
  for (const item of text.split(",")) {
    const [name = "", value] = split(item.trim());
    const last = found.at(-1);
    const isAttribute = last !== undefined &&
      Object.hasOwn(faultType(last.type).attributes, name) &&
      value !== undefined && !(Object.hasOwn(FAULT_TYPES, name) && name in last.attributes);
    if (last !== undefined && name === "toxicity") {
      last.toxicity = Number(value);
      if (!(last.toxicity >= 0 && last.toxicity <= 1)) {
        throw new TypeError(
          `Cannot use fault '${last.type}' as 'toxicity' must be from 0 to 1: current value is ${value}`,
        );
      }
    } else if (isAttribute) {
      last.attributes[name] = valueOf(last.type, name, value);
    } else {
      const type = faultType(name);
      const [main] = Object.keys(type.attributes);
      if (value !== undefined && main === undefined) {
        throw new TypeError(
          `Cannot make fault '${name}' as it takes no value: current value is ${value}`,
        );
      }
      const attributes = value === undefined ? {} : { [main!]: valueOf(name, main!, value) };
      found.push({ type: name, attributes, toxicity: 1 });
    }
  }
  for (const spec of found) attributesOf(spec);
  return found;
}

function split(item: string): [string, string | undefined] {
  const at = item.indexOf("=");
  return at < 0 ? [item, undefined] : [item.slice(0, at).trim(), item.slice(at + 1).trim()];
}

function valueOf(type: string, name: string, text: string): AttributeValue {
  const { kind } = faultType(type).attributes[name]!;
  if (kind === "string") return text;
  if (kind === "boolean") return text === "true" ? true : text === "false" ? false : text;
  return text === "" ? NaN : Number(text);
}
