/** Looks at the connection once a second: who speaks, and what a program may want to read.
 *
 * Tiles carry `data-frames` (pictures decoded so far) and `data-sound` (audio energy received so far);
 * the call screen carries `data-cipher` (the SRTP profile) and `data-path` (the kind of local candidate).
 */
import type { Roster } from "../call/roster.ts";
import { element } from "./page.ts";
import type { Tiles } from "./tiles.ts";

const EVERY_MS = 1000;
/** Energy within one look that counts as speech: the audio level squared, times seconds. */
const SPEECH = 0.0005;

interface Report {
  type: string;
  id: string;
  trackIdentifier?: string;
  framesDecoded?: number;
  totalAudioEnergy?: number;
  srtpCipher?: string;
  selectedCandidatePairId?: string;
  localCandidateId?: string;
  candidateType?: string;
}

export class Watch {
  private readonly tiles: Tiles;
  private readonly energy = new Map<string, number>();
  private timer: ReturnType<typeof setInterval> | undefined;

  constructor(tiles: Tiles) {
    this.tiles = tiles;
  }

  start(connection: () => RTCPeerConnection | null, roster: Roster): void {
    this.stop();
    this.timer = setInterval(() => void this.look(connection(), roster), EVERY_MS);
  }

  stop(): void {
    clearInterval(this.timer);
    this.energy.clear();
    const { dataset } = element("screen-call", HTMLElement);
    delete dataset.cipher;
    delete dataset.path;
  }

  private async look(connection: RTCPeerConnection | null, roster: Roster): Promise<void> {
    if (connection === null || connection.connectionState !== "connected") return;
    const reports = new Map<string, Report>();
    (await connection.getStats()).forEach((report: Report) => {
      reports.set(report.id, report);
    });
    describe(reports);
    for (const person of roster.others) {
      const tile = this.tiles.mediaOf(person.participant);
      for (const report of reports.values()) {
        if (report.type !== "inbound-rtp" || report.trackIdentifier === undefined) continue;
        if (!tile?.tracks.includes(report.trackIdentifier)) continue;
        if (report.framesDecoded !== undefined) tile.data.frames = String(report.framesDecoded);
        if (report.totalAudioEnergy !== undefined) {
          tile.data.sound = String(report.totalAudioEnergy);
          const before = this.energy.get(report.trackIdentifier) ?? report.totalAudioEnergy;
          this.energy.set(report.trackIdentifier, report.totalAudioEnergy);
          this.tiles.speaking(person.participant, report.totalAudioEnergy - before > SPEECH);
        }
      }
    }
  }
}

function describe(reports: ReadonlyMap<string, Report>): void {
  const transport = [...reports.values()].find((report) => report.type === "transport");
  const pair = reports.get(transport?.selectedCandidatePairId ?? "");
  const local = reports.get(pair?.localCandidateId ?? "");
  const { dataset } = element("screen-call", HTMLElement);
  dataset.cipher = transport?.srtpCipher ?? "";
  dataset.path = local?.candidateType ?? "";
}
