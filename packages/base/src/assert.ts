/*
Assertions: what they check is always true unless Firn itself is wrong, so a failure is a bug and names the
invariant. Bad input is never asserted, it gets a FirnError.
*/

/** A broken invariant: a bug in Firn, whatever the input was. */
export class AssertionFailure extends Error {
  override readonly name = "AssertionFailure";
}

/** Throws AssertionFailure naming `invariant` unless `condition` holds. */
export function assert(condition: unknown, invariant: string): asserts condition {
  if (!condition) throw new AssertionFailure(`invariant broken: ${invariant}`);
}

/** For the default branch of a switch over a closed union. */
export function unreachable(value: never): never {
  throw new AssertionFailure(`invariant broken: unexpected value ${JSON.stringify(value)}`);
}
