import { need } from "../../../dev/need.ts";
import { createSandbox } from "../src/create-sandbox.ts";
import { sandboxContract } from "./contract.ts";

sandboxContract("runc", async (stateDir) => (await createSandbox({ kind: "runc", stateDir })).sandbox, need("runc"));
