/*
Printing floats as C++ Nix does: `%f` where a float becomes a string, six significant digits (`%g`) where a value is shown, and the
shortest form that reads back equal in JSON.
*/

/** `printf("%f")`. */
export function formatFloatFixed(value: number): string {
  if (!Number.isFinite(value)) return nonFinite(value);
  if (value === 0) return Object.is(value, -0) ? "-0.000000" : "0.000000";
  if (Math.abs(value) < 1e21) return tiesToEven((digits) => value.toFixed(digits), 6);
  return `${BigInt(value)}.000000`;
}

/** `printf("%g")`, as in `std::ostream << double`. */
export function formatFloatShown(value: number): string {
  if (!Number.isFinite(value)) return nonFinite(value);
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  const [digits, exponentText] = tiesToEven((digits) => value.toExponential(digits), 5).split("e");
  const exponent = Number(exponentText);
  if (exponent < -4 || exponent >= 6) {
    const mantissa = trimZeros(digits);
    const sign = exponent < 0 ? "-" : "+";
    return `${mantissa}e${sign}${String(Math.abs(exponent)).padStart(2, "0")}`;
  }
  return trimZeros(tiesToEven((places) => value.toFixed(places), 5 - exponent));
}

/** Digits that tell any tie from what is only near one. */
const DIGITS_MAX = 100;

/** JavaScript rounds a value half-way between two texts away from zero, C to the even digit. */
function tiesToEven(format: (digits: number) => string, digits: number): string {
  const nearest = format(digits);
  if (!/5(?:e|$)/.test(format(digits + 1))) return nearest;
  const [exact, exponent] = format(DIGITS_MAX).split("e");
  const end = exact.indexOf(".") + 1 + digits;
  const below = exact.slice(0, end).replace(/\.$/, "");
  if (!/^50*$/.test(exact.slice(end)) || !/[02468]$/.test(below)) return nearest;
  return exponent === undefined ? below : `${below}e${exponent}`;
}

function trimZeros(digits: string): string {
  return digits.includes(".") ? digits.replace(/\.?0+$/, "") : digits;
}

function nonFinite(value: number): string {
  return Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
}
