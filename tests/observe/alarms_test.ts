import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  type Alarm,
  ALARM_KINDS,
  ALARM_LIMITS,
  type AlarmKind,
  alarmText,
  AlarmWatch,
  type ListenerSample,
  type SocketSample,
} from "../../lib/observe/alarms.ts";
import { countStates } from "../../lib/observe/state_counts.ts";

type Counters = NonNullable<SocketSample["counters"]>;

/** A look in which there is little to see. */
function sample(
  at: number,
  seen: {
    halfOpen?: number;
    closeWait?: number;
    listeners?: ListenerSample[];
    counters?: Counters;
  },
): SocketSample {
  const { halfOpen = 0, closeWait = 0, listeners = [], counters } = seen;
  const counts = { ...countStates([]), "SYN-RECEIVED": halfOpen, "CLOSE-WAIT": closeWait };
  return { at, counts, listeners, ...counters && { counters } };
}

const names = (alarms: readonly Alarm[]) =>
  alarms.map(({ kind, subject }) => subject === undefined ? kind : `${kind} ${subject}`);

Deno.test("AlarmWatch raises at the upper limit, and clears at the lower one after quiet", () => {
  const watch = new AlarmWatch({ quiet: 10 });
  const look = (at: number, halfOpen: number) => {
    const { raised, cleared, standing } = watch.look(sample(at, { halfOpen }));
    return [names(raised), names(cleared), names(standing)];
  };
  const [none, it] = [[], ["half-open"]];
  assertEquals(look(0, 99), [none, none, none]);
  assertEquals(look(1, 100), [it, none, it]);
  assertEquals(look(2, 500), [none, none, it]);
  assertEquals(look(3, 51), [none, none, it]);
  assertEquals(look(20, 51), [none, none, it]);
  assertEquals(look(21, 50), [none, none, it]);
  assertEquals(look(30, 0), [none, none, it]);
  // Not quiet any more: it has to begin anew.
  assertEquals(look(30.5, 51), [none, none, it]);
  assertEquals(look(31, 50), [none, none, it]);
  assertEquals(look(40.9, 50), [none, none, it]);
  assertEquals(look(41, 50), [none, it, none]);
  assertEquals(look(42, 99), [none, none, none]);
});

Deno.test("AlarmWatch tells since when, the value now, and the worst", () => {
  const watch = new AlarmWatch({ quiet: 5 });
  watch.look(sample(0, { closeWait: 10 }));
  watch.look(sample(1, { closeWait: 120 }));
  watch.look(sample(2, { closeWait: 300 }));
  const { standing } = watch.look(sample(3, { closeWait: 40 }));
  assertEquals(standing, [{ kind: "close-wait", since: 1, value: 40, worst: 300 }]);
  const { cleared } = watch.look(sample(8, { closeWait: 7 }));
  assertEquals(cleared, [{ kind: "close-wait", since: 1, value: 7, worst: 300 }]);
});

Deno.test("AlarmWatch clears at the first quiet look if no quiet is asked for", () => {
  const watch = new AlarmWatch({ quiet: 0 });
  assertEquals(names(watch.look(sample(0, { halfOpen: 100 })).raised), ["half-open"]);
  assertEquals(names(watch.look(sample(0, { halfOpen: 0 })).cleared), ["half-open"]);
});

Deno.test("AlarmWatch looks at every listener's queue by itself", () => {
  const watch = new AlarmWatch({ quiet: 0 });
  const [a, b] = ["127.0.0.1:80", "[::1]:80"];
  const look = (at: number, ...queues: [string, number, number][]) => {
    const listeners = queues.map(([name, length, backlog]) => ({ name, length, backlog }));
    const { raised, cleared } = watch.look(sample(at, { listeners }));
    return [names(raised), names(cleared)];
  };
  // One more than the backlog has a place.
  assertEquals(look(0, [a, 8, 9], [b, 0, 0]), [[], []]);
  assertEquals(look(1, [a, 9, 9], [b, 0, 0]), [[`accept-queue ${a}`], []]);
  assertEquals(look(2, [a, 9, 9], [b, 1, 0]), [[`accept-queue ${b}`], []]);
  assertEquals(look(3, [a, 5, 9], [b, 1, 0]), [[], [`accept-queue ${a}`]]);
  // Who is gone has no queue.
  assertEquals(look(4, [a, 5, 9]), [[], [`accept-queue ${b}`]]);
  // Several sockets may listen at one address: the fullest counts, wherever it stands.
  assertEquals(look(5, [a, 10, 9], [a, 0, 9]), [[`accept-queue ${a}`], []]);
  assertEquals(look(6, [a, 0, 9], [a, 10, 9]), [[], []]);
});

Deno.test("AlarmWatch counts from look to look what the kernel counts for ever", () => {
  const watch = new AlarmWatch({ quiet: 0 });
  const look = (at: number, drops: number, overflows: number, cookies: number) => {
    const counters = {
      TcpExtListenDrops: drops,
      TcpExtListenOverflows: overflows,
      TcpExtSyncookiesSent: cookies,
    };
    const { standing } = watch.look(sample(at, { counters }));
    return standing.map(({ kind, value }) => [kind, value]);
  };
  assertEquals(look(0, 5000, 4000, 300), []); // from before anybody looked
  assertEquals(look(1, 5000, 4000, 300), []);
  assertEquals(look(2, 5007, 4000, 300), [["turned-away", 7]]);
  assertEquals(look(3, 5007, 4000, 303), [["syn-cookies", 3]]);
  assertEquals(look(4, 5008, 4003, 303), [["turned-away", 3]]);
  assertEquals(look(5, 10, 10, 10), []);
});

Deno.test("AlarmWatch takes a counter that goes back for one that is counted anew", () => {
  const watch = new AlarmWatch();
  const look = (at: number, cookies: number) =>
    watch.look(sample(at, { counters: { TcpExtSyncookiesSent: cookies } })).standing
      .map(({ value, worst }) => [value, worst]);
  assertEquals([look(0, 100), look(1, 103), look(2, 2), look(3, 4)], [
    [],
    [[3, 3]],
    [[0, 3]],
    [[2, 3]],
  ]);
});

Deno.test("AlarmWatch knows nothing of counters that are missing, nor of what went before", () => {
  const watch = new AlarmWatch();
  const counters = { TcpExtListenDrops: 1 };
  assertEquals(watch.look(sample(0, { counters })).raised, []);
  assertEquals(watch.look(sample(1, {})).raised, []);
  assertEquals(watch.look(sample(2, { counters: { TcpExtListenDrops: 100 } })).raised, []);
  const last = watch.look(sample(3, { counters: { TcpExtListenDrops: 101 } }));
  assertEquals(names(last.raised), ["turned-away"]);
});

Deno.test("AlarmWatch takes other limits, and Infinity for never", () => {
  const watch = new AlarmWatch({
    limits: { "half-open": { raise: 2, clear: 0 }, "close-wait": { raise: Infinity, clear: 0 } },
  });
  const { raised } = watch.look(sample(0, { halfOpen: 2, closeWait: 1e9 }));
  assertEquals(names(raised), ["half-open"]);
});

Deno.test("AlarmWatch refuses limits that would flap", () => {
  for (const [raise, clear] of [[5, 5], [5, 6], [5, -1], [NaN, 0], [5, NaN]] as const) {
    assertThrows(
      () => new AlarmWatch({ limits: { "half-open": { raise, clear } } }),
      RangeError,
      "Cannot watch as 'half-open' must clear at 0 or more, and below where it raises: " +
        `current value is raise ${raise}, clear ${clear}`,
    );
  }
  for (const quiet of [-1, NaN]) {
    const refused = `Cannot watch as 'quiet' must be >= 0: current value is ${quiet}`;
    assertThrows(() => new AlarmWatch({ quiet }), RangeError, refused);
  }
});

/** Some looks at one value, at times that go on, with the limits and the quiet to look with. */
const looks = fc.record({
  kind: fc.constantFrom("half-open", "close-wait"),
  clear: fc.nat(20),
  gap: fc.integer({ min: 1, max: 20 }),
  quiet: fc.nat(50),
  values: fc.array(fc.tuple(fc.nat(30), fc.nat(60)), { maxLength: 60 }),
}).map(({ kind, clear, gap, quiet, values }) => {
  const watch = new AlarmWatch({ quiet, limits: { [kind]: { raise: clear + gap, clear } } });
  let at = 0;
  const reports = values.map(([pause, value]) => {
    at += pause;
    const seen = kind === "half-open" ? { halfOpen: value } : { closeWait: value };
    return { at, value, ...watch.look(sample(at, seen)) };
  });
  return { limit: { raise: clear + gap, clear }, quiet, reports };
});

Deno.test("AlarmWatch: between its limits nothing ever changes", () => {
  fc.assert(fc.property(looks, ({ limit, reports }) => {
    for (const { value, raised, cleared } of reports) {
      if (value > limit.clear) assertEquals(cleared, []);
      if (value < limit.raise) assertEquals(raised, []);
    }
  }));
});

Deno.test("AlarmWatch: an alarm is raised, then cleared, in turn, and stands for its quiet at least", () => {
  fc.assert(fc.property(looks, ({ quiet, reports }) => {
    let standing: number | undefined;
    for (const { at, raised, cleared } of reports) {
      assert(raised.length + cleared.length <= 1);
      if (raised.length > 0) {
        assertEquals(standing, undefined);
        standing = at;
      }
      if (cleared.length > 0) {
        assertEquals(cleared[0]!.since, standing);
        assert(at - standing! >= quiet);
        standing = undefined;
      }
    }
    assertEquals(reports.at(-1)?.standing.length ?? 0, standing === undefined ? 0 : 1);
  }));
});

Deno.test("AlarmWatch: it stands from reaching the limit until it was quiet for long enough", () => {
  fc.assert(fc.property(looks, ({ limit, quiet, reports }) => {
    // The same once more, each time from all that went before.
    reports.forEach(({ standing }, now) => {
      const before = reports.slice(0, now + 1);
      const reached = before.findLastIndex(({ value }) => value >= limit.raise);
      const stands = reached >= 0 && !quietAfter(before.slice(reached + 1), limit.clear, quiet);
      assertEquals(standing.length > 0, stands);
    });
  }));
});

/** Whether some looks in a row were all quiet, for so long. */
function quietAfter(
  looks: readonly { at: number; value: number }[],
  clear: number,
  quiet: number,
): boolean {
  let since: number | undefined;
  return looks.some(({ at, value }) => {
    since = value > clear ? undefined : since ?? at;
    return since !== undefined && at - since >= quiet;
  });
}

Deno.test("alarmText() says of every alarm what was found, and what it means", () => {
  const texts = ALARM_KINDS.map((kind: AlarmKind) =>
    alarmText({ kind, subject: "[::1]:80", value: 123 })
  );
  for (const text of texts) assert(/\b123\b.*: \w/.test(text), text);
  assertEquals(new Set(texts).size, ALARM_KINDS.length);
  assert(texts[ALARM_KINDS.indexOf("accept-queue")]!.includes("of [::1]:80 is"));
});

Deno.test("ALARM_LIMITS keep their own rule", () => {
  for (const kind of ALARM_KINDS) assert(ALARM_LIMITS[kind].clear < ALARM_LIMITS[kind].raise);
});
