/**
 * The life of a daemon in the foreground: until it ends, is told to, or its parent is gone.
 *
 * The first SIGTERM or SIGINT drains, the second closes. With a parent, the end of standard input
 * closes at once, since the parent may have died without a word, and SIGINT does nothing: a
 * terminal's Ctrl-C reaches parent and daemon, and the parent decides when this one ends.
 */
export interface DaemonLife {
  readonly withParent: boolean;
  drain(): void;
  close(): void;
  /** Settles when the daemon has ended. */
  readonly closed: Promise<void>;
}

export async function runDaemon(life: DaemonLife): Promise<void> {
  let isDraining = false;
  const onSignal = () => {
    if (isDraining) life.close();
    else life.drain();
    isDraining = true;
  };
  process.on("SIGTERM", onSignal);
  const onInterrupt = life.withParent ? () => {} : onSignal;
  process.on("SIGINT", onInterrupt);
  if (life.withParent) {
    process.stdin.on("end", () => life.close());
    process.stdin.on("error", () => life.close());
    process.stdin.resume();
  }
  try {
    await life.closed;
  } finally {
    process.off("SIGTERM", onSignal);
    process.off("SIGINT", onInterrupt);
    process.stdin.destroy();
  }
}
