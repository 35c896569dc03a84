/*
Printing floats as C++ Nix does: `%f` where a float becomes a string, six significant digits (`%g`) where a value is shown, and the
shortest form that reads back equal in JSON.
*/

/** `printf("%f")`. */
export function formatFloatFixed(value: number): string {
  if (!Number.isFinite(value)) return nonFinite(value);
  if (Math.abs(value) < 1e21) return value.toFixed(6);
  return `${BigInt(value)}.000000`;
}

/** `printf("%g")`, as in `std::ostream << double`. */
export function formatFloatShown(value: number): string {
  if (!Number.isFinite(value)) return nonFinite(value);
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  const [digits, exponentText] = value.toExponential(5).split("e");
  const exponent = Number(exponentText);
  if (exponent < -4 || exponent >= 6) {
    const mantissa = trimZeros(digits);
    const sign = exponent < 0 ? "-" : "+";
    return `${mantissa}e${sign}${String(Math.abs(exponent)).padStart(2, "0")}`;
  }
  return trimZeros(value.toFixed(5 - exponent));
}

function trimZeros(digits: string): string {
  return digits.includes(".") ? digits.replace(/\.?0+$/, "") : digits;
}

function nonFinite(value: number): string {
  return Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
}
