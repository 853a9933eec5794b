import { parseHTML } from 'linkedom';
import { describe, expect, it } from 'vitest';
import { candidateStrip, histogram, intervalBar, lossCurve, rewardsByContext, roundCurve, ticksOf } from './figures.ts';

const parse = (markup: string) => {
  const svg = parseHTML(`<body>${markup}</body>`).document.querySelector('svg');
  if (svg === null) throw new Error('there is no svg');
  return svg;
};

it('a bar is as long as its value: half of the width for half of the domain', () => {
  const svg = parse(intervalBar('base', 0.25, [0.2, 0.3], [0, 0.5], 'control').markup);
  const bar = svg.querySelector('rect');
  expect(Number(bar?.getAttribute('x'))).toBeCloseTo(0, 6);
  expect(Number(bar?.getAttribute('width'))).toBeCloseTo(150, 6);
  expect(svg.getAttribute('xmlns')).toBe('http://www.w3.org/2000/svg');
  expect(svg.getAttribute('preserveAspectRatio')).toBe('none');
  expect(svg.getAttribute('aria-label')).toBe('base: 25.0 %, 95 % interval 20.0 to 30.0 %');
});

it('a histogram counts every reward once, at the nearest level', () => {
  const rewards = Array.from({ length: 13 }, (_, right) => right / 12);
  expect(histogram(rewards, 12).map(({ count }) => count)).toEqual(Array(13).fill(1));
  expect(histogram([0, 0.49, 0.5, 0.51, 1, 1], 2).map(({ count }) => count)).toEqual([1, 3, 2]);
});

it('ticks are round numbers inside the domain', () => {
  expect(ticksOf([0, 0.7])).toEqual([0, 0.2, 0.4, 0.6]);
  expect(ticksOf([-0.3, 0.3], 0.1)).toEqual([-0.3, -0.2, -0.1, 0, 0.1, 0.2, 0.3]);
});

it('the title of a passage cannot break out of a figure', () => {
  const title = '</title></svg><script>alert("1")</script>';
  const { markup } = rewardsByContext('round 1', 'passage', [{ contextId: 'a', title, reward: 0.5 }]);
  expect(markup).not.toContain('<script');
  expect(parse(markup).querySelector('title')?.textContent).toContain(title);
});

describe('extremes draw without NaN', () => {
  it.each([
    ['no rewards', () => candidateStrip([], [])],
    ['all rewards zero', () => candidateStrip([0, 0], [0])],
    ['one passage', () => rewardsByContext('round 1', 'passage', [{ contextId: 'a', title: 'a', reward: 1 }])],
    ['no rounds', () => roundCurve([{ name: 'a', role: 'after', values: [{ x: 0, y: 0 }] }], 0)],
    ['one step', () => lossCurve([{ name: 'a', role: 'after', values: [{ x: 1, y: 0 }] }])],
    ['an interval of no length', () => intervalBar('a', 0, [0, 0], [0, 0.1], 'before')],
  ])('%s', (_, figure) => {
    expect(figure().markup).not.toMatch(/NaN|Infinity|undefined/);
  });
});
