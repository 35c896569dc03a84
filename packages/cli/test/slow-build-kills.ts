/* `npm run slow:build -- [rounds] [seed]`: kills as many builds as wanted, 200 when nothing is said. */

import { killBuilds } from "./build-kills.ts";

const [rounds = "200", seed = String(Date.now() % 2 ** 31)] = process.argv.slice(2);
process.stdout.write(`${rounds} rounds, seed ${seed}\n`);
const report = await killBuilds(Number(rounds), Number(seed), (round) => {
  if (round % 20 === 0) process.stdout.write(`round ${round}\n`);
});
process.stdout.write(`${JSON.stringify(report)}\n`);
