/**
 * A process that appends to a shard until it is killed: `appender FOLDER NAME`. Prints the number
 * of rows that are durable after every append.
 */
import { writeSync } from "node:fs";
import { rowsOf } from "./rows.fixture.ts";
import { ShardWriter } from "./shard-writer.ts";

const [folder, name] = process.argv.slice(2);
const writer = await ShardWriter.open(folder!, name!);
const ROWS = 64;
for (let first = 0; ; first += 3 * ROWS) {
  const appends = [0, 1, 2].map((i) => writer.append(rowsOf(first + i * ROWS, ROWS, 4000)));
  await Promise.all(appends);
  // Synchronous: what was printed must be true even if the kill comes next.
  writeSync(1, `${first + 3 * ROWS}\n`);
}
