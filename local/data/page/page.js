// Countries by region (a query of PostgreSQL), their flags and borders (static content), and how often this visitor came
// (session state, which all instances share). Everything that is shown is set as text.

const api = new URL('../../', import.meta.url).pathname;
const SESSION = 'warmfeed-session';
const REGIONS = ['Africa', 'Americas', 'Antarctic', 'Asia', 'Europe', 'Oceania'];
const find = (selector) => document.querySelector(selector);

/** One visit more; a session that has ended is followed by a new one. */
async function countVisit() {
  const id = localStorage.getItem(SESSION);
  const known = id === null ? undefined : await fetch(`${api}sessions/current`, { headers: { 'x-session-id': id } });
  if (known?.ok) {
    const visits = (await known.json()).visits + 1;
    const changed = await fetch(`${api}sessions/current`, {
      method: 'PATCH',
      headers: {
        'x-session-id': id,
        'content-type': 'application/merge-patch+json',
        'if-match': known.headers.get('etag'),
      },
      body: JSON.stringify({ visits }),
    });
    // Another tab was first: count once more.
    return changed.status === 412 ? countVisit() : visits;
  }
  const made = await fetch(`${api}sessions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ visits: 1 }),
  });
  if (!made.ok) throw new Error(`sessions: ${made.status}`);
  localStorage.setItem(SESSION, made.headers.get('x-session-id'));
  return 1;
}

async function showRegion(region) {
  for (const button of find('#regions').children) button.ariaPressed = String(button.textContent === region);
  const answer = await fetch(`${api}queries/countriesByRegion?region=${encodeURIComponent(region)}`);
  find('#answer').textContent = `${region}: ${answer.headers.get('cache-status')}`;
  const { rows } = await answer.json();
  find('#countries').replaceChildren(...rows.map(tileOf));
  // `#FRA` in the address shows a country of the region at once.
  const named = rows.find(({ cca3 }) => `#${cca3}` === location.hash);
  if (named !== undefined) await showCountry(named);
}

function tileOf(country) {
  const flag = document.createElement('img');
  flag.src = `${api}content/flags/${country.cca3.toLowerCase()}.svg`;
  flag.alt = '';
  flag.loading = 'lazy';
  const button = document.createElement('button');
  button.append(flag, country.name);
  button.addEventListener('click', () => void showCountry(country));
  const tile = document.createElement('li');
  tile.append(button);
  return tile;
}

async function showCountry({ name, official, capital, area, cca3 }) {
  const section = find('#country');
  section.querySelector('h2').textContent = name;
  section.querySelector('.facts').textContent = [official, capital, area && `${area} km²`].filter(Boolean).join(' · ');
  const answer = await fetch(`${api}content/borders/${cca3.toLowerCase()}.geo.json`);
  find('#answer').textContent = `borders of ${name}: ${answer.headers.get('cache-status')}`;
  section.querySelector('path').setAttribute('d', answer.ok ? pathOf(await answer.json()) : '');
  section.hidden = false;
}

/** GeoJSON (RFC 7946) as a path that fits into 400 by 300. */
function pathOf({ features }) {
  const polygons = features.flatMap(({ geometry: { type, coordinates } }) =>
    type === 'Polygon' ? [coordinates] : coordinates,
  );
  const points = polygons.flat(2);
  const [west, east] = [Math.min(...points.map(([x]) => x)), Math.max(...points.map(([x]) => x))];
  const [south, north] = [Math.min(...points.map(([, y]) => y)), Math.max(...points.map(([, y]) => y))];
  // A degree of longitude is shorter away from the equator.
  const shrink = Math.cos((((south + north) / 2) * Math.PI) / 180);
  const scale = Math.min(380 / ((east - west) * shrink || 1), 280 / (north - south || 1));
  const place = ([x, y]) => `${(10 + (x - west) * shrink * scale).toFixed(1)},${(10 + (north - y) * scale).toFixed(1)}`;
  return polygons.flatMap((rings) => rings.map((ring) => `M${ring.map(place).join('L')}Z`)).join('');
}

for (const region of REGIONS) {
  const button = document.createElement('button');
  button.textContent = region;
  button.addEventListener('click', () => void showRegion(region));
  find('#regions').append(button);
}
await Promise.all([
  showRegion('Europe'),
  countVisit().then((visits) => {
    find('#visits').textContent = visits === 1 ? 'Your first visit' : `Your visit number ${visits}`;
  }),
]);
