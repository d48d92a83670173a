// BullMQ at its best, as its settings allow: what Portaria's drain is compared with.
//
//   node worker.js URL QUEUE               runs no-op jobs, CONCURRENCY at a time
//   node worker.js URL QUEUE fill COUNT    queues so many
//
// Tried on 20,000 no-op jobs, two processes, some rounds in turn: keeping finished jobs, ioredis 6
// instead of 5, no check for stalled jobs and no renewal of locks changed nothing that could be
// told from noise; pipelining by itself (enableAutoPipelining) made it slower.
import { Queue, Worker } from "bullmq";

const CONCURRENCY = 10;
const BATCH = 500;

const [url, name, mode, count] = process.argv.slice(2);
const connection = { url, maxRetriesPerRequest: null };

async function fill(left) {
  const queue = new Queue(name, { connection });
  for (; left > 0; left -= BATCH) {
    const jobs = Array.from({ length: Math.min(BATCH, left) }, () => ({ name: "noop", data: {} }));
    await queue.addBulk(jobs);
  }
  await queue.close();
}

if (mode === "fill") {
  await fill(Number(count));
} else {
  const options = { connection, concurrency: CONCURRENCY, removeOnComplete: { count: 0 } };
  new Worker(name, async () => {}, options).on("error", (error) => console.error(error));
}
