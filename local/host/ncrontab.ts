/** Timer schedules: NCRONTAB with six fields (seconds first) or five, and TimeSpan. Pure: the next time after a given one. */

export interface Schedule {
  next(after: Date): Date;
}

interface Field {
  minimum: number;
  maximum: number;
  names?: string[];
}

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const days = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const fields: Field[] = [
  { minimum: 0, maximum: 59 },
  { minimum: 0, maximum: 59 },
  { minimum: 0, maximum: 23 },
  { minimum: 1, maximum: 31 },
  { minimum: 1, maximum: 12, names: months },
  { minimum: 0, maximum: 6, names: days },
];

function valueOf(text: string, field: Field): number {
  const name = field.names?.findIndex((candidate) => text.toLowerCase().startsWith(candidate)) ?? -1;
  const value = name >= 0 ? name + field.minimum : Number(text);
  if (!/^\w+$/.test(text) || !Number.isInteger(value) || value < field.minimum || value > field.maximum) {
    throw new Error(`'${text}' is not between ${field.minimum} and ${field.maximum}`);
  }
  return value;
}

function parseField(text: string, field: Field): Set<number> {
  const values = new Set<number>();
  for (const part of text.split(',')) {
    const [range = '', stepText] = part.split('/');
    const step = stepText === undefined ? 1 : Number(stepText);
    if (!Number.isInteger(step) || step < 1) throw new Error(`'${part}' has no valid step`);
    const [low = '', high] = range.split('-');
    let from = field.minimum;
    let to = field.maximum;
    if (range !== '*') {
      from = valueOf(low, field);
      // NCRONTAB reads `5/15` as "from 5 on, every 15".
      to = high === undefined ? (stepText === undefined ? from : field.maximum) : valueOf(high, field);
      if (to < from) [from, to] = [to, from];
    }
    for (let value = from; value <= to; value += step) values.add(value);
  }
  return values;
}

const timeSpan = /^(?:(\d+)\.)?(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d{1,7}))?$/;

export function parseSchedule(text: string): Schedule {
  const span = timeSpan.exec(text.trim());
  if (span) {
    const [, day = '0', hour = '0', minute = '0', second = '0', fraction = '0'] = span;
    const ms =
      (((Number(day) * 24 + Number(hour)) * 60 + Number(minute)) * 60 + Number(second)) * 1000 +
      Number(`0.${fraction}`) * 1000;
    if (ms <= 0) throw new Error(`The schedule '${text}' is not a positive time span.`);
    return { next: (after) => new Date(after.getTime() + ms) };
  }
  const parts = text.trim().split(/\s+/);
  if (parts.length === 5) parts.unshift('0');
  if (parts.length !== 6)
    throw new Error(
      `The schedule expression '${text}' was not recognized as a valid cron expression or timespan string.`,
    );
  try {
    const sets = parts.map((part, index) => parseField(part, fields[index] as Field));
    return { next: (after) => nextMatch(sets, after) };
  } catch (error) {
    throw new Error(`The schedule expression '${text}' was not recognized: ${(error as Error).message}.`, {
      cause: error,
    });
  }
}

/** Walks from the largest unit down, so that a yearly schedule costs days, not seconds. */
function nextMatch(sets: Set<number>[], after: Date): Date {
  const [seconds, minutes, hours, daysOfMonth, monthsOfYear, daysOfWeek] = sets as [
    Set<number>,
    Set<number>,
    Set<number>,
    Set<number>,
    Set<number>,
    Set<number>,
  ];
  const time = new Date(after.getTime());
  time.setMilliseconds(0);
  time.setSeconds(time.getSeconds() + 1);
  const limit = after.getFullYear() + 9;
  while (time.getFullYear() <= limit) {
    if (!monthsOfYear.has(time.getMonth() + 1)) {
      time.setMonth(time.getMonth() + 1, 1);
      time.setHours(0, 0, 0);
    } else if (!daysOfMonth.has(time.getDate()) || !daysOfWeek.has(time.getDay())) {
      time.setDate(time.getDate() + 1);
      time.setHours(0, 0, 0);
    } else if (!hours.has(time.getHours())) time.setHours(time.getHours() + 1, 0, 0);
    else if (!minutes.has(time.getMinutes())) time.setMinutes(time.getMinutes() + 1, 0);
    else if (!seconds.has(time.getSeconds())) time.setSeconds(time.getSeconds() + 1);
    else return time;
  }
  throw new Error('The schedule never comes due.');
}
