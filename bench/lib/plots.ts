/** The plots of docs/performance, each from the figures of one scenario. */
import { shown } from './rows.js';
import { type Comparison, commandFigures, nftablesFigures } from './rows-latency.js';
import {
  type Cost,
  type Flood,
  floodFigures,
  packetFigures,
  sourcesFigures,
} from './rows-packets.js';
import { count, megabytes } from './rows-parse.js';
import { type BarPlot, barPlot, linePlot, type Series } from './svg.js';

export interface Plot {
  /** Name of its file in docs/performance, without `.svg`. */
  readonly name: string;
  readonly scenario: string;
  /** In words, for those who cannot see it. */
  readonly alt: string;
  /** Undefined when the figures have nothing to draw. */
  draw(figures: unknown): string | undefined;
}

const BOTH = ['postern', 'knockd'] as const;

export const PLOTS: readonly Plot[] = [
  {
    name: 'latency-command',
    scenario: 'command',
    alt: 'Bars: milliseconds from knock to start command, floor, postern and knockd',
    draw: (figures) =>
      barPlot({
        title: 'From the last packet of a knock until its start command runs',
        y: { label: 'milliseconds', format: shown },
        groups: groupsOf('', commandFigures(figures)),
      }),
  },
  {
    name: 'latency-nftables',
    scenario: 'nftables',
    alt: 'Bars: milliseconds from knock to element and to connection, floor, postern and knockd',
    draw: (figures) => {
      const { element, connection } = nftablesFigures(figures);
      return barPlot({
        title: 'From the last packet of a knock until the firewall lets its source in',
        y: { label: 'milliseconds', format: shown },
        groups: [...groupsOf('element, ', element), ...groupsOf('connect, ', connection)],
      });
    },
  },
  {
    name: 'packet-cost',
    scenario: 'packets',
    alt: 'Lines: processor time for a packet against the number of tracked sources',
    draw: (figures) => {
      const costs = packetFigures(figures);
      return linePlot({
        title: 'Processor time for a packet, all processes, by tracked sources',
        x: { label: 'sources that are tracked', log: true },
        y: { label: 'microseconds for a packet', log: true, format: shown },
        series: BOTH.flatMap((who) => [
          costSeries(`${who}, first knock`, who, 'first', costs[who]),
          { ...costSeries(`${who}, live attempt`, who, 'live', costs[who]), dashed: true },
        ]).filter(({ points }) => points.length > 0),
        marks: true,
      });
    },
  },
  {
    name: 'flood-openings',
    scenario: 'floods',
    alt: 'Lines: share of honest knocks that open, against the packets a second of a flood',
    draw: (figures) => {
      const floods = floodFigures(figures);
      return linePlot({
        title: 'Honest knocks that open during a flood of spoofed ones',
        x: { label: 'packets a second', atLeast: 100_000 },
        y: { label: 'of 100 honest knocks, opened', atLeast: 100 },
        series: BOTH.flatMap((who) => [
          openedSeries(`${who}, first knocks`, who, 1, floods),
          { ...openedSeries(`${who}, first and second`, who, 2, floods), dashed: true },
        ]).filter(({ points }) => points.length > 0),
        marks: true,
      });
    },
  },
  {
    name: 'source-memory',
    scenario: 'sources',
    alt: 'Lines: memory of all processes during and after a flood of 4,000,000 sources',
    draw: (figures) => {
      const programs = sourcesFigures(figures);
      const most = Math.max(...programs.map(({ sources }) => sources));
      return linePlot({
        title: `Memory of all processes while ${count(most)} sources knock, and after`,
        x: { label: 'seconds since the flood began' },
        y: { label: 'MB, capture ring included' },
        series: programs.flatMap(({ program, samples }) =>
          program === 'node' ? [] : [{ name: program, who: program, points: pointsOf(samples) }],
        ),
      });
    },
  },
];

function groupsOf(what: string, compared: Comparison): BarPlot['groups'] {
  const bars = (quantile: 'p50Ms' | 'p95Ms') =>
    (['floor', ...BOTH] as const).map((who) => ({
      ...{ name: who, who, value: compared[who][quantile] },
    }));
  return [
    { name: `${what}median`, bars: bars('p50Ms') },
    { name: `${what}95th percentile`, bars: bars('p95Ms') },
  ];
}

function costSeries(
  name: string,
  who: Series['who'],
  kind: string,
  costs: readonly Cost[],
): Series {
  // A logarithmic axis has no place for what costs nothing.
  const points = costs
    .filter((each) => each.kind === kind && each.micros > 0)
    .map(({ tracked, micros }) => [tracked, micros] as const);
  return { name, who, points: points.toSorted(([a], [b]) => a - b) };
}

function openedSeries(
  name: string,
  who: Series['who'],
  knocks: number,
  floods: readonly Flood[],
): Series {
  const points = floods
    .filter((each) => each.program === who && each.knocks === knocks)
    .map(({ perSecond, opened, honest }) => [perSecond, (100 * opened) / honest] as const);
  return { name, who, points: points.toSorted(([a], [b]) => a - b) };
}

function pointsOf(samples: readonly { readonly atSeconds: number; readonly aloneMiB: number }[]) {
  return samples.map(({ atSeconds, aloneMiB }) => [atSeconds, megabytes(aloneMiB)] as const);
}
