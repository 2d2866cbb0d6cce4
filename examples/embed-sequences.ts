/**
 * The TypeScript API in one program: open a session, stream sequences in, take each embedding as it
 * is committed, and stop early if wanted.
 *
 *     node dist/examples/embed-sequences.js [FASTA] [MODEL] [STOP-AFTER]
 *
 * Prints one line a sequence on standard output: id, status, length of the vector, its norm.
 */
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { connect, openRun, RaysidueError, type SequenceItem } from "raysidue";

const [path = "examples/antibodies.fasta", model = "antiberty", stopAfter = "Infinity"] =
  process.argv.slice(2);

/** A source is anything one can iterate over; raysidue asks it for more only when there is room. */
async function* sequencesOf(fasta: string): AsyncGenerator<SequenceItem> {
  let id: string | undefined;
  let sequence = "";
  for await (const line of createInterface({ input: createReadStream(fasta) })) {
    if (!line.startsWith(">")) {
      sequence += line.trim();
      continue;
    }
    if (id !== undefined) yield { id, sequence };
    id = line.slice(1).split(/\s/)[0]!;
    sequence = "";
  }
  if (id !== undefined) yield { id, sequence };
}

// A fleet embedded in this machine; with { address: "grpc://HOST:PORT" } it is a running scheduler.
await using session = await connect({ onNotice: (text) => console.error(text) });
await using run = await openRun(session, {
  kind: "embed",
  model,
  parameters: { pools: ["mean"], layer: -1 },
});

// Submitting and taking results go on at once: each holds the other back where it is slow.
const submitted = run.submit(sequencesOf(path));

let count = 0;
try {
  for await (const result of run.results()) {
    if (result.status === "failed") {
      console.log(`${result.id}\tfailed\t${result.reason}`);
    } else {
      const vector = result.vectors.mean!;
      const norm = Math.hypot(...vector);
      console.log(`${result.id}\tok\t${vector.length}\t${norm.toFixed(4)}`);
    }
    count++;
    if (count >= Number(stopAfter)) run.cancel("that is enough");
  }
  await submitted;
  console.error(`${count} results`);
} catch (thrown) {
  // Operating errors are of one class with a closed list of codes.
  if (!(thrown instanceof RaysidueError) || thrown.code !== "cancelled") throw thrown;
  console.error(`stopped after ${count} results: ${thrown.message}`);
}
