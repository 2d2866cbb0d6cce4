/**
 * A process that holds a sink open until its standard input closes: `writer FOLDER`. Prints a line
 * when its first row is durable.
 */
import { rowsOf } from "./rows.fixture.ts";
import { ShardSink } from "./shard-sink.ts";

const sink = new ShardSink(process.argv[2]!);
await sink.append(rowsOf(0, 1, 16));
process.stdout.write("open\n");
process.stdin.resume().on("end", () => void sink.close());
