// Mails some people, and follows the job to its end:
//
//   node send.ts http://127.0.0.1:50051 ana@example.com rui@example.com
import { randomUUID } from "node:crypto";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { explain } from "./errors.ts";
import { follow } from "./follow.ts";
import { SendBulkEmailResultSchema } from "./gen/portaria_workers/mail/v1/mail_pb.js";
import { MailService } from "./gen/portaria_workers/mail/v1/mail_service_pb.js";
import { type Job, JobState } from "./gen/portaria/v1/job_pb.js";
import { type JobEvent, JobsService } from "./gen/portaria/v1/jobs_service_pb.js";

const [baseUrl = "http://127.0.0.1:50051", ...recipients] = process.argv.slice(2);
// A watch hears something at least every 15 s: after 30 s of silence, ask whether anybody is there.
const transport = createGrpcTransport({ baseUrl, pingIntervalMs: 30_000 });
const mail = createClient(MailService, transport);
const jobs = createClient(JobsService, transport);

async function submit(): Promise<Job> {
  const request = {
    // Ours: should the answer be lost, the same call again finds the job instead of making another.
    requestId: randomUUID(),
    job: {
      template: "message",
      locale: "en",
      variables: { subject: "Hello", message: "This was sent from TypeScript." },
      recipients: recipients.map((address) => ({ address })),
    },
    options: { labels: { campaign: "typescript" } },
  };
  const { job } = await mail.sendBulkEmail(request, { timeoutMs: 10_000 });
  if (!job) {
    throw new Error("an answer without a job");
  }
  return job;
}

function tell({ state, event }: JobEvent): string {
  if (event.case === "progress") {
    const { current, total, message } = event.value;
    return `${current} of ${total}: ${message}`;
  }
  return JobState[state] ?? `state ${state}`;
}

try {
  const { jobId, cursor } = await submit();
  console.log(`submitted ${jobId}`);
  // From the cursor of that answer on: whatever happened since is told, too.
  for await (const event of follow(jobs, jobId, cursor)) {
    console.log(tell(event));
  }
  const { job } = await jobs.getJob({ jobId });
  const result = job?.result && anyUnpack(job.result, SendBulkEmailResultSchema);
  if (result) {
    console.log(`sent ${result.sent}, refused ${result.refused.length}`);
  } else {
    console.log(job?.lastFailure?.message ?? "no result");
    process.exitCode = 1;
  }
} catch (error) {
  console.error(explain(ConnectError.from(error)));
  process.exitCode = 1;
}
