/** Moments and durations. The zone is the reader's choice: UTC or the browser's own. */

export type Zone = "utc" | "local";

const MINUTE = 60_000;
const DAY_MINUTES = 1440;

function pad(value: number): string {
  return String(value).padStart(2, "0");
}

/** The moment shifted so that its UTC fields read as the zone's own. */
function inZone(at: Date, zone: Zone): Date {
  return zone === "utc" ? at : new Date(at.getTime() - at.getTimezoneOffset() * MINUTE);
}

export type Precision = "day" | "minute" | "second" | "time";

/** 2026-11-23 10:04:05, cut to the precision asked for. */
export function moment(iso: string | number | null | undefined, zone: Zone, precision: Precision = "minute"): string {
  if (iso === null || iso === undefined) return "no data";
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return "no data";
  const text = inZone(at, zone).toISOString();
  const [day = "", time = ""] = text.split("T");
  if (precision === "day") return day;
  if (precision === "time") return time.slice(0, 5);
  return `${day} ${time.slice(0, precision === "second" ? 8 : 5)}`;
}

/** Minutes the zone is ahead of UTC at a moment. */
export function offsetMinutes(zone: Zone, at: Date): number {
  return zone === "utc" ? 0 : -at.getTimezoneOffset();
}

/** "UTC", or the browser's zone as UTC+05:30. */
export function zoneName(zone: Zone, at: Date): string {
  if (zone === "utc") return "UTC";
  const offset = offsetMinutes(zone, at);
  if (offset === 0) return "UTC+0";
  const size = Math.abs(offset);
  const minutes = size % 60 ? `:${pad(size % 60)}` : "";
  return `UTC${offset > 0 ? "+" : "−"}${Math.floor(size / 60)}${minutes}`;
}

export interface WeekHour {
  /** 0 is Monday. */
  day: number;
  hour: number;
  minute: number;
}

/** The hour of the week that starts a UTC hour, as a clock `offset` minutes ahead shows it. */
export function shiftHour(day: number, hour: number, offset: number): WeekHour {
  const week = 7 * DAY_MINUTES;
  const at = (((day * DAY_MINUTES + hour * 60 + offset) % week) + week) % week;
  return { day: Math.floor(at / DAY_MINUTES), hour: Math.floor((at % DAY_MINUTES) / 60), minute: at % 60 };
}

export function hourLabel(hour: number, minute = 0): string {
  return minute ? `${pad(hour)}:${pad(minute)}` : pad(hour);
}

/** 75 s as "1 min 15 s". */
export function duration(fromIso: string | null | undefined, toIso: string | null | undefined): string {
  if (!fromIso || !toIso) return "no data";
  const seconds = Math.max(0, Math.round((Date.parse(toIso) - Date.parse(fromIso)) / 1000));
  if (Number.isNaN(seconds)) return "no data";
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** What `<input type="datetime-local">` holds for a moment, and back. */
export function toInput(iso: string, zone: Zone): string {
  return inZone(new Date(iso), zone).toISOString().slice(0, 16);
}

export function fromInput(text: string, zone: Zone): string | undefined {
  const at = new Date(zone === "utc" ? `${text}Z` : text);
  return Number.isNaN(at.getTime()) ? undefined : at.toISOString();
}
