import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { need } from "../../../dev/need.ts";
import { createSandbox } from "../src/create-sandbox.ts";
import { testSandboxKind } from "./sandbox-kind.ts";

/** crun refuses hosts where both versions of cgroups have controllers, which no component can mend. */
async function refusal(): Promise<{ skip?: string }> {
  const stateDir = await mkdtemp(join(tmpdir(), "firn-crun-"));
  try {
    await createSandbox({ kind: "crun", stateDir });
    return {};
  } catch (thrown) {
    if (!/hybrid mode/.test(String(thrown))) throw thrown;
    return { skip: "known gap: crun does not run where cgroups are in hybrid mode" };
  } finally {
    await rm(stateDir, { recursive: true });
  }
}

const needed = need("crun");
testSandboxKind("crun", needed.skip === undefined ? await refusal() : needed);
