/* Addresses as messages may name them: tokens stand in queries, and passwords before hosts, so neither is shown. */

/** Scheme, host and path. What is no address is cut as if it were one. */
export function shownAddress(address: string | URL): string {
  const url = typeof address === "string" ? URL.parse(address) : address;
  // Schemes that URL does not know have the origin "null".
  if (url !== null) return `${url.protocol}//${url.host}${url.pathname}`;
  return String(address)
    .replace(/^([^/]*\/\/).*@/s, "$1")
    .replace(/[?#].*$/s, "")
    .slice(0, 300);
}
