/*
The builtins by what they take and give, in the notation of kind.ts. What reads the world (files, environment, fetching) is asked only what
has the same answer everywhere.
*/

import { type Kind, kindOf } from "./kind.ts";

export type Signature = { readonly call: string; readonly args: readonly Kind[]; readonly result: Kind };

/** A name without a dot is a builtin; `operators` of text are in the generator. */
const TABLE = `
add                 int -> int -> int
add                 float -> int -> float
addErrorContext     string -> a -> a
all                 (a -> bool) -> [a] -> bool
any                 (a -> bool) -> [a] -> bool
appendContext       string -> context -> string
attrNames           {a} -> [string]
attrValues          {a} -> [a]
baseNameOf          filename -> string
bitAnd              int -> int -> int
bitOr               int -> int -> int
bitXor              int -> int -> int
catAttrs            name -> [{a}] -> [a]
ceil                float -> int
compareVersions     version -> version -> int
concatLists         [[a]] -> [a]
concatMap           (a -> [b]) -> [a] -> [b]
concatStringsSep    string -> [string] -> string
deepSeq             a -> b -> b
derivation          {name: filename-part, system: string, builder: string} -> {string}
derivationStrict    {name: filename-part, system: string, builder: string} -> {string}
dirOf               filename -> string
div                 int -> int -> int
div                 float -> int -> float
elem                a -> [a] -> bool
elemAt              [a] -> small -> a
filter              (a -> bool) -> [a] -> [a]
filterSource        (string -> string -> bool) -> missing -> string
findFile            [{path: missing, prefix: name}] -> name -> string
floor               float -> int
foldl'              (b -> a -> b) -> b -> [a] -> b
fromJSON            json -> {int}
fromJSON            json -> [int]
fromJSON            json -> string
fromTOML            toml -> {int}
functionArgs        ({a} -> b) -> {bool}
genericClosure      {startSet: [{key: int}], operator: step} -> [{key: int}]
genList             (int -> a) -> small -> [a]
getAttr             name -> {a} -> a
getContext          string -> {{bool}}
getEnv              unset -> string
groupBy             (a -> name) -> [a] -> {[a]}
hasAttr             name -> {a} -> bool
hasContext          string -> bool
hashFile            algorithm -> missing -> string
hashString          algorithm -> string -> string
head                [a] -> a
import              missing -> a
intersectAttrs      {a} -> {b} -> {b}
isAttrs             a -> bool
isBool              a -> bool
isFloat             a -> bool
isFunction          a -> bool
isInt               a -> bool
isList              a -> bool
isNull              a -> bool
isPath              a -> bool
isString            a -> bool
length              [a] -> int
lessThan            int -> int -> bool
lessThan            string -> string -> bool
lessThan            float -> int -> bool
lessThan            [int] -> [int] -> bool
listToAttrs         [{name: name, value: a}] -> {a}
map                 (a -> b) -> [a] -> [b]
mapAttrs            (string -> a -> b) -> {a} -> {b}
match               regex -> string -> [string]
mul                 int -> int -> int
mul                 float -> int -> float
parseDrvName        version -> {string}
partition           (a -> bool) -> [a] -> {[a]}
path                {path: missing, name: filename-part} -> string
pathExists          missing -> bool
placeholder         filename-part -> string
readDir             missing -> {string}
readFile            missing -> string
removeAttrs         {a} -> [name] -> {a}
replaceStrings      [string] -> [string] -> string -> string
scopedImport        {a} -> missing -> b
seq                 a -> b -> b
sort                (int -> int -> bool) -> [int] -> [int]
sort                (string -> string -> bool) -> [string] -> [string]
split               regex -> string -> [string]
splitVersion        version -> [string]
storePath           missing -> string
stringLength        string -> int
sub                 int -> int -> int
sub                 float -> float -> float
substring           small -> small -> string -> string
tail                [a] -> [a]
throw               string -> a
abort               string -> a
toFile              filename-part -> string -> string
toJSON              a -> string
toPath              filename -> string
toString            stringable -> string
toXML               a -> string
trace               string -> a -> a
tryEval             a -> {success: bool, value: a}
typeOf              a -> string
unsafeDiscardOutputDependency   string -> string
unsafeDiscardStringContext      string -> string
unsafeGetAttrPos    absent -> {a} -> null
zipAttrsWith        (string -> [a] -> b) -> [{a}] -> {b}
currentSystem       string
false               bool
langVersion         known-int
nixPath             search-path
null                null
storeDir            string
true                bool
`;

function signatureOf(line: string): Signature {
  const [name] = line.split(" ", 1);
  const args: Kind[] = [];
  let result = kindOf(line.slice(name.length));
  while (result.is === "function") {
    args.push(result.from);
    result = result.to;
  }
  return { call: `builtins.${name}`, args, result };
}

export const SIGNATURES: readonly Signature[] = TABLE.trim().split("\n").map(signatureOf);
