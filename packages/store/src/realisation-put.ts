/*
What every RealisationService does with a put, whatever it stores in: check each and merge it with what is there. The caller runs it inside its own
transaction and writes what comes out.
*/

import { checkRealisation, mergeRealisation, type Realisation } from "./realisation.ts";
import { realisationKey } from "./realisation-codec.ts";

/** What has to be written, by key; `known` finds what is there. Throws before anything is written: `invalid-realisation`, or `limit`. */
export function mergeRealisations(
  realisations: readonly Realisation[],
  known: (key: string) => Realisation | undefined,
): Map<string, Realisation> {
  const coming = new Map<string, Realisation>();
  for (const realisation of realisations) {
    checkRealisation(realisation);
    const key = realisationKey(realisation.drvPath, realisation.output);
    const merged = mergeRealisation(coming.get(key) ?? known(key), realisation);
    checkRealisation(merged); // signatures of both may be too many to be read again
    coming.set(key, merged);
  }
  return coming;
}
