import assert from 'node:assert/strict';
import { scaleOf } from '../../bench/lib/scale.js';
import { barPlot, linePlot } from '../../bench/lib/svg.js';

const numbersIn = (svg: string) => [...svg.matchAll(/="(-?[\d.]+)"/g)].map(([, n]) => Number(n));

describe('plots of the bench', () => {
  it('have round ticks that hold every value', () => {
    assert.deepEqual(scaleOf({ label: '' }, [0, 47]).ticks, [0, 10, 20, 30, 40, 50]);
    assert.deepEqual(scaleOf({ label: '', atLeast: 100 }, [99]).ticks.at(-1), 100);
    const log = scaleOf({ label: '', log: true }, [1000, 1_000_000]);
    assert.deepEqual(log.ticks, [1000, 10_000, 100_000, 1_000_000]);
    assert.deepEqual([1000, 1_000_000].map(log.place), [0, 1]);
  });

  it('have a tick below and above a single value too', () => {
    for (const log of [true, false]) {
      const { ticks, place } = scaleOf({ label: '', log }, [10]);
      assert.ok(ticks.length >= 2);
      assert.ok(place(10) >= 0 && place(10) <= 1);
    }
    assert.ok(scaleOf({ label: '' }, [0]).ticks.every(Number.isFinite));
  });

  it('show title, units, legend and every series, in both schemes', () => {
    const svg = linePlot({
      title: 'a < b',
      x: { label: 'sources', log: true },
      y: { label: 'µs' },
      series: [
        {
          name: 'postern',
          who: 'postern',
          points: [
            [1000, 5],
            [1_000_000, 6],
          ],
        },
        { name: 'knockd', who: 'knockd', dashed: true, points: [[1000, 50]] },
      ],
      marks: true,
    });
    for (const text of ['a &lt; b', 'sources', 'µs', 'postern', 'knockd', '1,000,000'])
      assert.ok(svg.includes(text), text);
    assert.match(svg, /prefers-color-scheme: dark/);
    assert.equal(svg.match(/<circle/g)?.length, 3);
    assert.ok(numbersIn(svg).every((each) => each >= -90 && each <= 720));
  });

  it('have room for a long legend', () => {
    const names = [1, 2, 3, 4].map((at) => `a name of some length, ${at}`);
    const svg = linePlot({
      ...{ title: 't', x: { label: 'x' }, y: { label: 'y' } },
      series: names.map((name) => ({ name, who: 'postern', points: [[1, 1]] })),
    });
    const places = [...svg.matchAll(/x="([\d.]+)" y="(\d+)"[^>]*>a name/g)];
    assert.equal(places.length, 4);
    for (const [, x] of places) assert.ok(Number(x) + 7 * 24 < 720, `${x}`);
    assert.equal(new Set(places.map(([, x, y]) => `${x} ${y}`)).size, 4);
  });

  it('have a bar as high as its value', () => {
    const bars = [10, 40].map((value) => ({ name: `b${value}`, who: 'floor' as const, value }));
    const svg = barPlot({ title: 't', y: { label: 'ms' }, groups: [{ name: 'median', bars }] });
    const heights = [...svg.matchAll(/class="bar[^>]*height="([\d.]+)"/g)].map(([, h]) =>
      Number(h),
    );
    assert.equal(heights.length, 2);
    assert.ok(Math.abs((heights[1] ?? 0) / (heights[0] ?? 1) - 4) < 0.01);
  });

  it('draw nothing of what was not measured as if it were', () => {
    const bars = [{ name: 'floor', who: 'floor' as const, value: Number.NaN }];
    const svg = barPlot({ title: 't', y: { label: 'ms' }, groups: [{ name: 'median', bars }] });
    assert.ok(!svg.includes('NaN'));
  });
});
