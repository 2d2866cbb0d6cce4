/**
 * Replays seeds of the hostile world: `replay.js SEED [LAST] [--trace]`.
 *
 * Prints one line a seed, and with `--trace` one a step; ends with an assertion at the first that breaks an invariant.
 */
import { runSeed } from "./adversary.ts";

const args = process.argv.slice(2);
const tell = args.includes("--trace") ? (line: string) => console.log(line) : undefined;
const [first = "1", last = first] = args.filter((arg) => arg !== "--trace");
for (let seed = Number(first); seed <= Number(last); seed++) {
  const { steps, seconds, committed, quarantined, end } = runSeed(seed, tell);
  const text = `seed ${seed}: ${end}, ${committed} committed, ${quarantined} quarantined`;
  process.stdout.write(`${text}, ${steps} steps, ${seconds.toFixed(1)} s\n`);
}
