/** Colour for quantities: interpolated in OKLCH, so that equal steps look equal. */

export interface Oklch {
  l: number;
  c: number;
  h: number;
}
type Rgb = [number, number, number];

/** Pale to deep on a light page; deep to pale on a dark one, so that more value stands out. */
const LIGHT: [Oklch, Oklch, Oklch] = [
  { l: 0.955, c: 0.025, h: 118 },
  { l: 0.72, c: 0.11, h: 172 },
  { l: 0.36, c: 0.085, h: 232 },
];
const DARK: [Oklch, Oklch, Oklch] = [
  { l: 0.27, c: 0.03, h: 232 },
  { l: 0.55, c: 0.095, h: 178 },
  { l: 0.93, c: 0.1, h: 112 },
];

function mix(from: Oklch, to: Oklch, t: number): Oklch {
  return { l: from.l + (to.l - from.l) * t, c: from.c + (to.c - from.c) * t, h: from.h + (to.h - from.h) * t };
}

function companded(linear: number): number {
  const value = linear <= 0.0031308 ? 12.92 * linear : 1.055 * linear ** (1 / 2.4) - 0.055;
  return Math.min(1, Math.max(0, value));
}

/** Björn Ottosson's Oklab, to sRGB in [0, 1]. */
export function toRgb({ l, c, h }: Oklch): Rgb {
  const a = c * Math.cos((h * Math.PI) / 180);
  const b = c * Math.sin((h * Math.PI) / 180);
  const long = (l + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const medium = (l - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const short = (l - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    companded(4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short),
    companded(-1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short),
    companded(-0.0041960863 * long - 0.7034186147 * medium + 1.707614701 * short),
  ];
}

export function luminance(rgb: Rgb): number {
  const [r, g, b] = rgb.map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)) as Rgb;
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** WCAG contrast of two colours, 1 to 21. */
export function contrast(one: Rgb, other: Rgb): number {
  const [dark, light] = [luminance(one), luminance(other)].sort((x, y) => x - y) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

// With black and white one of the two always has a contrast of at least 4.58.
const INK: Rgb = [0, 0, 0];
const PAPER: Rgb = [1, 1, 1];

export interface Swatch {
  background: string;
  ink: string;
}

function css(rgb: Rgb): string {
  return `rgb(${rgb.map((v) => Math.round(v * 255)).join(" ")})`;
}

/** The colour at a position in [0, 1], with ink that is legible on it. */
export function swatch(position: number, dark: boolean): Swatch {
  const t = Math.min(1, Math.max(0, position));
  const [low, middle, high] = dark ? DARK : LIGHT;
  const rgb = toRgb(t < 0.5 ? mix(low, middle, t * 2) : mix(middle, high, t * 2 - 1));
  const ink = contrast(rgb, INK) >= contrast(rgb, PAPER) ? INK : PAPER;
  return { background: css(rgb), ink: css(ink) };
}

export interface Domain {
  low: number;
  high: number;
}

/** The 2nd to 98th percentile: one wild cell must not wash out all the others. */
export function domainOf(values: readonly number[]): Domain | undefined {
  if (values.length === 0) return undefined;
  const sorted = [...values].sort((x, y) => x - y);
  const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))] ?? 0;
  return { low: at(0.02), high: at(0.98) };
}

/** Where a value stands in the domain, in [0, 1]; the middle where all values are equal. */
export function position(value: number, { low, high }: Domain): number {
  if (high <= low) return 0.5;
  return Math.min(1, Math.max(0, (value - low) / (high - low)));
}
