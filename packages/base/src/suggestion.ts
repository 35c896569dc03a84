/*
"Did you mean …?": the names closest to one that is not there. Follows `Suggestions::bestMatches` of C++ Nix.
*/

const DISTANCE_MAX = 2;
const SUGGESTIONS_MAX = 3;
/** Sets with more names are not searched. */
const NAMES_MAX = 20_000;

/** "Did you mean one of a, b or c?", or the empty string. */
export function closestNames(name: string, names: readonly string[]): string {
  if (names.length > NAMES_MAX) return "";
  const close: { name: string; distance: number }[] = [];
  for (const candidate of names) {
    if (Math.abs(candidate.length - name.length) > DISTANCE_MAX) continue;
    const distance = editDistance(name, candidate);
    if (distance <= DISTANCE_MAX) close.push({ name: candidate, distance });
  }
  close.sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1));
  const best = close.slice(0, SUGGESTIONS_MAX).map((one) => one.name);
  if (best.length === 0) return "";
  if (best.length === 1) return `Did you mean ${best[0]}?`;
  return `Did you mean one of ${best.slice(0, -1).join(", ")} or ${best[best.length - 1]}?`;
}

/** Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replace, row[j] + 1, next[j - 1] + 1));
    }
    row = next;
  }
  return row[b.length];
}
