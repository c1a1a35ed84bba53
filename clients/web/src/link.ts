/** The link of a group call: `{server}/join/{call}#{link_token}`. The token never leaves the browser
 * but in a request for a ticket: a fragment is not sent, and the page refuses to send referrers. */
export interface CallLink {
  call: string;
  /** Null for whoever may join without it: creator and members. */
  token: string | null;
}

const CALL = /^\/join\/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\/?$/i;
const TOKEN = /^[A-Za-z0-9_-]{20,128}$/;

export function formatLink(origin: string, link: CallLink): string {
  const fragment = link.token === null ? "" : `#${link.token}`;
  return `${origin}/join/${link.call}${fragment}`;
}

/** Null when that is no link of a call. */
export function parseLink(text: string, origin: string): CallLink | null {
  let url: URL;
  try {
    url = new URL(text.trim(), origin);
  } catch {
    return null;
  }
  const call = CALL.exec(url.pathname)?.[1];
  const token = url.hash.slice(1);
  if (call === undefined || (token !== "" && !TOKEN.test(token))) return null;
  return { call: call.toLowerCase(), token: token === "" ? null : token };
}

/** Whether a link that somebody pasted belongs to this server. */
export function isOurs(text: string, origin: string): boolean {
  try {
    return new URL(text.trim(), origin).origin === origin;
  } catch {
    return false;
  }
}
