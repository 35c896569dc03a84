import { need } from "../../../dev/need.ts";
import { testSandboxKind } from "./sandbox-kind.ts";

testSandboxKind("nspawn", need("systemd-nspawn"), {
  contract: {
    "only declared inputs and the sandbox's own files are visible":
      "nspawn makes /root, /run, /sys, /usr and /var, all empty",
  },
});
