/**
 * A process that pulls one model, for tests that kill it or run two at once.
 *
 * Takes the model's name as its argument and everything else from the environment; prints one JSON
 * line for each change of phase and one at its end. Without an argument it does nothing.
 */
import { messageOf, RaysidueError } from "../../src/base/errors.ts";
import { pullModel } from "../../src/model/pull.ts";

const name = process.argv[2];
if (name !== undefined) {
  const say = (line: unknown) => process.stdout.write(`${JSON.stringify(line)}\n`);
  let lastPhase = "";
  try {
    const located = await pullModel(name, {
      backoffMs: 5,
      onProgress: ({ phase, file, doneBytes }) => {
        if (phase !== lastPhase) say({ phase, file, doneBytes });
        lastPhase = phase;
      },
    });
    say({ fingerprint: located.fingerprint, folder: located.folder });
  } catch (thrown) {
    say({ code: thrown instanceof RaysidueError ? thrown.code : "?", message: messageOf(thrown) });
    process.exitCode = 1;
  }
}
