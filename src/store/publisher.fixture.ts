/** A process that publishes shards and ends: `publisher ROOT FOLDER`. Prints its report as JSON. */
import { publish } from "./cache.ts";
import { sampleSpace } from "./space.fixture.ts";

const [root, folder] = process.argv.slice(2);
console.log(JSON.stringify(await publish(root!, sampleSpace, folder!)));
