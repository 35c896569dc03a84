/*
What a server counts, in the text that Prometheus reads: requests by protocol, method and outcome, how long they took, and what the process uses.
*/

/** Upper bounds of the buckets of durations, in seconds. */
const BUCKETS = [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10, 60];

type Labels = Readonly<Record<string, string>>;
type Series = { readonly labels: string; count: number; sum: number; readonly buckets: number[] };

/** A value of now, or one for each of its labels, with what it is. */
export type Gauge = readonly [
  value: number | readonly (readonly [labels: Labels, value: number])[],
  help: string,
  type?: "counter",
];

/** Series of one family that are kept; labels come from a fixed set, so this is a guard only. */
const SERIES_MAX = 2000;

export class Metrics {
  readonly #durations = new Map<string, Series>();

  /** A request that ended; `seconds` is how long it took. */
  observe(labels: Labels, seconds: number): void {
    const key = printLabels(labels);
    let series = this.#durations.get(key);
    if (series === undefined) {
      if (this.#durations.size >= SERIES_MAX) return;
      series = { labels: key, count: 0, sum: 0, buckets: BUCKETS.map(() => 0) };
      this.#durations.set(key, series);
    }
    series.count++;
    series.sum += seconds;
    for (let i = 0; i < BUCKETS.length; i++) if (seconds <= BUCKETS[i]) series.buckets[i]++;
  }

  /** All of it as text; `gauges` by name. */
  print(gauges: Readonly<Record<string, Gauge>>): string {
    const lines: string[] = [];
    for (const [name, [value, help, type = "gauge"]] of Object.entries(gauges)) {
      lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
      if (typeof value === "number") lines.push(`${name} ${value}`);
      else for (const [labels, one] of value) lines.push(`${name}{${printLabels(labels)}} ${one}`);
    }
    lines.push("# HELP firn_request_seconds How long requests took.", "# TYPE firn_request_seconds histogram");
    for (const { labels, count, sum, buckets } of this.#durations.values()) {
      for (const [i, bound] of BUCKETS.entries())
        lines.push(`firn_request_seconds_bucket{${labels},le="${bound}"} ${buckets[i]}`);
      lines.push(`firn_request_seconds_bucket{${labels},le="+Inf"} ${count}`);
      lines.push(`firn_request_seconds_sum{${labels}} ${sum}`, `firn_request_seconds_count{${labels}} ${count}`);
    }
    return `${lines.join("\n")}\n`;
  }
}

function printLabels(labels: Labels): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${value.replace(/[\\"\n]/g, (char) => (char === "\n" ? "\\n" : `\\${char}`))}"`)
    .join(",");
}
