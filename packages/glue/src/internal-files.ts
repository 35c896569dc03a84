/*
Sources that come with the evaluator: what `<nix/…>` finds when no search path has it. nixpkgs' bootstrap fetches its first files through
`<nix/fetchurl.nix>`, so its derivation must have just the attributes that C++ Nix's file of that name gives it.
*/

import type { ByteString } from "@firn/base";

const FETCHURL = `# Fetches one file by a fixed-output derivation whose builder is part of the builder itself.
{ url
, hash ? ""
, sha512 ? ""
, sha256 ? ""
, sha1 ? ""
, md5 ? ""
, outputHash ? null
, outputHashAlgo ? null
, executable ? false
, unpack ? false
, impure ? false
, name ? baseNameOf (toString url)
, system ? ""
}:

let
  # The first that is given, in this order; sha256 also stands for none.
  choice =
    if hash != "" then { value = hash; algorithm = ""; }
    else if sha512 != "" then { value = sha512; algorithm = "sha512"; }
    else if sha1 != "" then { value = sha1; algorithm = "sha1"; }
    else if md5 != "" then { value = md5; algorithm = "md5"; }
    else { value = sha256; algorithm = "sha256"; };
in
derivation ({
  inherit name url executable unpack;
  urls = [ url ];
  system = "builtin";
  builder = "builtin:fetchurl";
  outputHashMode = if executable || unpack then "recursive" else "flat";
  preferLocalBuild = true;
  impureEnvVars = [ "http_proxy" "https_proxy" "ftp_proxy" "all_proxy" "no_proxy" ];
} // (if impure then { __impure = true; } else {
  outputHash = if outputHash != null then outputHash else choice.value;
  outputHashAlgo = if outputHashAlgo != null then outputHashAlgo else choice.algorithm;
}))
`;

/** Text by absolute path in the tree of internal files. */
export const INTERNAL_FILES: ReadonlyMap<ByteString, ByteString> = new Map([["/fetchurl.nix", FETCHURL]]);
