/*
Where Firn follows C++ Nix 2.35.2 and the reference of these tests, 2.8.0, is older. Each entry says what 2.35.2 gives and where that is
written. A case that is listed and agrees with 2.8.0 all the same is a failure: the list holds nothing that is not needed.
*/

export type KnownDifference = {
  /** Which release changed it, and how. */
  readonly reason: string;
  /** What the case must print instead, as `--eval --strict` prints it; `failed` when it must not evaluate. */
  readonly nix?: string;
  readonly json?: string;
  /** The .drv paths it must have. */
  readonly derivations?: readonly string[];
  readonly failed?: true;
};

/** By name of the case. */
export const KNOWN_DIFFERENCES: ReadonlyMap<string, KnownDifference> = new Map<string, KnownDifference>([
  [
    "float-values",
    {
      reason: "2.12: JSON holds as many digits as bring the same float back; before it held six",
      json: "[1.5,0.5,0.75,25000000000.0,0.3333333333333333,0.001,-0.75,123.456]",
    },
  ],
  [
    "from-json",
    {
      reason: "2.12: a float stays one in JSON (1000.0), before it was printed as 1000",
      json: '[{},[],1,-1,1.5,-0.0,1000.0,"x",null,true,[1,2],{"a":{"c":[null,false]},"b":1},"\xc3\xbc\\n\\"\\\\/\xf0\x9d\x84\x9e",9223372036854775807,-9223372036854775808,{"a":2},"\xc3\xbc",{"":0},[[],{},""],9007199254740993,0]',
    },
  ],
  [
    "float-rounding",
    {
      reason: "2.12: JSON holds as many digits as bring the same float back; before it held six",
      json: '{"fixed":["-0.007812","0.007812","0.023438","-0.000000","-0.000000","0.000000","123456789012345680.000000"],"shown":[100000.5,100001.5,1000005.0,1000015.0,999999.5,-100000.5,0.5,2.5]}',
    },
  ],
  ["sort-floats", { reason: "2.12: a float stays one in JSON", json: "[0.5,1,1.0,1,2]" }],
  [
    "keywords-as-names",
    {
      reason: "2.15: every keyword is quoted as a name, 2.8 left `rec` and others bare",
      nix: '{ "assert" = 1; "else" = 2; "if" = 3; "in" = 4; "inherit" = 5; "let" = 6; or = 7; "rec" = 8; "then" = 9; true = 10; "with" = 11; }',
    },
  ],
  [
    "inherit-positions",
    {
      reason: "2.19: the position of an inherited attribute is its name's own, before it was where the list begins",
      nix: "[ 17 19 ]",
      json: "[17,19]",
    },
  ],
]);
