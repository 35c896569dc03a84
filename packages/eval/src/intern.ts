/*
One string object per attribute name, so that two equal names are nearly always the same pointer and comparing them looks at no bytes.
Measured against V8's own internalisation (by way of property keys), which costs more than it saves. Names that are computed (of files, of `listToAttrs`) are left as they are:
most are looked up a few times at most, and there can be very many.
*/

const table = new Map<string, string>();

/** The one string object for `name`. */
export function intern(name: string): string {
  const known = table.get(name);
  if (known !== undefined) return known;
  table.set(name, name);
  return name;
}

/** All names so far, of every evaluation in this thread. */
export function internedNames(): string[] {
  return [...table.keys()];
}
