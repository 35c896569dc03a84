import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, test } from "node:test";
import { bytesOf } from "@firn/base";
import type { Attempt } from "@firn/build";
import { attemptStoreContract, liveLogsContract } from "@firn/build/contract";
import type { Digest } from "@firn/castore";
import { type BuildRecordsOptions, openBuildRecords, SqliteStoreError } from "@firn/backend-sqlite";

const root = mkdtempSync(join(tmpdir(), "firn-records-"));
after(() => rmSync(root, { recursive: true, force: true }));
let made = 0;

const alive = new Set(["me", "other"]);
const optionsOf = (self: string, change: Partial<BuildRecordsOptions> = {}): BuildRecordsOptions => ({
  process: { self, isAlive: (name) => (name === "elsewhere" ? undefined : alive.has(name)) },
  retention: { endedMax: 1000, daysMax: 30 },
  now: () => 100 * 24 * 3600 * 1000,
  ...change,
});
const opened = (dir = join(root, `${++made}`), options = optionsOf("me")) => {
  const records = openBuildRecords(dir, options);
  after(() => records.close());
  return { dir, ...records };
};

attemptStoreContract("SqliteAttempts", () => opened().attempts);
liveLogsContract("FileLogs", () => opened().logs);

const attemptOf = (id: string, change: Partial<Attempt> = {}): Attempt => ({
  id,
  recipe: "a".repeat(64) as Digest,
  label: "some",
  builder: "test",
  status: "running",
  queuedAtMs: 100 * 24 * 3600 * 1000,
  startedAtMs: 1,
  outputs: [],
  ...change,
});
const ended = (endedAtMs: number): Partial<Attempt> => ({
  status: "succeeded",
  endedAtMs,
  end: { reason: "succeeded" },
});

test("another process sees attempts and logs under way, and asks for cancellations", async () => {
  const mine = opened();
  const theirs = opened(mine.dir, optionsOf("other"));
  await mine.attempts.put(attemptOf("one"));
  const log = mine.logs.open("one");
  log.append(bytesOf("said"));
  assert.equal((await theirs.attempts.get("one"))?.status, "running");
  assert.equal((await theirs.logs.read("one", 1))?.length, 3);
  await theirs.attempts.requestCancel("one");
  assert.deepEqual(await theirs.attempts.cancelRequests(), []);
  assert.deepEqual(await mine.attempts.cancelRequests(), ["one"]);
  log.close();
});

test("the attempts of a process that is gone have failed, whoever asks first", async () => {
  for (const ask of ["get", "list"] as const) {
    const dying = opened(undefined, optionsOf("dying"));
    alive.add("dying");
    await dying.attempts.put(attemptOf("one"));
    const next = opened(dying.dir);
    assert.equal((await next.attempts.get("one"))?.status, "running");
    alive.delete("dying");
    const found = ask === "get" ? await next.attempts.get("one") : (await next.attempts.list()).attempts[0];
    assert.deepEqual([found?.status, found?.end], ["failed", { reason: "infrastructure", why: "the builder died" }]);
    assert.deepEqual((await next.attempts.list({ status: "running" })).attempts, []);
  }
});

test("attempts of other processes are waited for while these are known to run", async () => {
  const resolved = "b".repeat(64) as Digest;
  const mine = opened();
  const waiting = attemptOf("mine", { status: "waiting", resolved });
  const start = async () => {
    await mine.attempts.put(waiting);
    return (await mine.attempts.start({ ...waiting, status: "running" }))?.id;
  };
  const holdersOf = { theirs: "other", judged: "elsewhere", dead: "dying" };
  alive.add("dying");
  for (const [id, holder] of Object.entries(holdersOf)) {
    const theirs = opened(mine.dir, optionsOf(holder));
    await theirs.attempts.put(attemptOf(id, { resolved }));
    if (holder === "dying") alive.delete("dying");
    assert.equal(await start(), id === "theirs" ? "theirs" : undefined);
    await theirs.attempts.put(attemptOf(id, { resolved, ...ended(1), status: "failed" }));
  }
});

test("what is too old or too much is forgotten, with its recipe and log; what is under way stays", async () => {
  const day = 24 * 3600 * 1000;
  const records = opened(undefined, optionsOf("me", { retention: { endedMax: 3, daysMax: 30 } }));
  const recipe = { argv: ["/x"] } as never;
  const letters = ["1", "2", "3", "4", "5"];
  for (const [index, letter] of letters.entries()) {
    const digest = letter.repeat(64) as Digest;
    const log = { log: digest, logBytes: 1 };
    const at = index === 4 ? 60 * day : (95 + index) * day;
    await records.attempts.put(attemptOf(letter, { recipe: digest, ...ended(at), ...log }), [{ digest, recipe }]);
  }
  await records.attempts.put(attemptOf("old", { queuedAtMs: 1 }));
  records.logs.open("1").close();
  await records.prune();
  const left = (await records.attempts.list()).attempts.map(({ id }) => id);
  assert.deepEqual(left.toSorted(), ["2", "3", "4", "old"]);
  assert.equal(await records.attempts.recipe("1".repeat(64) as Digest), undefined);
  assert.deepEqual(await records.attempts.recipe("2".repeat(64) as Digest), recipe);
  assert.equal(await records.logs.read("1", 0), undefined);
  assert.deepEqual(
    records.logDigests().map((digest) => digest[0]),
    ["2", "3", "4"],
  );
});

test("a file of another kind or version is refused", () => {
  const { dir, close } = opened();
  close();
  const file = new DatabaseSync(join(dir, "builds.sqlite"));
  file.exec("pragma user_version = 2");
  const refused = (what: RegExp) => (thrown: unknown) =>
    thrown instanceof SqliteStoreError && thrown.code === "not-a-store" && what.test(thrown.message);
  assert.throws(() => openBuildRecords(dir, optionsOf("me")), refused(/version 2, only 1/));
  file.exec("pragma user_version = 1; pragma application_id = 5");
  file.close();
  assert.throws(() => openBuildRecords(dir, optionsOf("me")), refused(/no record of builds/));
});
