import { need } from "../../../dev/need.ts";
import { testSandboxKind } from "./sandbox-kind.ts";

testSandboxKind("unshare", need("unshare"));
