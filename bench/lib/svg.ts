/**
 * Plots as SVG made by hand: lines over an axis, and bars in groups. They stand on a ground of their
 * own and follow the reader's light or dark scheme, also as an image in a page.
 */
import { type Axis, type Scale, scaleOf } from './scale.js';

/** Whose figures: each has its colour in every plot. */
export type Who = 'postern' | 'knockd' | 'floor';

export interface Series {
  readonly name: string;
  readonly who: Who;
  /** Told apart from another of the same colour. */
  readonly dashed?: boolean;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface LinePlot {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
  /** Marks each point: for few points. */
  readonly marks?: boolean;
}

export interface BarPlot {
  readonly title: string;
  readonly y: Axis;
  readonly groups: readonly {
    readonly name: string;
    readonly bars: readonly { readonly name: string; readonly who: Who; readonly value: number }[];
  }[];
}

const [WIDTH, HEIGHT] = [720, 380];
const AREA = { left: 76, right: 40, top: 88, bottom: 58 };
const INNER = { width: WIDTH - AREA.left - AREA.right, height: HEIGHT - AREA.top - AREA.bottom };
/** Letters have room in any font. */
const LEGEND = { firstRow: 52, row: 20, beforeName: 28, letter: 7.2, gap: 22 };
const BOTTOM = AREA.top + INNER.height;

const LIGHT = { postern: '#0969da', knockd: '#cf5b00', floor: '#6e7781' };
const DARK = { postern: '#4493f8', knockd: '#f0883e', floor: '#9198a1' };

const STYLE = `
  .ground { fill: #ffffff } text { fill: #24292f; font: 13px system-ui, sans-serif }
  text.title { font-size: 15px; font-weight: 600 } text.small { font-size: 12px }
  .grid { stroke: #d8dee4 } ${colours(LIGHT)}
  path.line { fill: none; stroke-width: 2.2 } path.dashed { stroke-dasharray: 6 4 }
  path.key { stroke-width: 4 } .mark, .bar { stroke-width: 0 }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117 } text { fill: #e6edf3 } .grid { stroke: #30363d }
    ${colours(DARK)}
  }`;

function colours(of: Readonly<Record<Who, string>>): string {
  const rules = Object.entries(of).map(([who, colour]) => {
    return `.${who} { stroke: ${colour}; fill: ${colour} }`;
  });
  return rules.join(' ');
}

export function linePlot({ title, x, y, series, marks }: LinePlot): string {
  const points = series.flatMap((each) => each.points);
  const across = scaleOf(
    x,
    points.map(([value]) => value),
  );
  const up = scaleOf(
    y,
    points.map(([, value]) => value),
  );
  const lines = series.map((each) => lineOf(each, across, up, marks === true));
  const legend = series.map(({ name, who, dashed }) => ({ name, who, dashed: dashed === true }));
  return drawing(title, [
    yAxis(y, up),
    ...across.ticks.map((tick) => xTick(written(x, tick), acrossAt(across.place(tick)))),
    text(x.label, AREA.left + INNER.width / 2, HEIGHT - 12, 'middle'),
    ...lines,
    legendOf(legend),
  ]);
}

export function barPlot({ title, y, groups }: BarPlot): string {
  const bars = groups.flatMap((group) => group.bars);
  const up = scaleOf(
    y,
    bars.map(({ value }) => value),
  );
  const width = INNER.width / groups.length;
  const drawn = groups.map((group, at) => groupOf(group, AREA.left + at * width, width, y, up));
  const legend = new Map(bars.map(({ name, who }) => [name, { name, who, dashed: false }]));
  return drawing(title, [yAxis(y, up), ...drawn, legendOf([...legend.values()])]);
}

function lineOf({ points, who, dashed }: Series, x: Scale, y: Scale, marks: boolean): string {
  const places = points
    .map(([across, up]) => [acrossAt(x.place(across)), upAt(y.place(up))] as const)
    .filter((place) => place.every(Number.isFinite));
  const path = places.map(([px, py], at) => `${at === 0 ? 'M' : 'L'}${tenth(px)} ${tenth(py)}`);
  const dots = marks ? places.map(([px, py]) => markAt(px, py, who)) : [];
  const drawn = `<path class="line ${who}${dashed ? ' dashed' : ''}" d="${path.join('')}"/>`;
  return [drawn, ...dots].join('\n');
}

function markAt(x: number, y: number, who: Who): string {
  return `<circle class="mark ${who}" cx="${tenth(x)}" cy="${tenth(y)}" r="4"/>`;
}

function groupOf(
  { name, bars }: BarPlot['groups'][number],
  left: number,
  width: number,
  axis: Axis,
  up: Scale,
): string {
  const each = Math.min(64, (width * 0.8) / Math.max(1, bars.length));
  const first = left + (width - each * bars.length) / 2;
  const drawn = bars.map(({ who, value }, at) => {
    const [x, place] = [first + at * each, up.place(value)];
    const top = upAt(Number.isFinite(place) ? place : 0);
    const bar = `<rect class="bar ${who}" x="${tenth(x + 2)}" y="${tenth(top)}" width="${tenth(each - 4)}" height="${tenth(BOTTOM - top)}"/>`;
    return `${bar}\n${text(written(axis, value), x + each / 2, top - 5, 'middle', 'small')}`;
  });
  return [...drawn, text(name, left + width / 2, BOTTOM + 20, 'middle')].join('\n');
}

function yAxis(axis: Axis, scale: Scale): string {
  const lines = scale.ticks.map((tick) => {
    const at = upAt(scale.place(tick));
    const line = `<line class="grid" x1="${AREA.left}" x2="${WIDTH - AREA.right}" y1="${tenth(at)}" y2="${tenth(at)}"/>`;
    return `${line}\n${text(written(axis, tick), AREA.left - 8, at + 4, 'end', 'small')}`;
  });
  const middle = AREA.top + INNER.height / 2;
  const label = `<text transform="rotate(-90 18 ${middle})" x="18" y="${middle}" text-anchor="middle">${escaped(axis.label)}</text>`;
  return [...lines, label].join('\n');
}

function xTick(label: string, at: number): string {
  const line = `<line class="grid" x1="${tenth(at)}" x2="${tenth(at)}" y1="${BOTTOM}" y2="${BOTTOM + 5}"/>`;
  return `${line}\n${text(label, at, BOTTOM + 20, 'middle', 'small')}`;
}

interface Entry {
  readonly name: string;
  readonly who: Who;
  readonly dashed: boolean;
}

/** In as many rows as it takes. */
function legendOf(entries: readonly Entry[]): string {
  let [x, y] = [AREA.left, LEGEND.firstRow];
  return entries
    .map(({ name, who, dashed }) => {
      const width = LEGEND.beforeName + LEGEND.letter * name.length;
      if (x > AREA.left && x + width > WIDTH - AREA.right) {
        [x, y] = [AREA.left, y + LEGEND.row];
      }
      const kind = `line key ${who}${dashed ? ' dashed' : ''}`;
      const key = `<path class="${kind}" d="M${tenth(x)} ${y - 4}h22"/>`;
      const entry = `${key}\n${text(name, x + LEGEND.beforeName, y, 'start')}`;
      x += width + LEGEND.gap;
      return entry;
    })
    .join('\n');
}

function drawing(title: string, parts: readonly string[]): string {
  const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-label="${escaped(title)}">`;
  const ground = `<rect class="ground" width="${WIDTH}" height="${HEIGHT}" rx="6"/>`;
  const body = [text(title, AREA.left, 28, 'start', 'title'), ...parts];
  return [head, `<style>${STYLE}\n</style>`, ground, ...body, '</svg>', ''].join('\n');
}

function text(content: string, x: number, y: number, anchor: string, kind?: string): string {
  const of = kind === undefined ? '' : ` class="${kind}"`;
  return `<text${of} x="${tenth(x)}" y="${tenth(y)}" text-anchor="${anchor}">${escaped(content)}</text>`;
}

function acrossAt(place: number): number {
  return AREA.left + place * INNER.width;
}

function upAt(place: number): number {
  return BOTTOM - place * INNER.height;
}

function written({ format }: Axis, value: number): string {
  if (!Number.isFinite(value)) return '?';
  return format === undefined ? value.toLocaleString('en-US') : format(value);
}

function tenth(value: number): number {
  return Math.round(value * 10) / 10;
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
