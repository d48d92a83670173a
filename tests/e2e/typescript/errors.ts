import { Code, type ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema } from "./gen/google/rpc/error_details_pb.js";

/** What the door says of a refused call: its reason, and every field that is wrong. */
export function explain(error: ConnectError): string {
  const [info] = error.findDetails(ErrorInfoSchema);
  const name = info?.reason ?? Code[error.code];
  const violations = error
    .findDetails(BadRequestSchema)
    .flatMap((bad) => bad.fieldViolations)
    .map(({ field, description, reason }) => `  ${field}: ${description} (${reason})`);
  return violations.length ? [name, ...violations].join("\n") : `${name}: ${error.rawMessage}`;
}
