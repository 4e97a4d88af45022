/** The line of a sparkline in a box of 100 × 100, y downwards. A missing value is a gap, a lone one a dot. */
export function sparkPath(values: readonly (number | null)[]): string {
  const known = values.filter((value): value is number => value !== null && Number.isFinite(value));
  if (known.length === 0) return "";
  const low = Math.min(...known);
  const span = Math.max(...known) - low;
  const step = values.length > 1 ? 100 / (values.length - 1) : 0;
  let pen = "M";
  let path = "";
  values.forEach((value, index) => {
    if (value === null || !Number.isFinite(value)) {
      pen = "M";
      return;
    }
    const y = span === 0 ? 50 : 100 - ((value - low) / span) * 100;
    path += `${pen}${round(index * step)} ${round(y)}`;
    if (pen === "M" && !Number.isFinite(values[index + 1] ?? NaN)) path += "h0";
    pen = "L";
  });
  return path;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
