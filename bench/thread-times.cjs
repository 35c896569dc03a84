/*
Loaded before a program of Node: when it exits, writes the CPU milliseconds of V8's helper threads (compilers, collector) into the file that
FIRN_BENCH_THREADS names. What the evaluator's thread and the main one took is the whole less that.
*/

const { isMainThread } = require("node:worker_threads");

if (isMainThread) {
  process.on("exit", () => {
    const { readdirSync, readFileSync, writeFileSync } = require("node:fs");
    let helpers = 0;
    for (const thread of readdirSync("/proc/self/task")) {
      const name = readFileSync(`/proc/self/task/${thread}/comm`, "utf8");
      if (!name.includes("V8Worker")) continue;
      helpers += Number(readFileSync(`/proc/self/task/${thread}/schedstat`, "utf8").split(" ")[0]) / 1e6;
    }
    writeFileSync(process.env.FIRN_BENCH_THREADS, String(helpers));
  });
}
