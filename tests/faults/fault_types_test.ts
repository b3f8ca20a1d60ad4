import { assertEquals, assertThrows } from "@std/assert";
import { attributesOf, FAULT_TYPES, makeFault } from "../../lib/faults/fault_types.ts";
import { parseFaults } from "../../lib/faults/parse_faults.ts";
import { run } from "./_stream.ts";

Deno.test("every type makes a fault from its defaults, and each has a line about it", () => {
  for (const [type, { summary }] of Object.entries(FAULT_TYPES)) {
    assertEquals(typeof makeFault({ type }), "function", type);
    assertEquals(summary.length > 0 && !summary.includes("\n"), true, type);
  }
});

Deno.test("makeFault() takes numbers that make no sense for the nearest that do", async () => {
  const cases: [string, Record<string, number>][] = [
    ["latency", { latency: -5, jitter: -1 }],
    ["slicer", { average_size: 0, size_variation: 5, delay: -1 }],
    ["slicer", { average_size: 1, size_variation: 50, delay: 0 }],
    ["corrupt", { rate: -1 }],
  ];
  for (const [type, attributes] of cases) {
    const { bytes } = await run(makeFault({ type, attributes }), [[0, "abc"], [0, "FIN"]]);
    assertEquals(new TextDecoder().decode(bytes), "abc", type);
  }
});

Deno.test("parseFaults() reads faults with their attributes, until the next fault", () => {
  assertEquals(parseFaults("latency=100,jitter=20"), [
    { type: "latency", attributes: { latency: 100, jitter: 20 }, toxicity: 1 },
  ]);
  assertEquals(parseFaults("latency=100, bandwidth=50, toxicity=0.5, swallow_fin"), [
    { type: "latency", attributes: { latency: 100 }, toxicity: 1 },
    { type: "bandwidth", attributes: { rate: 50 }, toxicity: 0.5 },
    { type: "swallow_fin", attributes: {}, toxicity: 1 },
  ]);
  assertEquals(parseFaults("latency=1,latency=2").length, 2);
  assertEquals(parseFaults("drop=0.5,unit=line,reset_peer,bytes=9,on_fin=true").map(attributesOf), [
    { rate: 0.5, unit: "line" },
    { timeout: 0, bytes: 9, on_fin: true },
  ]);
});

Deno.test("parseFaults() says what is wrong, what it must be, and what it is", () => {
  const wrong: [string, string][] = [
    ["", "its type must be one of latency, bandwidth"],
    ["latencyy=1", "current value is latencyy"],
    ["latency=", "'latency' must be an integer: current value is NaN"],
    ["latency=1.5", "'latency' must be an integer: current value is 1.5"],
    ["latency=1,jitterr=2", "current value is jitterr"],
    ["latency=1,spread=flat", "'spread' must be one of uniform, normal, pareto"],
    ["swallow_fin=1", "it takes no value: current value is 1"],
    ["latency=1,toxicity=2", "'toxicity' must be from 0 to 1: current value is 2"],
    ["reset_peer=1,on_fin=maybe", "'on_fin' must be a boolean: current value is maybe"],
    ["corrupt=lots", "'rate' must be a number: current value is NaN"],
    ["toString=1", "current value is toString"],
  ];
  for (const [text, message] of wrong) assertThrows(() => parseFaults(text), TypeError, message);
  assertThrows(
    () => makeFault({ type: "noop", attributes: { x: 1 } }),
    TypeError,
    "its attributes must be none: current one is x",
  );
});
