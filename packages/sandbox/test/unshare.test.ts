import { need } from "../../../dev/need.ts";
import { createSandbox } from "../src/create-sandbox.ts";
import { sandboxContract } from "./contract.ts";

sandboxContract(
  "unshare",
  async (stateDir) => (await createSandbox({ kind: "unshare", stateDir })).sandbox,
  need("unshare"),
);
