/* The `Range` header: which bytes of something are asked for. */

/** One range of bytes, half open; undefined when the whole is meant, which other ranges than one are taken for. */
export function rangeOf(
  header: string | undefined,
  size: number,
): { readonly from: number; readonly to: number } | undefined {
  const [, first, last] = /^bytes=([0-9]{0,15})-([0-9]{0,15})$/.exec(header ?? "") ?? [];
  if (first === undefined || (first === "" && last === "")) return undefined;
  if (first === "") return { from: Math.max(0, size - Number(last)), to: size };
  const to = last === "" ? size : Math.min(size, Number(last) + 1);
  return last !== "" && Number(last) < Number(first) ? undefined : { from: Number(first), to };
}
