/*
What an evaluator's thread watches of its evaluations when it was asked to: counts for `--stats`, and a line for each call's begin and end.
Runs in that thread, which is where the counted garbage collections are, too.
*/

import { performance } from "node:perf_hooks";
import { GCProfiler, getHeapStatistics } from "node:v8";
import { type Observer, type Positions, Statistics } from "@firn/eval";
import type { EvalStatistics, ObserveSettings, StatisticsPlace } from "./job.ts";

/** Lines of the call trace are handed on when there are so many chars of them. */
const TRACE_CHARS = 1 << 16;
const POINTS_MAX = 10_000;

export class Observation {
  readonly observer: Observer;
  readonly #counts: Statistics | undefined;
  readonly #countsCalls: boolean;
  readonly #collections: GCProfiler | undefined;
  readonly #onTrace: (lines: string) => void;
  readonly #labels = new Map<number, string>();
  #lines = "";
  /** Of the evaluator that is watched; to be set before it runs. */
  positions: Positions | undefined;

  /** `onTrace` gets lines of the call trace, several at a time. */
  constructor(settings: ObserveSettings, onTrace: (lines: string) => void) {
    this.#onTrace = onTrace;
    this.#countsCalls = settings.statistics === "calls";
    if (settings.statistics !== undefined) {
      this.#counts = new Statistics(this.#countsCalls);
      this.#collections = new GCProfiler();
      this.#collections.start();
    }
    const calls: Observer = {
      callEntered: (pos) => this.#trace("entered", pos),
      callLeft: (pos) => this.#trace("exited", pos),
    };
    this.observer = { ...this.#counts?.observer, ...(settings.traceFunctionCalls === true ? calls : {}) };
  }

  /** As C++ Nix's FunctionCallTrace: the call's place, and the time in nanoseconds since 1970. */
  #trace(what: "entered" | "exited", pos: number): void {
    const now = BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000)) * 1000n;
    this.#lines += `function-trace ${what} ${this.#label(pos)} at ${now}\n`;
    if (this.#lines.length > TRACE_CHARS) this.flush();
  }

  #label(pos: number): string {
    let label = this.#labels.get(pos);
    if (label === undefined) {
      label = this.positions?.describe(pos) ?? "undefined position";
      this.#labels.set(pos, label);
    }
    return label;
  }

  /** Hands on the lines that are waiting. */
  flush(): void {
    if (this.#lines !== "") this.#onTrace(this.#lines);
    this.#lines = "";
  }

  /** Everything counted so far. May be asked once, as garbage collections are no longer counted afterwards. */
  statistics(): EvalStatistics | undefined {
    const { positions } = this;
    if (this.#counts === undefined || positions === undefined) return undefined;
    const collections = this.#collections?.stop()?.statistics ?? [];
    const gcSeconds = collections.reduce((sum, { cost }) => sum + cost, 0) / 1e6;
    const cpuTime = process.cpuUsage().user / 1e6;
    const heap = getHeapStatistics();
    const place = (pos: number): StatisticsPlace => {
      const at = positions.resolve(pos);
      if (at === undefined) return {};
      const { origin, line, column } = at;
      return { ...(origin.file === undefined ? {} : { file: origin.file }), line, column };
    };
    const common: EvalStatistics = {
      ...this.#counts.counts(),
      cpuTime,
      time: { cpu: cpuTime, gc: gcSeconds, gcFraction: gcSeconds / cpuTime },
      gc: { heapSize: heap.total_heap_size, totalBytes: heap.total_allocated_bytes, cycles: collections.length },
    };
    if (!this.#countsCalls) return common;
    const { primops, functions, attributes } = this.#counts.callCounts();
    return {
      ...common,
      primops,
      functions: functions.map(({ name, pos, count }) => ({ name: name === "" ? null : name, ...place(pos), count })),
      attributes: attributes.slice(0, POINTS_MAX).map(({ pos, count }) => ({ ...place(pos), count })),
    };
  }
}
