/*
A map that forgets what was used longest ago once the weights of its entries pass a limit. JavaScript's maps keep the order of insertion, so
using an entry is taking it out and putting it in again.
*/

export class LruMap<K, V> {
  readonly #weightMax: number;
  readonly #entries = new Map<K, { readonly value: V; readonly weight: number }>();
  #weight = 0;

  constructor(weightMax: number) {
    this.#weightMax = weightMax;
  }

  /** Sum of the weights of what is kept. */
  get weight(): number {
    return this.#weight;
  }

  /** The value, which is then the last to be forgotten. */
  get(key: K): V | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry.value;
  }

  /** Keeps a value, unless it alone weighs more than all may. */
  set(key: K, value: V, weight: number): void {
    this.delete(key);
    if (weight > this.#weightMax) return;
    this.#entries.set(key, { value, weight });
    this.#weight += weight;
    for (const [oldest] of this.#entries) {
      if (this.#weight <= this.#weightMax) return;
      this.delete(oldest);
    }
  }

  /** All values, those used longest ago first. */
  values(): V[] {
    return Array.from(this.#entries.values(), ({ value }) => value);
  }

  delete(key: K): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#weight -= entry.weight;
  }
}
