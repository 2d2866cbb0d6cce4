/** A promise whose settling is somebody else's business. */
export class Deferred<T> {
  readonly promise: Promise<T>;
  resolve!: (value: T | PromiseLike<T>) => void;
  reject!: (reason: unknown) => void;

  constructor() {
    this.promise = new Promise<T>((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // Whoever awaits sees the rejection; a promise nobody awaits must not end the process.
    this.promise.catch(() => {});
  }
}
