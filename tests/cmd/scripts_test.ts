import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { V8_FLAGS } from "../../cmd/_workers.ts";
import { echo } from "../../lib/server/echo.ts";
import { serveTcp } from "../../lib/server/server.ts";
import { needs } from "../_needs.ts";
import { firstLineFlags, ROOT, start, type Started, startProgram } from "../_script.ts";
import { allScripts, USES } from "./_scripts.ts";

const STARTING = { run: ["deno"], read: true } as const;

/** Programs that look at the kernel and at the wire, which a lesson can do without. */
const OPTIONAL = /^--allow-run=(?!deno$)/;
const isOptional = (flag: string, of: string) => of.includes("/") && OPTIONAL.test(flag);

needs({ read: true }, "the scripts are found", () => {
  assert(allScripts().length >= Object.keys(USES).length);
  assertEquals(Object.keys(USES).filter((name) => !allScripts().includes(name)), []);
});

for (const name of allScripts()) {
  const { handler = echo, args = () => [], works = endsWell } = USES[name] ?? {};

  needs({ read: true }, `${name} can be started by its file alone`, async () => {
    const { mode } = await Deno.stat(new URL(`cmd/${name}.ts`, ROOT));
    // Windows has no such bits, and no first lines.
    if (mode !== null && Deno.build.os !== "windows") assertEquals(mode & 0o111, 0o111);
  });

  needs(STARTING, `${name} works with just the permissions on its first line`, async () => {
    await using server = serveTcp({}, handler);
    await using script = await start(name, args(server));
    await works(script);
  });

  needs(STARTING, `${name} names the flag that is missing, in one line`, async () => {
    await using server = serveTcp({}, handler);
    const flags = await firstLineFlags(`cmd/${name}.ts`);
    for (const missing of flags) {
      if (isOptional(missing, name) || missing === V8_FLAGS) continue;
      const rest = flags.filter((flag) => flag !== missing);
      await using script = await start(name, args(server), { flags: rest, input: "hello\n" });
      const { code, stderr } = await script.ended();
      assertEquals(lines(stderr).length, 1, stderr);
      assertStringIncludes(stderr, missing.replace(/=.*/, ""));
      assertEquals(code, 1);
    }
  });

  needs(STARTING, `${name} goes on without what it can do without, and says so`, async () => {
    const flags = await firstLineFlags(`cmd/${name}.ts`);
    const rest = flags.filter((flag) => !isOptional(flag, name));
    if (rest.length === flags.length) return;
    await using script = await start(name, [], { flags: rest });
    const output = await script.output();
    assertMatch(output, /\n {2}– not seen: .*\n {6}\((\w+) is missing, or --allow-run=\1\)\n/);
    assertMatch(output, / held; \d+ could not be seen\n$/);
  });

  needs(STARTING, `${name} prints its module doc for --help, without any permission`, async () => {
    await using script = await start(name, ["--help"], { flags: [] });
    assertEquals(await script.output(), await moduleDoc(name));
  });

  needs(STARTING, `${name} prints the version for --version`, async () => {
    await using script = await start(name, ["--version"], { flags: [] });
    assertMatch(await script.output(), /^tcplab \d+\.\d+\.\d+\n$/);
  });

  needs(
    STARTING,
    `${name} refuses an unknown flag in one line, and names those in its help`,
    async () => {
      await using script = await start(name, ["--no-such-flag"]);
      const { code, stdout, stderr } = await script.ended();
      assertEquals([code, stdout.length, lines(stderr).length], [2, 0, 1], stderr);
      const [, allowed] = /unknown flag --no-such-flag: allowed are (.*)\n$/.exec(stderr) ?? [];
      const documented = (await moduleDoc(name)).matchAll(/^ {4}(--[a-z-]+)/gm);
      assertEquals(
        allowed?.split(", "),
        [...documented].map(([, flag]) => flag).concat("--version"),
      );
    },
  );
}

for (const name of allScripts().filter((name) => !name.includes("/"))) {
  needs({ read: true }, `${name} has a task with the permissions on its first line`, async () => {
    const config = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
    const flags = await firstLineFlags(`cmd/${name}.ts`);
    assertEquals(
      config.tasks[name]?.command,
      ["deno", "run", ...flags, `cmd/${name}.ts`].join(" "),
    );
    assert(config.tasks[name].description);
  });
}

for (const name of ["proxy", "balance"]) {
  needs(
    { read: true },
    `${name}'s first line sets V8 up as its workers' command does`,
    async () => {
      assert((await firstLineFlags(`cmd/${name}.ts`)).includes(V8_FLAGS));
    },
  );
}

async function endsWell(script: Started): Promise<void> {
  await script.output();
}

/** As `deno doc` understands it, which is not how the scripts themselves find it. */
async function moduleDoc(name: string): Promise<string> {
  await using program = startProgram(Deno.execPath(), ["doc", "--json", `cmd/${name}.ts`]);
  const [file] = Object.values<{ module_doc: { doc: string } }>(
    JSON.parse(await program.output()).nodes,
  );
  return `${file?.module_doc.doc.trimEnd()}\n`;
}

function lines(text: string): string[] {
  return text.split("\n").filter((line) => line !== "");
}
