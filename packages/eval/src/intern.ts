/*
One string object per attribute name, so that comparing names is comparing pointers. V8 does that by itself for strings it has
internalised, which property keys are: a name's first appearance goes through a property key.
*/

const table = new Map<string, string>();

/** The one string object for `name`. */
export function intern(name: string): string {
  const known = table.get(name);
  if (known !== undefined) return known;
  const internal = Object.keys({ [name]: 0 })[0];
  table.set(internal, internal);
  return internal;
}
