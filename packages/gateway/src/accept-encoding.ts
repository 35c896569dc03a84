/* The `Accept-Encoding` header: what a body may be packed with. */

/** Whether an encoding is named, and not with a weight of nothing. */
export function accepts(header: string | string[] | undefined, encoding: string): boolean {
  const named = String(header ?? "").split(",");
  return named.some((one) => {
    const [name, ...parameters] = one.split(";").map((part) => part.trim());
    return name === encoding && !parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter));
  });
}
