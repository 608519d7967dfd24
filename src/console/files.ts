// The files of the console, as text in the bundle.

import api from './api.client.js';
import catalogue from './catalogue.client.js';
import chart from './chart.client.js';
import style from './console.css';
import dom from './dom.client.js';
import explain from './explain.client.js';
import page from './index.html';
import letters from './letters.client.js';
import main from './main.client.js';
import overview from './overview.client.js';
import purge from './purge.client.js';
import sources from './sources.client.js';
import warm from './warm.client.js';

export interface ConsoleFile {
  readonly type: string;
  readonly text: string;
}

const SCRIPTS = { api, catalogue, chart, dom, explain, letters, main, overview, purge, sources, warm };

export const PAGE: ConsoleFile = { type: 'text/html', text: page };

/** By the names that the page knows them by, which are those in this folder. */
export const FILES: ReadonlyMap<string, ConsoleFile> = new Map([
  ['console.css', { type: 'text/css', text: style }],
  ...Object.entries(SCRIPTS).map(([name, text]): [string, ConsoleFile] => [
    `${name}.client.js`,
    { type: 'text/javascript', text },
  ]),
]);
