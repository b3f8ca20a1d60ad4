/**
 * Metrics, and the page on which Prometheus reads them: its text format, version 0.0.4.
 *
 * @example
 * ```ts
 * import { prometheusPage } from "@tcplab/tcplab/proxy";
 * import { assertEquals } from "@std/assert";
 *
 * const conns = { name: "conns", help: "Connections now.", type: "gauge", samples: [{ value: 3 }] } as const;
 * assertEquals(prometheusPage([conns]), "# HELP conns Connections now.\n# TYPE conns gauge\nconns 3\n");
 * ```
 *
 * @module
 */

/** One value. */
export interface MetricSample {
  /** What it is about. */
  readonly labels?: Readonly<Record<string, string>>;
  /** What a histogram's sample is: `_bucket`, `_sum` or `_count`. */
  readonly suffix?: string;
  /** The value. */
  readonly value: number;
}

/** A metric. */
export interface Metric {
  /** Its name: letters, digits and `_`. */
  readonly name: string;
  /** What it is. */
  readonly help: string;
  /** Of which kind. */
  readonly type: "counter" | "gauge" | "histogram";
  /** Its values. */
  readonly samples: readonly MetricSample[];
}

/** The page; its content type is {@linkcode PROMETHEUS_TYPE}. */
export function prometheusPage(metrics: readonly Metric[]): string {
  return metrics.map(({ name, help, type, samples }) => {
    const head = `# HELP ${name} ${escaped(help, /[\\\n]/g)}\n# TYPE ${name} ${type}\n`;
    return head +
      samples.map(({ labels = {}, suffix = "", value }) =>
        `${name}${suffix}${labelled(labels)} ${written(value)}\n`
      ).join("");
  }).join("");
}

/** The content type of {@linkcode prometheusPage}. */
export const PROMETHEUS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

function labelled(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) =>
    `${name}="${escaped(value, /[\\\n"]/g)}"`
  );
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function escaped(text: string, what: RegExp): string {
  return text.replaceAll(what, (char) => char === "\n" ? "\\n" : `\\${char}`);
}

function written(value: number): string {
  return value === Infinity ? "+Inf" : value === -Infinity ? "-Inf" : String(value);
}

/** Counts how many values were at most so large. */
export class Histogram {
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;

  /** Has buckets up to these values, which must rise, and one for all that is larger. */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  /** Counts a value. */
  add(value: number): void {
    const at = this.#bounds.findIndex((bound) => value <= bound);
    this.#counts[at < 0 ? this.#bounds.length : at]!++;
    this.#sum += value;
  }

  /** As Prometheus wants it: each bucket has those below it as well. */
  samples(): MetricSample[] {
    let count = 0;
    const buckets = this.#counts.map((more, i): MetricSample => {
      count += more;
      const bound = this.#bounds[i];
      const le = bound === undefined ? "+Inf" : String(bound);
      return { suffix: "_bucket", labels: { le }, value: count };
    });
    return [...buckets, { suffix: "_sum", value: this.#sum }, { suffix: "_count", value: count }];
  }
}
