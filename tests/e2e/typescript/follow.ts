import { setTimeout } from "node:timers/promises";
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import type { JobEvent, JobsService } from "./gen/portaria/v1/jobs_service_pb.js";

// Canceled and Aborted are what Connect makes of a connection that breaks off.
const RESUMABLE = [Code.Unavailable, Code.Canceled, Code.Aborted, Code.ResourceExhausted];
const MOST_FAILURES = 60; // half a minute without a door

/**
 * The events of a job, from its present state, or from after `cursor`, until it is done.
 *
 * A stream that is cut is resumed where it was, at whichever door answers: nothing is missed and
 * nothing is told twice. Throws a ConnectError where the watch was refused, or no door answers.
 */
export async function* follow(
  jobs: Client<typeof JobsService>,
  jobId: string,
  cursor = "",
): AsyncGenerator<JobEvent> {
  for (let failures = 0; ; ) {
    try {
      for await (const frame of jobs.watchJobs({ selector: { jobIds: [jobId] }, cursor })) {
        yield* frame.events;
        cursor = frame.cursor || cursor; // none before the present state is told
        failures = 0;
      }
      return;
    } catch (reason) {
      const error = ConnectError.from(reason);
      failures += 1;
      if (error.code === Code.OutOfRange) {
        cursor = ""; // the history since then is gone: begin with the present state
      } else if (!RESUMABLE.includes(error.code) || failures === MOST_FAILURES) {
        throw error;
      }
      await setTimeout(1000 * Math.random());
    }
  }
}
