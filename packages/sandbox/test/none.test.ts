import { need } from "../../../dev/need.ts";
import { createSandbox } from "../src/create-sandbox.ts";
import { sandboxSecurity } from "./security.ts";

const open = async (stateDir: string) => (await createSandbox({ kind: "none", stateDir })).sandbox;
const hostNetwork = "it has the host's network";

sandboxSecurity("none", open, {
  ...need("bwrap"),
  gaps: {
    "smuggled descriptors: the host's abstract sockets are out of reach": hostNetwork,
    "network: there is only a loopback device, and it works": hostNetwork,
  },
});
