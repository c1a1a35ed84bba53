/** What went wrong, in words for the person in front of the page. */
import { CloseCode, type LeaveReason, PROBLEMS, type Problem } from "./protocol.ts";

const OURS: Record<string, string> = {
  "/problems/number-invalid":
    "That is not a phone number we can register. Write it with the country code, like +4917612345678.",
  "/problems/code-refused": "That code is wrong, was used before, or has expired.",
  "/problems/credential-refused":
    "This browser is not signed in any more. Register the number again to go on.",
  "/problems/not-found": "There is no such call, or the link is not complete.",
  "/problems/forbidden": "You may not join this call. Ask for its link again.",
  "/problems/call-state": "This call is over.",
  "/problems/unavailable": "The server is busy or partly down. Try again in a moment.",
  "/problems/internal": "The server made a mistake. Try again in a moment.",
};

export function problemSentence(problem: Problem): string {
  if (problem.type === "/problems/rate-limited") return tooMany(problem.retry_after_s ?? null);
  const known = OURS[problem.type];
  if (known !== undefined) return known;
  const title = PROBLEMS[problem.type as keyof typeof PROBLEMS] ?? problem.title;
  const detail = problem.detail ? `: ${problem.detail}` : "";
  return `${title}${detail}.`;
}

function tooMany(seconds: number | null): string {
  const when = seconds === null ? "a moment" : duration(seconds);
  return `That was too often. Try again in ${when}.`;
}

export function duration(seconds: number): string {
  if (seconds < 90) return `${seconds} second${seconds === 1 ? "" : "s"}`;
  const minutes = Math.ceil(seconds / 60);
  if (minutes < 90) return `${minutes} minutes`;
  return `${Math.ceil(minutes / 60)} hours`;
}

export const NO_SERVER = "The server cannot be reached. Check your connection and try again.";

/** Not a name of the standard's: there is no getUserMedia at all on a page over plain http. */
export const INSECURE = "InsecureContextError";

/** Why getUserMedia failed, by the name of its DOMException (W3C Media Capture and Streams). */
export function mediaSentence(kind: "camera" | "microphone", error: unknown): string {
  const name = error instanceof DOMException ? error.name : "";
  switch (name) {
    case INSECURE:
      return `Browsers give the ${kind} only to pages opened over https. You can join without.`;
    case "NotAllowedError":
    case "SecurityError":
      return `The browser does not let this page use the ${kind}. Allow it in the browser's settings for this page; you can also join without.`;
    case "NotFoundError":
    case "OverconstrainedError":
      return `No ${kind} was found. You can join without.`;
    case "NotReadableError":
    case "AbortError":
      return `The ${kind} is busy: another program may be using it. You can join without.`;
    default:
      return `The ${kind} cannot be used here. You can join without.`;
  }
}

/** Why the call ended for good, by the code of the closed connection. */
export function closeSentence(code: number): string {
  switch (code) {
    case CloseCode.REMOVED:
      return "Somebody removed you from this call.";
    case CloseCode.CALL_ENDED:
      return "The call was ended for everybody.";
    case CloseCode.REPLACED:
      return "You joined this call in another window; it goes on there.";
    case CloseCode.DEVICE_REVOKED:
    case CloseCode.ACCOUNT_REPLACED:
      return "This browser is not signed in any more. Register the number again to go on.";
    default:
      return "The connection to the call was lost.";
  }
}

export function leaveSentence(name: string, reason: LeaveReason): string {
  switch (reason) {
    case "removed":
      return `${name} was removed`;
    case "silent":
    case "failed":
      return `${name} lost the connection`;
    default:
      return `${name} left`;
  }
}
