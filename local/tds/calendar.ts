/** Days and fractions of a day as TDS counts them, from and to ISO text, without a `Date` that would round or shift them. */

export interface Moment {
  /** Since 0001-01-01. */
  day: number;
  /** Units of 100 ns since midnight. */
  ticks: bigint;
}

const dayMs = 86_400_000;
const firstDay = Date.UTC(2001, 0, 1) / dayMs - 730_485;

/** @returns undefined for what is no date from year 1 to 9999 */
export function parseDay(text: string): number | undefined {
  const parts = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text);
  if (!parts) return undefined;
  const [, year, month, day] = parts.map(Number) as [number, number, number, number];
  // Years below 100 mean 19xx to Date.UTC, so counted 400 years on, which is a whole number of weeks.
  const shifted = Date.UTC(year + 400, month - 1, day) / dayMs - 146_097;
  return shifted - firstDay;
}

export function dayText(day: number): string {
  const shifted = new Date((day + firstDay + 146_097) * dayMs);
  const year = shifted.getUTCFullYear() - 400;
  return `${pad(year, 4)}-${pad(shifted.getUTCMonth() + 1, 2)}-${pad(shifted.getUTCDate(), 2)}`;
}

export function parseTicks(text: string): bigint | undefined {
  const parts = /^(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,7})\d*)?$/.exec(text);
  if (!parts) return undefined;
  const [, hours, minutes, seconds, fraction = ''] = parts;
  const whole = (Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds);
  return BigInt(whole) * 10_000_000n + BigInt(fraction.padEnd(7, '0'));
}

export function ticksText(ticks: bigint): string {
  const whole = Number(ticks / 10_000_000n);
  const fraction = String(ticks % 10_000_000n)
    .padStart(7, '0')
    .replace(/0+$/, '');
  const time = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
    .map((part) => pad(part, 2))
    .join(':');
  return fraction === '' ? time : `${time}.${fraction}`;
}

/** `2024-01-31 10:00:00.5` */
export function parseMoment(text: string): Moment | undefined {
  const [date = '', time = '00:00:00'] = text.split(/[ T]/);
  const day = parseDay(date);
  const ticks = parseTicks(time);
  return day === undefined || ticks === undefined ? undefined : { day, ticks };
}

export const momentText = ({ day, ticks }: Moment): string => `${dayText(day)} ${ticksText(ticks)}`;

const ticksOfDay = 864_000_000_000n;

/** The other day, if need be. */
export function shift({ day, ticks }: Moment, minutes: number): Moment {
  const moved = ticks + BigInt(minutes) * 600_000_000n;
  const days = moved < 0n ? -1 : moved >= ticksOfDay ? 1 : 0;
  return { day: day + days, ticks: moved - BigInt(days) * ticksOfDay };
}

/** Rounded to so many digits; midnight is the next day's. */
export function roundTo({ day, ticks }: Moment, scale: number): Moment {
  const unit = 10n ** BigInt(7 - scale);
  const rounded = ((ticks + unit / 2n) / unit) * unit;
  return rounded >= ticksOfDay ? { day: day + 1, ticks: 0n } : { day, ticks: rounded };
}

const pad = (value: number, length: number): string => String(value).padStart(length, '0');
