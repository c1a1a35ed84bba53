/** The frames as a peer connection thinks of them: without their `ref`. */
import type * as wire from "../protocol.ts";

export type { Publication, Track, TrackSource } from "../protocol.ts";
export type Offer = Omit<wire.Offer, "ref">;
export type Answer = Pick<wire.Answer, "sdp" | "published" | "subscribed">;
/** The `mid` of a media section. */
export type MediaId = string;
