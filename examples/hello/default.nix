# Three small derivations that need nothing but a shell: every command below is one the shell has built in.
# The last one, `hello`, is made from the other two; `firn build` or `nix-build` builds all of them.
{ system ? builtins.currentSystem, name ? "world" }:

let
  # A derivation whose builder is a shell script. `derivation` is the only way to build something in Nix; all else is convenience on top of it.
  run = name: script: extra:
    derivation ({ inherit name system; builder = "/bin/sh"; args = [ "-euc" script ]; } // extra);

  # Fixed output: the hash of the result is known before, so it may come from anywhere (a download, for example) and is checked afterwards.
  greeting = run "greeting.txt" ''printf 'Hello, %s!\n' '@name@' > "$out"'' {
    outputHashMode = "flat";
    outputHashAlgo = "sha256";
    outputHash = "2b09ab92b0c046393d1b48c3acdda2704dda0029031a1f94f82df0af31cb8e2c";
  };

  # Two outputs: each gets a store path of its own, so that whoever needs one does not have to have the other.
  words = run "words" ''
    printf '%s\n' "$subject" > "$out"
    printf 'words: the subject of a greeting is %s. See also %s.\n' "$subject" "$out" > "$doc"
  '' { outputs = [ "out" "doc" ]; subject = name; };

  # Needs both: their paths come in by the environment, and the result refers to one of them.
  hello = run "hello.txt" ''
    read -r template < "$greeting"
    read -r subject < "$words"
    printf '%s%s%s\n' "''${template%%@name@*}" "$subject" "''${template#*@name@}" > "$out"
    printf '(its documentation: %s)\n' "$documentation" >> "$out"
  '' { inherit greeting words; documentation = words.doc; };
in
# The derivation `hello`; the others are there as attributes: `-A greeting`, `-A words.doc`.
hello // { inherit greeting words; }
