/** The space that the cache's tests publish into. */
import type { NamedSpace } from "./cache.ts";

export const sampleSpace: NamedSpace = {
  kind: "embed",
  model: "antiberty",
  fingerprint: "0123456789abcdef",
  parameters: '{"layer":8,"pool":["mean"]}',
};
