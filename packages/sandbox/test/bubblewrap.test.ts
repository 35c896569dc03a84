import { need } from "../../../dev/need.ts";
import { createSandbox } from "../src/create-sandbox.ts";
import { sandboxContract } from "./contract.ts";

sandboxContract(
  "bubblewrap",
  async (stateDir) => (await createSandbox({ kind: "bubblewrap", stateDir })).sandbox,
  need("bwrap"),
);
