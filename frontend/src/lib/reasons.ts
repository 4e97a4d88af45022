/** Why a bid did not win, in words. The numbers and names are those of docs/reason-codes.md. */

export interface ReasonText {
  code: number;
  label: string;
  remedy: string;
}

export const REASONS: Readonly<Record<string, ReasonText>> = {
  WON: { code: 0, label: "Won", remedy: "" },
  UNKNOWN_BRAND: { code: 1, label: "Unknown brand", remedy: "Create the brand, or check the key." },
  BRAND_PAUSED: { code: 2, label: "Brand paused", remedy: "Unpause the brand." },
  SLOT_PAUSED: { code: 3, label: "Slot paused", remedy: "Unpause the slot." },
  PARTNER_PAUSED: { code: 4, label: "Partner paused", remedy: "Unpause the partner." },
  PRICING_NOT_ALLOWED: { code: 5, label: "Pricing not allowed", remedy: "Allow CPA on bought traffic for the brand, or bid CPM or CPC." },
  MISSING_AOV: { code: 6, label: "No order value", remedy: "Send aov with CPA_PERCENT bids." },
  BELOW_MIN_VPI: { code: 7, label: "Below minimum VPI", remedy: "Bid more, or lower the minimum." },
  BELOW_FLOOR: { code: 8, label: "Below floor", remedy: "Bid more, raise the cap, or lower the floor." },
  ZERO_VALUE: { code: 9, label: "No value", remedy: "Check the amount and the estimates." },
  OUTBID: { code: 100, label: "Outbid", remedy: "" },
  TIE_BROKEN: { code: 101, label: "Lost a tie", remedy: "Raise the strategy's priority." },
};

const FIRST_RANKED = 100;

/** 1-99: the bid never took part in the ranking. */
export function isNoBid(code: number): boolean {
  return code > 0 && code < FIRST_RANKED;
}

/** A reason this build does not know keeps its own name. */
export function reasonLabel(name: string | null): string {
  if (name === null) return "Won";
  return REASONS[name]?.label ?? name;
}

export const LOSING_REASONS = Object.keys(REASONS).filter((name) => name !== "WON");
