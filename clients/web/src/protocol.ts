// Written by `python -m signaling.describe docs/ clients/web/src/`; do not edit.
// Values are as JSON carries them: UUIDs as text, bytes as base64, times as UTC milliseconds.

export const SUBPROTOCOL = "ringline.v1.json";
export const ACCOUNT_DEVICES_MAX = 8;
export const DEVICE_NUMBER_MAX = 127;
export const REGISTRATION_ID_MAX = 16383;
export const DEVICE_NAME_CHARACTERS_MAX = 64;
export const BODY_BYTES_MAX = 131072;
export const UPLOAD_BODY_BYTES_MAX = 524288;
export const CALL_BODY_BYTES_MAX = 65536;
export const FRAME_BYTES_MAX = 1048576;
export const ACKNOWLEDGE_POSITIONS_MAX = 256;
export const READ_IDS_MAX = 256;
export const WATCH_ACCOUNTS_MAX = 1024;
export const LOOKUP_NUMBERS_MAX = 500;
export const DELIVERY_WINDOW_ENTRIES_MAX = 64;
export const SEND_WINDOW_FRAMES_MAX = 64;
export const AUTHENTICATION_TIMEOUT_S = 10;
export const ACCESS_TOKEN_LIFETIME_S = 1800;
export const EXPIRED_TOKEN_GRACE_S = 30;
export const HEARTBEAT_INTERVAL_S = 25;
export const MESSAGE_RETENTION_S = 2592000;
export const CODE_LIFETIME_S = 600;
export const CODE_ATTEMPTS_MAX = 5;
export const LINK_CODE_LIFETIME_S = 60;
export const RING_TIMEOUT_S = 45;
export const RING_LIFETIME_S_MAX = 120;
export const PRESENCE_LEASE_S = 300;
export const GROUP_CALL_MEMBERS_MAX = 1024;
export const GROUP_CALL_PARTICIPANTS_MAX = 64;
export const GROUP_CALL_MEDIA_SECTIONS_MAX = 256;
export const GROUP_CALL_SDP_CHARACTERS_MAX = 524288;
export const DISPLAY_NAME_CHARACTERS_MAX = 64;
export const JOIN_TICKET_LIFETIME_S = 30;
export const GROUP_CALL_LIFETIME_S_MAX = 43200;
export const MEDIA_CONSENT_S = 30;
export const RELAY_ALLOCATE_S = 600;
export const RELAY_REFRESH_S_MAX = 43200;

/** Why a connection was closed (RFC 6455 §7.4). */
export const CloseCode = {
  GOING_AWAY: 1001,
  PROTOCOL_ERROR: 1002,
  TOO_BIG: 1009,
  INTERNAL_ERROR: 1011,
  TRY_AGAIN_LATER: 1013,
  MALFORMED_FRAME: 4000,
  AUTHENTICATION_TIMEOUT: 4001,
  TOKEN_REFUSED: 4002,
  TOKEN_EXPIRED: 4003,
  DEVICE_REVOKED: 4004,
  ACCOUNT_REPLACED: 4005,
  REPLACED: 4006,
  SLOW_CONSUMER: 4007,
  HEARTBEAT_TIMEOUT: 4008,
  TICKET_REFUSED: 4010,
  REMOVED: 4011,
  CALL_ENDED: 4012,
  MEDIA_LOST: 4013,
  RATE_LIMITED: 4029,
} as const;
/** Coming back cannot help. */
export const FINAL_CLOSE_CODES: readonly number[] = [4004, 4005, 4006, 4011, 4012];

/** Every problem a server may answer (RFC 9457): its `type`, and the title. */
export const PROBLEMS = {
  "/problems/malformed": "The request cannot be read",
  "/problems/invalid": "The request breaks a rule of its schema",
  "/problems/number-invalid": "That is not a phone number that can be registered",
  "/problems/unauthenticated": "No valid access token",
  "/problems/credential-refused": "The device credential is not valid",
  "/problems/code-refused": "The code is wrong, used or expired",
  "/problems/forbidden": "Not allowed",
  "/problems/not-accepted": "That person has not accepted you as a contact",
  "/problems/origin-refused": "This origin may not connect",
  "/problems/not-found": "There is no such thing for you",
  "/problems/method-not-allowed": "That method is not offered here",
  "/problems/devices-differ": "The device list is not the current one",
  "/problems/sequence": "The sequence number is not the next one",
  "/problems/id-reused": "That id belongs to another message",
  "/problems/call-state": "The call is not in a state for that",
  "/problems/devices-full": "The account has as many devices as it may",
  "/problems/too-large": "The request is too large",
  "/problems/media-type": "That content type or encoding is not understood",
  "/problems/unsealed-refused": "This server takes sealed messages only",
  "/problems/rate-limited": "Too many requests",
  "/problems/internal": "The server made a mistake",
  "/problems/unavailable": "A part of the server is not reachable; try again",
  "/problems/storage-full": "The server cannot store more",
} as const;
export type ProblemUri = keyof typeof PROBLEMS;

export type AnySfuClientFrame =
  | Join
  | Resume
  | Offer
  | Mute
  | Leave
  | Ping;

export type AnySfuServerFrame =
  | Joined
  | Answer
  | ParticipantJoined
  | ParticipantLeft
  | TrackPublished
  | TrackEnded
  | TrackMuted
  | MediaConnected
  | Done
  | Pong
  | Error;

export interface AccessToken {
  access_token: string;
  expires_at: number;
}

export interface Account {
  account: string;
  number: string;
  device: number;
  devices: Device[];
}

/** One device of one account. */
export interface Address {
  account: string;
  device: number;
}

export interface Answer {
  type: "answer";
  ref: number;
  sdp: string;
  published: Record<string, string>;
  subscribed: Record<string, string>;
}

/** Kinds of a call event. The first seven are sent by clients, all are received. */
export type CallKind = "invite" | "ringing" | "accept" | "decline" | "busy" | "cancel" | "hang-up" | "time-out" | "missed" | "taken-elsewhere";

export interface CallRecord {
  call: string;
  caller: Address;
  callee: string;
  state: CallState;
  accepted_by: number | null;
  reason: CallKind | null;
  created_at: number;
  accepted_at: number | null;
  ended_at: number | null;
}

export type CallState = "ringing" | "accepted" | "ended";

export interface Contact {
  account: string;
  state: ContactState;
}

export type ContactState = "requested" | "accepted";

export interface Contacts {
  contacts: Contact[];
}

/** What kind of sealing the bodies of a send carry. */
export type ContentType = "unsealed";

export interface Device {
  device: number;
  name: string;
  registration_id: number;
  created_at: number;
  last_seen_at: number | null;
}

export interface DeviceAddress {
  device: number;
  registration_id: number;
}

/** What a send to this account must list. */
export interface DeviceAddresses {
  account: string;
  devices: DeviceAddress[];
}

/** The opaque body for one recipient device. */
export interface DeviceBody {
  device: number;
  registration_id: number;
  body: string;
}

/** Shown once. The credential buys access tokens until the device is revoked. */
export interface DeviceCredential {
  account: string;
  device: number;
  number: string;
  credential: string;
}

/** How a send's device list differs from the account's current one. */
export interface DeviceDifference {
  account: string;
  missing: number[];
  extra: number[];
  stale: number[];
}

export interface Done {
  type: "done";
  ref: number;
}

/** The frame with this `ref` was refused; nothing of it took effect. */
export interface Error {
  type: "error";
  ref: number;
  problem: Problem;
}

export interface Found {
  number: string;
  account: string;
}

export interface GroupCall {
  call: string;
  creator: string;
  members: string[];
  link_token: string;
  created_at: number;
  ended_at: number | null;
}

/** Answered by `joined`. A ticket works once. */
export interface Join {
  type: "join";
  ref?: number;
  ticket: string;
  name?: string;
}

export interface JoinTicket {
  ticket: string;
  node: string;
  path: string;
  expires_at: number;
}

/** The whole state of the call, as of now; events follow. */
export interface Joined {
  type: "joined";
  ref: number;
  call: string;
  participant: string;
  resume_secret: string;
  resumed: boolean;
  heartbeat_s: number;
  participants: Participant[];
}

/** The stay ends now; the SFU closes the connection (1000). */
export interface Leave {
  type: "leave";
  ref?: number;
}

export type LeaveReason = "left" | "silent" | "failed" | "removed" | "call-ended" | "replaced";

export interface LinkCode {
  link_code: string;
  expires_at: number;
}

/** Joins the account of the device that shows the code. */
export interface LinkedDevice {
  link_code: string;
  device: NewDevice;
}

export interface Lookup {
  numbers: string[];
}

export interface LookupResult {
  found: Found[];
  new_numbers_left: number;
}

/** One's own media connection is up, encrypted. */
export interface MediaConnected {
  type: "media-connected";
}

/** One's own track: while muted, nothing of it is forwarded. Answered by `done`. */
export interface Mute {
  type: "mute";
  ref?: number;
  track: string;
  muted: boolean;
}

export interface NewAccessToken {
  account: string;
  device: number;
  credential: string;
}

export interface NewDevice {
  name: string;
  registration_id: number;
}

export interface NewGroupCall {
  call: string;
  members?: string[];
}

export interface NewJoinTicket {
  link_token?: string | null;
}

/** The REST twin of the `send` frame. */
export interface NewMessage {
  id: string;
  conversation: string;
  sequence: number;
  content_type: ContentType;
  recipients: Recipient[];
}

export interface NewRegistration {
  number: string;
}

/**
 * The whole description, as RTCPeerConnection made it. Answered by `answer`.
 *
 * `publish` names the media sections that send, `subscribe` what those that receive are for; a
 * section that both lists leave out carries nothing.
 */
export interface Offer {
  type: "offer";
  ref?: number;
  sdp: string;
  publish?: Record<string, Publication>;
  subscribe?: Record<string, string>;
}

export interface Participant {
  participant: string;
  account: string;
  device: number;
  name: string;
  tracks: Track[];
}

export interface ParticipantJoined {
  type: "participant-joined";
  participant: Participant;
}

/** Its tracks have ended, too. */
export interface ParticipantLeft {
  type: "participant-left";
  participant: string;
  reason: LeaveReason;
}

/** For clients that cannot send WebSocket pings. Answered by `pong`. */
export interface Ping {
  type: "ping";
  ref?: number;
}

export interface Pong {
  type: "pong";
  ref: number;
}

export interface Problem {
  type: string;
  title: string;
  status: number;
  detail?: string | null;
  retry_after_s?: number | null;
  devices?: DeviceDifference[] | null;
  expected_sequence?: number | null;
}

export interface Publication {
  source: TrackSource;
  muted?: boolean;
}

/** One account's devices in a send: exactly its current list, or the send is refused. */
export interface Recipient {
  account: string;
  bodies: DeviceBody[];
}

/** A code is on its way to the number. */
export interface Registration {
  registration: string;
  code_expires_at: number;
  resend_at: number;
}

/** For the relays (TURN, RFC 8656 §5; long-term credentials, RFC 8489 §9.2), for this call alone. */
export interface RelayCredentials {
  uris: string[];
  username: string;
  password: string;
  allocate_until: number;
  refresh_until: number;
}

/** Come back to one's stay after this connection broke: media was going on. Answered by `joined`. */
export interface Resume {
  type: "resume";
  ref?: number;
  secret: string;
}

export interface SentMessage {
  id: string;
  sent_at: number;
}

export interface Track {
  track: string;
  kind: TrackKind;
  source: TrackSource;
  muted: boolean;
}

export interface TrackEnded {
  type: "track-ended";
  participant: string;
  track: string;
}

export type TrackKind = "audio" | "video";

export interface TrackMuted {
  type: "track-muted";
  participant: string;
  track: string;
  muted: boolean;
}

export interface TrackPublished {
  type: "track-published";
  participant: string;
  track: Track;
}

export type TrackSource = "microphone" | "camera" | "screen" | "screen-audio";

export interface Verification {
  code: string;
  device: NewDevice;
}
