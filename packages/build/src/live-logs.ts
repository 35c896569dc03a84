/*
Logs of attempts that have not ended: written by the one process that runs the attempt, read by any number from any offset, in other
processes too. An ended attempt's log is a blob; then its live log is removed.
*/

export interface LiveLogs {
  /** Begins the log of an attempt, empty. */
  open(id: string): LiveLog;

  /**
   * Bytes at offset `from`, as many as are convenient, empty when there are none (yet); undefined when there is no such log. They are the caller's: in
   * `buffer`, of which no more than its length is used, or else in a new one.
   */
  read(id: string, from: number, buffer?: Uint8Array): Promise<Uint8Array | undefined>;

  /** Nothing happens if there is none. */
  remove(id: string): Promise<void>;
}

/** The writing end. Appending is synchronous and never fails: what cannot be written is dropped, and the log then says less than was said. */
export interface LiveLog {
  /** Bytes kept so far. */
  readonly length: number;
  /** Takes the bytes; the buffer may be used again afterwards. */
  append(bytes: Uint8Array): void;
  /** Nothing can be appended any more. */
  close(): void;
}
