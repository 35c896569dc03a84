import { need } from "../../../dev/need.ts";
import { openCgroups } from "../src/cgroups.ts";
import { testSandboxKind } from "./sandbox-kind.ts";

testSandboxKind("runc", need("runc"), {
  contract:
    (await openCgroups())?.version === 1
      ? {
          "memory is bounded, and running out of it is told from being killed":
            "it is bounded, but version 1 of cgroups tells only in runc's own group that a process was killed for it, and runc removes that",
        }
      : {},
});
