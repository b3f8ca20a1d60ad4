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
  assertEquals(parseFaults("latency=1,jitter=2,latency=2,jitter=3").length, 2);
  assertEquals(parseFaults("corrupt=.5,toxicity=1e-1")[0]!.toxicity, 0.1);
  assertEquals(parseFaults("drop=0.5,unit=line,reset_peer,bytes=9,on_fin=true").map(attributesOf), [
    { rate: 0.5, unit: "line" },
    { timeout: 0, bytes: 9, on_fin: true },
  ]);
});

Deno.test("parseFaults() says what is wrong, what it must be, and what it is", () => {
  const wrong: [string, string][] = [
    ["", "there must be one at each comma"],
    ["latency=1,,drop", "there must be one at each comma"],
    ["latencyy=1", "current value is latencyy"],
    [
      "latency=",
      "'latency' must be an integer from 0 to 9007199254740991: current value is nothing",
    ],
    ["latency=x", 'current value is "x"'],
    ["latency=NaN", 'current value is "NaN"'],
    ["latency=-5", 'current value is "-5"'],
    ["latency=1.5", 'current value is "1.5"'],
    ["latency=1e3", 'current value is "1e3"'],
    ["latency=0x10", 'current value is "0x10"'],
    ["latency=9007199254740993", 'current value is "9007199254740993"'],
    ["latency=1,jitter", "'jitter' must be an integer from 0 to"],
    ["latency=1,jitter=2,jitter=3", "Cannot make fault 'latency' as 'jitter' must be given once"],
    [
      "latency=1,jitterr=2",
      "must be latency, jitter, spread, toxicity, and a fault of its own one of",
    ],
    ["latency=1,spread=flat", "'spread' must be one of uniform, normal, pareto"],
    ["swallow_fin=1", "it takes no value: current value is 1"],
    ["latency=1,toxicity=2", "'toxicity' must be a number from 0 to 1: current value is \"2\""],
    ["latency=1,toxicity=", "'toxicity' must be a number from 0 to 1: current value is nothing"],
    ["latency=1,toxicity=1,toxicity=1", "'toxicity' must be given once"],
    ["toxicity=1", "current value is toxicity"],
    ["reset_peer=1,on_fin=maybe", "'on_fin' must be true or false: current value is \"maybe\""],
    ["corrupt=lots", "'rate' must be a number from 0 to 1: current value is \"lots\""],
    ["corrupt=2", "'rate' must be a number from 0 to 1"],
    ["corrupt=-0.1", "'rate' must be a number from 0 to 1"],
    ["drop=0.5,unit=word", "'unit' must be chunk, line or a size of at least 1"],
    ["drop=0.5,unit=0", "'unit' must be chunk, line or a size of at least 1"],
    ["slicer=10,size_variation=10", "'size_variation' must be less than 'average_size', 10"],
    ["toString=1", "current value is toString"],
    ["__proto__=1", "current value is __proto__"],
  ];
  for (const [text, message] of wrong) assertThrows(() => parseFaults(text), TypeError, message);
  for (const [type, { attributes }] of Object.entries(FAULT_TYPES)) {
    const [main] = Object.keys(attributes);
    const told = `Cannot make fault '${type}' as `;
    assertThrows(() => parseFaults(`${type}=?`), TypeError, told);
    for (const name of Object.keys(attributes)) {
      const text = name === main ? `${type}=?` : `${type},${name}=?`;
      assertThrows(() => parseFaults(text), TypeError, `${told}'${name}' must be `);
    }
  }
  assertThrows(
    () => makeFault({ type: "drop", attributes: { unit: "word" } }),
    TypeError,
    "'unit' must be chunk, line or a size of at least 1",
  );
  assertThrows(
    () => makeFault({ type: "noop", attributes: { x: 1 } }),
    TypeError,
    "its attributes must be none: current one is x",
  );
});
