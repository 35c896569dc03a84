/* How long it takes until nothing much has been evaluated. */

import { bench } from "./measure.ts";

await bench((made) => {
  made.measure("start-up", [
    { what: "the version", firn: () => ["--version"], nix: () => ["nix-instantiate", "--version"] },
    { what: "1 + 2", firn: () => ["eval", "-E", "1 + 2"], nix: () => ["nix-instantiate", "--eval", "-E", "1 + 2"] },
  ]);
});
