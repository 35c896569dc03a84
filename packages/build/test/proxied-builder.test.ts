import assert from "node:assert/strict";
import { test } from "node:test";
import { BuildError, type BuildService, proxiedBuildService } from "@firn/build";
import { contractService } from "./contract-service.ts";

test("calls that were lost with one connection share the next one", async () => {
  const { service } = contractService({});
  const late = Promise.withResolvers<void>();
  const lost = () => new BuildError("storage", "the connection was lost", { retryable: true });
  /** Loses every call, the second only when a new connection serves already. */
  const broken: BuildService = {
    ...service,
    get: async (id) => {
      if (id === "late") await late.promise;
      throw lost();
    },
  };
  const whole: BuildService = {
    ...service,
    get: async () => {
      late.resolve();
      return undefined;
    },
  };
  let connections = 0;
  const connect = async () => (++connections === 1 ? broken : whole);
  const proxied = proxiedBuildService(connect, { supports: service.supports, delayMs: 0 });
  await Promise.all([proxied.get("late"), proxied.get("soon")]);
  assert.equal(connections, 2);
});
