/*
Evaluations of many kinds with code kept from before: nixpkgs, where FIRN_NIXPKGS names a tree, and small programs that each do one thing
a hundred thousand times.
*/

import { bench } from "./measure.ts";

const tree = process.env.FIRN_NIXPKGS;
// The entry that any version of Nix may import; the other one asks for a newer one than the reference.
const pkgs = `import ${tree}/pkgs/top-level/impure.nix { system = "x86_64-linux"; config = { allowAliases = false; }; overlays = [ ]; }`;
const NIXPKGS = [
  { what: "hello", expression: `(${pkgs}).hello.drvPath` },
  { what: "firefox", expression: `(${pkgs}).firefox.drvPath`, runs: 3 },
  {
    what: "500 attributes",
    runs: 1,
    expression: `let
      pkgs = ${pkgs};
      names = builtins.filter (name: builtins.match "[a-d].*" name != null) (builtins.attrNames pkgs);
      ok = name: (builtins.tryEval (pkgs.\${name}.drvPath or null)).success;
    in builtins.length (builtins.filter ok (builtins.genList (i: builtins.elemAt names (i * 5)) 500))`,
  },
];

const PROGRAMS = [
  { what: "fib 30", expression: "let fib = n: if n < 2 then n else fib (n - 1) + fib (n - 2); in fib 30" },
  { what: "foldl' over 1e6", expression: "builtins.foldl' (a: b: a + b) 0 (builtins.genList (x: x) 1000000)" },
  {
    what: "sort 2e5 with a lambda",
    expression: `let
      mod = a: b: a - b * (a / b);
      numbers = builtins.genList (i: mod (i * 7919) 1000003) 200000;
    in builtins.elemAt (builtins.sort (a: b: a < b) numbers) 100000`,
  },
  {
    what: "listToAttrs of 2e5",
    expression: `let
      set = builtins.listToAttrs (builtins.genList (i: { name = "key\${toString i}"; value = i; }) 200000);
    in set.key77777 + builtins.length (builtins.attrNames set)`,
  },
  {
    what: "mapAttrs, 10 times 5e4",
    expression: `let
      set = builtins.listToAttrs (builtins.genList (i: { name = "k\${toString i}"; value = i; }) 50000);
      times = n: s: if n == 0 then s else times (n - 1) (builtins.mapAttrs (_: v: v + 1) s);
    in builtins.foldl' (a: b: a + b) 0 (builtins.attrValues (times 10 set))`,
  },
  {
    what: "strings, 3e5 joined",
    expression: `builtins.stringLength (builtins.concatStringsSep ","
      (builtins.genList (i: "item-\${toString i}-\${builtins.substring 0 3 "abcdef"}") 300000))`,
  },
  {
    what: "strings, 2e5 replaced",
    expression: `let items = builtins.genList (i: "item-\${toString i}-abc") 200000; in
      builtins.stringLength (builtins.concatStringsSep "," (map (s: s + ";" + builtins.replaceStrings [ "item" ] [ "thing" ] s) items))`,
  },
  {
    what: "one by one with //, 1e5",
    runs: 1,
    expression: `builtins.length (builtins.attrNames
      (builtins.foldl' (set: i: set // { "key\${toString i}" = i; }) { } (builtins.genList (i: i) 100000)))`,
  },
];

await bench((made) => {
  if (tree === undefined) process.stdout.write("nixpkgs: FIRN_NIXPKGS names no tree, skipped\n");
  else made.evaluations("nixpkgs", NIXPKGS);
  made.evaluations("programs", PROGRAMS);
});
