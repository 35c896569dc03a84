/*
One piece of work for all who ask for the same thing at the same time. Each caller may leave by its own signal; the work is aborted when the last
of them has left. Nothing is remembered once it is done.
*/

import { abortable, throwIfAborted } from "@firn/base";

type Flight<V> = { readonly result: Promise<V>; readonly stop: AbortController; waiting: number };

export class SingleFlight<K, V> {
  readonly #flights = new Map<K, Flight<V>>();

  /** The result of `work` for this key, begun here or by an earlier caller that still waits. `work` must heed its signal. */
  async run(key: K, work: (signal: AbortSignal) => Promise<V>, signal?: AbortSignal): Promise<V> {
    throwIfAborted(signal);
    let flight = this.#flights.get(key);
    if (flight === undefined) {
      const stop = new AbortController();
      const begun: Flight<V> = { result: work(stop.signal).finally(() => this.#forget(key, begun)), stop, waiting: 0 };
      begun.result.catch(() => undefined); // those who wait hear of it; nobody may be left
      flight = begun;
      this.#flights.set(key, flight);
    }
    flight.waiting++;
    try {
      return await abortable(flight.result, signal);
    } finally {
      flight.waiting--;
      if (flight.waiting === 0) {
        this.#forget(key, flight);
        flight.stop.abort(signal?.reason);
      }
    }
  }

  #forget(key: K, flight: Flight<V>): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key);
  }
}
