import { need } from "../../../dev/need.ts";
import { testSandboxKind } from "./sandbox-kind.ts";

testSandboxKind("nspawn", need("systemd-nspawn"), {
  contract: {
    "only declared inputs and the sandbox's own files are visible":
      "nspawn makes /root, /run, /sys, /usr and /var, all empty",
  },
  security: {
    "smuggled descriptors: they are out of reach with the host's network too":
      "nspawn's own filter of system calls refuses landlock; without the host's network its abstract sockets are out of reach all the same",
  },
});
