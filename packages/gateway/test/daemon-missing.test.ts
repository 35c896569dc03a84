/* What a client is told of paths that could come from elsewhere: nothing is brought for it, and nothing is said to who wants nothing from there. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { DaemonSources } from "@firn/gateway";
import { chainStore, pathOf } from "../../store/test/small-store.ts";
import { daemonPair } from "./daemon-pair.ts";

const OPTIONS = {
  keepFailed: false,
  keepGoing: false,
  tryFallback: false,
  verbosity: 3,
  maxBuildJobs: 1n,
  maxSilentSeconds: 0n,
  useBuildHook: undefined,
  buildVerbosity: 0,
  logType: undefined,
  printBuildTrace: undefined,
  buildCores: 0n,
  overrides: [],
};

test("what could come from elsewhere is counted with all it refers to, each path once", async () => {
  const far = await chainStore();
  const asked: string[] = [];
  const sources: DaemonSources = {
    mayReplace: () => true,
    offer: async (path) => {
      asked.push(path.toString());
      const described = await far.pathInfos.get(path.hashPart);
      const take = () => assert.fail("nothing is taken");
      return described && { described, source: "far", downloadBytes: 10, take };
    },
    bring: async () => assert.fail("nothing is brought"),
    [Symbol.dispose]: () => {},
  };
  let opened = 0;
  const pair = await daemonPair({
    openSources: () => {
      opened++;
      return sources;
    },
  });
  try {
    const connection = await pair.dial();
    const sizes = await Promise.all(
      ["a", "b", "c"].map(async (one) => (await far.pathInfos.get(pathOf(one).hashPart))?.narSize ?? 0),
    );
    const targets = ["c", "b", "f"].map((one) => ({ path: pathOf(one), outputs: undefined }));
    const missing = await connection.call("queryMissing", { targets });
    assert.deepEqual(
      missing.willSubstitute.map(String).sort(),
      ["a", "b", "c"].map((one) => `${pathOf(one)}`),
    );
    assert.deepEqual([missing.willBuild, missing.unknown.map(String)], [[], [`${pathOf("f")}`]]);
    assert.equal(missing.downloadBytes, 30);
    assert.equal(missing.narSize, sizes[0] + sizes[1] + sizes[2]);
    assert.equal(asked.length, 4);

    const paths = [pathOf("a"), pathOf("f")];
    const found = await connection.call("querySubstitutablePaths", { paths });
    assert.deepEqual(found.map(String), [`${pathOf("a")}`]);
    const info = await connection.call("querySubstitutablePathInfo", { path: pathOf("b") });
    assert.deepEqual([info?.references.map(String), info?.downloadBytes], [[`${pathOf("a")}`], 10]);
    const infos = await connection.call(
      "querySubstitutablePathInfos",
      paths.map((path) => ({ path, contentAddress: undefined })),
    );
    assert.deepEqual(
      infos.map(({ path, info: { narSize } }) => [`${path}`, narSize]),
      [[`${pathOf("a")}`, sizes[0]]],
    );

    const before = opened;
    await connection.call("setOptions", { ...OPTIONS, useSubstitutes: false });
    const none = await connection.call("queryMissing", { targets });
    assert.deepEqual([none.willSubstitute, none.unknown.length, none.narSize], [[], 3, 0]);
    assert.deepEqual(await connection.call("querySubstitutablePaths", { paths }), []);
    assert.equal(opened, before);
  } finally {
    await pair.close();
  }
});
