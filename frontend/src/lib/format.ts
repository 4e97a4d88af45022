/** Numbers as people read them. Absent is "no data", never 0. */

export const NO_DATA = "no data";

const fixed = new Map<number, Intl.NumberFormat>();

function decimals(digits: number): Intl.NumberFormat {
  let format = fixed.get(digits);
  if (!format) {
    format = new Intl.NumberFormat("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
    fixed.set(digits, format);
  }
  return format;
}

type Maybe = number | null | undefined;

function present(value: Maybe): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

export function number(value: Maybe, digits = 0): string {
  return present(value) ? decimals(digits).format(value) : NO_DATA;
}

export function count(value: Maybe): string {
  return number(value, 0);
}

const compact = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

/** 12,345,678 as 12.3M, for axes and tight places. */
export function shortCount(value: Maybe): string {
  return present(value) ? compact.format(value) : NO_DATA;
}

/** Value per impression, shown per 1,000 impressions: the unit of floors and CPM bids. */
export function perThousand(vpi: Maybe): string {
  if (!present(vpi)) return NO_DATA;
  const value = vpi * 1000;
  return decimals(Math.abs(value) >= 1000 ? 0 : 3).format(value);
}

/** A share in [0, 1] as a percentage. */
export function percent(share: Maybe, digits = 1): string {
  return present(share) ? `${decimals(digits).format(share * 100)}%` : NO_DATA;
}

/** Click and conversion rates are small: three digits after the point. */
export function rate(share: Maybe): string {
  return percent(share, 3);
}

export function factor(value: Maybe, digits = 3): string {
  return present(value) ? `×${decimals(digits).format(value)}` : NO_DATA;
}

export function milliseconds(value: Maybe): string {
  return present(value) ? `${decimals(value < 100 ? 1 : 0).format(value)} ms` : NO_DATA;
}

/** A change from `before` to `after`, signed, as a percentage; "no data" from nothing. */
export function change(before: Maybe, after: Maybe): string {
  if (!present(before) || !present(after)) return NO_DATA;
  if (before === after) return "±0%";
  if (before === 0) return "new";
  const share = (after - before) / Math.abs(before);
  return `${share > 0 ? "+" : "−"}${decimals(1).format(Math.abs(share) * 100)}%`;
}

/** A signed difference of counts: +12, −3, ±0. */
export function difference(before: number, after: number): string {
  if (before === after) return "±0";
  return `${after > before ? "+" : "−"}${count(Math.abs(after - before))}`;
}

const PRICING_UNITS: Record<string, string> = {
  CPM: "per 1,000 impressions",
  CPC: "per click",
  CPA: "per conversion",
  CPA_PERCENT: "of order value",
};

/** What a bid's amount is paid for. */
export function pricingUnit(model: string): string {
  return PRICING_UNITS[model] ?? model;
}

export function amount(model: string, value: number): string {
  return model === "CPA_PERCENT" ? percent(value, 2) : number(value, value < 100 ? 3 : 2);
}

export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}
