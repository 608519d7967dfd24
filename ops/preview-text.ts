/** A preview for people. */
import { bold, dim, green, red, yellow } from '../local/commands/output.ts';
import type { Cached, Looked } from './preview-look.ts';
import type { Preview } from './preview-run.ts';

const SHOWN = 300;

const CACHED: Readonly<Record<Cached, string>> = {
  live: green('cached, and stays'),
  old: yellow('cached, becomes a miss (another fingerprint)'),
  'made old': dim('cached, but made old already'),
  differs: red('cached, and stays as it is, though this configuration gives something else'),
  no: dim('not cached'),
  unknown: dim('Redis cannot be reached'),
};

export function previewText(preview: Preview, isFull: boolean): string[] {
  const { entity, source, fingerprint, chosen, documents } = preview;
  return [
    `${bold(entity)}  ${source}  ${dim(`fingerprint ${fingerprint}`)}`,
    dim(`${documents.length} of ${chosen}`),
    '',
    ...documents.flatMap((looked) => documentText(looked, isFull)),
    ...summaryOf(preview),
  ];
}

function documentText({ key, served, remark, tags, bytes, body, cached }: Looked, isFull: boolean): string[] {
  const head = `${bold(printable(key))}  ${CACHED[cached]}`;
  const why = remark === undefined ? [] : [`  ${red(printable(remark))}`];
  if (served !== 'value')
    return [head, `  ${yellow(served === 'fails' ? 'fails' : `not served: ${served}`)}`, ...why, ''];
  const text = JSON.stringify(body);
  const shown = isFull || text.length <= SHOWN ? text : `${text.slice(0, SHOWN)}…`;
  return [
    head,
    ...why,
    `  tags  ${tags.map(printable).join(', ') || dim('none')}`,
    `  body  ${printable(shown)}  ${dim(`${bytes} bytes`)}`,
    '',
  ];
}

/** Documents are others' texts: nothing in them may steer a terminal. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function summaryOf({ entity, documents, queries, redis }: Preview): string[] {
  if (documents.length === 0) return ['There is nothing to show.'];
  const count = (is: (looked: Looked) => boolean) => documents.filter(is).length;
  const as = (cached: Cached) => count((looked) => looked.cached === cached);
  const fails = count(({ served }) => served === 'fails');
  const lines = [`Of ${documents.length}: ${count(({ served }) => served === 'value')} served, ${fails} failing.`];
  if (fails > 0) lines.push(red('Reads of what fails answer 502, and its changes become dead letters.'));
  if (redis !== 'ok')
    return [...lines, 'Redis cannot be reached, so nothing is said about what a deployment makes old.'];
  const [live, old, differs] = [as('live'), as('old'), as('differs')];
  if (old > 0) {
    const share = `${old} of ${live + old + differs} that are cached`;
    lines.push(
      yellow(
        `Deployed, this configuration makes old what is cached of ${entity}: ${share} here. It is loaded again when it is read or changed.`,
      ),
    );
  } else lines.push(`Deployed, this configuration makes nothing old of the ${live + differs} that are cached.`);
  if (differs > 0) {
    lines.push(
      red(
        `${differs} would be served as they were cached, though select, match or tags give something else: raise the entity's revision.`,
      ),
      dim('(Or they changed in the database and their change has not arrived.)'),
    );
  }
  if (old + differs > 0 && queries.length > 0) {
    lines.push(`Results of ${queries.join(', ')} are as old as ${entity}: they have its rows.`);
  }
  return lines;
}
