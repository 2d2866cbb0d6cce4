/**
 * Files as a source that may be slow: what is asked of a file system to read inputs.
 *
 * Owns: the interface and the machine's own files. Another source stands in for a slow network in
 * measurements. Invariant: a state that is equal means that the bytes are.
 */
import { readFile, stat } from "node:fs/promises";

/** What a file system says of a file; the time of its last change cannot be set by hand. */
export interface FileState {
  readonly isFile: boolean;
  readonly sizeBytes: number;
  readonly inode: number;
  /** Unix milliseconds, with fractions as far as the file system has them. */
  readonly modifiedMs: number;
  readonly changedMs: number;
}

export interface FileSource {
  /** Throws as `fs` does. */
  stat(path: string): Promise<FileState>;
  /** The whole file. Throws as `fs` does. */
  read(path: string): Promise<Uint8Array>;
}

export const DISK: FileSource = {
  async stat(path) {
    const { size, ino, mtimeMs, ctimeMs, ...stats } = await stat(path);
    return {
      isFile: (stats.mode & 0o170000) === 0o100000,
      sizeBytes: size,
      inode: ino,
      modifiedMs: mtimeMs,
      changedMs: ctimeMs,
    };
  },
  read: (path) => readFile(path),
};
