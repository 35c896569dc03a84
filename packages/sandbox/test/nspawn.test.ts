import { need } from "../../../dev/need.ts";
import { createSandbox } from "../src/create-sandbox.ts";
import { sandboxContract } from "./contract.ts";

sandboxContract("nspawn", async (stateDir) => (await createSandbox({ kind: "nspawn", stateDir })).sandbox, {
  ...need("systemd-nspawn"),
  gaps: {
    "only declared inputs and the sandbox's own files are visible":
      "nspawn makes /root, /run, /sys, /usr and /var, all empty",
  },
});
